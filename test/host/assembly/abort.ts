/** Called where AssemblyScript would throw: the probe traps. */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  unreachable();
}
