import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import asc from "assemblyscript/asc";

interface Exports {
  readonly memory: WebAssembly.Memory;
  allocate(length: number): number;
  begin(): void;
  beginLimited(limitBytes: number): void;
  push(ptr: number, length: number): void;
  failed(): number;
  finished(): number;
  outputBytes(): bigint;
}
interface Config {
  targets: { release: Record<string, unknown> };
  options: { runtime: string; enable: string[] };
}

/** How an inflater ended, and what its sink was given. */
export interface Inflated {
  readonly failed: boolean;
  readonly finished: boolean;
  readonly bytes: Buffer;
}

const ENTRY = "test/unit/scan-gzip/assembly/entry.ts";
const SCRATCH_BYTES = 1 << 20;
/** The sink gets what it gets from the window: never more at once. */
const WINDOW_BYTES = 32_768;

/** Flags of the release build, so that the tests run what ships. */
function releaseFlags(): string[] {
  const config = JSON.parse(readFileSync("asconfig.json", "utf8")) as Config;
  const { outFile: _, ...release } = config.targets.release;
  const flags = Object.entries(release).map(([name, value]) =>
    value === true ? `--${name}` : `--${name}=${value}`,
  );
  const { runtime, enable } = config.options;
  return [...flags, `--runtime=${runtime}`, ...enable.map((feature) => `--enable=${feature}`)];
}

async function compile(): Promise<Uint8Array<ArrayBuffer>> {
  const folder = mkdtempSync(join(tmpdir(), "tollgate-gzip-"));
  try {
    const outFile = join(folder, "gzip.wasm");
    const own = ["--config=none", "--use=abort=", `--outFile=${outFile}`];
    const { error, stderr } = await asc.main([ENTRY, ...own, ...releaseFlags()]);
    if (error !== null) throw new Error(`${error.message}\n${stderr.toString()}`);
    return new Uint8Array(readFileSync(outFile));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The inflater as WebAssembly. */
export class GzipModule {
  private readonly wasm: Exports;
  private readonly scratch: number;
  private chunks: Buffer[] = [];
  private givenBytes = 0;
  /** False where only the number of bytes counts. */
  private keeps = true;

  static async load(): Promise<GzipModule> {
    return new GzipModule(await compile());
  }

  private constructor(bytes: Uint8Array<ArrayBuffer>) {
    const host = { bytes: (ptr: number, length: number) => this.take(ptr, length) };
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { host });
    this.wasm = instance.exports as unknown as Exports;
    this.scratch = this.wasm.allocate(SCRATCH_BYTES);
  }

  /** Bytes of memory that the module has. */
  memoryBytes(): number {
    return this.wasm.memory.buffer.byteLength;
  }

  /** Pushes pieces through a new inflater; `limitBytes`: output that is longer fails. */
  inflate(pieces: Iterable<Uint8Array>, limitBytes?: number): Inflated {
    this.chunks = [];
    this.keeps = true;
    this.pushAll(pieces, limitBytes);
    return { ...this.ended(), bytes: Buffer.concat(this.chunks) };
  }

  /** The same, where only the number of bytes counts. */
  count(pieces: Iterable<Uint8Array>): { failed: boolean; finished: boolean; bytes: number } {
    this.keeps = false;
    this.pushAll(pieces);
    return { ...this.ended(), bytes: this.givenBytes };
  }

  private pushAll(pieces: Iterable<Uint8Array>, limitBytes?: number): void {
    this.givenBytes = 0;
    if (limitBytes === undefined) this.wasm.begin();
    else this.wasm.beginLimited(limitBytes);
    for (const piece of pieces) {
      const memory = new Uint8Array(this.wasm.memory.buffer);
      memory.set(piece, this.scratch);
      this.wasm.push(this.scratch, piece.length);
      // An inflater that still points at the piece would now see other bytes.
      memory.fill(0x55, this.scratch, this.scratch + piece.length);
    }
  }

  private ended(): { failed: boolean; finished: boolean } {
    const told = this.wasm.outputBytes();
    if (told !== BigInt(this.givenBytes)) {
      throw new Error(`outputBytes is ${told}, the sink was given ${this.givenBytes}`);
    }
    return { failed: this.wasm.failed() === 1, finished: this.wasm.finished() === 1 };
  }

  private take(ptr: number, length: number): void {
    if (length < 1 || length > WINDOW_BYTES) throw new Error(`${length} bytes at once`);
    this.givenBytes += length;
    if (!this.keeps) return;
    this.chunks.push(Buffer.from(this.wasm.memory.buffer.slice(ptr, ptr + length)));
  }
}
