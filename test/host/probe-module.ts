import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { main } from "assemblyscript/asc";

/** Compiles the probe filter of assembly/ and returns its bytes. */
export async function compileProbe(): Promise<Uint8Array> {
  const folder = mkdtempSync(join(tmpdir(), "tollgate-probe-"));
  try {
    const outFile = join(folder, "probe.wasm");
    const { error, stderr } = await main([
      "test/host/assembly/probe.ts",
      "--config",
      "test/host/assembly/asconfig.json",
      "--outFile",
      outFile,
    ]);
    if (error !== null) throw new Error(`the probe does not compile:\n${stderr.toString()}`);
    return readFileSync(outFile);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
