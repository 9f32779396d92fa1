import { proxy_log } from "@gcoredev/proxy-wasm-sdk-as/assembly/imports";

const LEVEL_CRITICAL: usize = 5;

/**
 * What the compiler calls for a failed bounds check or allocation. It replaces env.abort, which
 * no proxy has. Says where it happened, then traps: the host reloads the VM (FAIL_RELOAD).
 */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  const where = file === null ? "?" : file;
  const what = message === null ? "aborted" : message;
  const text = String.UTF8.encode(`${what} at ${where}:${line}:${column}`);
  proxy_log(LEVEL_CRITICAL, changetype<usize>(text), text.byteLength);
  unreachable();
}
