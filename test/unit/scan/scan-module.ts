import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import asc from "assemblyscript/asc";

export const Kind = { Value: 0, Text: 1, Base64: 2, Probe: 3 } as const;
export type Pointer = readonly [pointer: string, kind: number];

/** One call of a sink: its name, then what it was told. */
export type Call = readonly [name: string, ...told: (string | number | boolean)[]];
export type Scanner = "json" | "sse" | "frames";

type Exports = { readonly memory: WebAssembly.Memory } & Record<
  string,
  (...args: (number | bigint)[]) => number
>;
interface Config {
  targets: { release: Record<string, unknown> };
  options: { runtime: string; enable: string[]; transform: string[] };
}

const ENTRY = "test/unit/scan/assembly/entry.ts";
const SCRATCH_BYTES = 4 << 20;
const utf8 = new TextEncoder();

/** Flags of the release build, so that the tests run what ships. */
function releaseFlags(): string[] {
  const config = JSON.parse(readFileSync("asconfig.json", "utf8")) as Config;
  const { outFile: _, ...release } = config.targets.release;
  const flags = Object.entries(release).map(([name, value]) =>
    value === true ? `--${name}` : `--${name}=${value}`,
  );
  const { runtime, enable, transform } = config.options;
  return [
    ...flags,
    `--runtime=${runtime}`,
    ...enable.map((feature) => `--enable=${feature}`),
    ...transform.map((path) => `--transform=${path}`),
  ];
}

async function compile(): Promise<Uint8Array<ArrayBuffer>> {
  const folder = mkdtempSync(join(tmpdir(), "tollgate-scan-"));
  try {
    const outFile = join(folder, "scan.wasm");
    const own = ["--config=none", "--use=abort=", `--outFile=${outFile}`];
    const { error, stderr } = await asc.main([ENTRY, ...own, ...releaseFlags()]);
    if (error !== null) throw new Error(`${error.message}\n${stderr.toString()}`);
    return new Uint8Array(readFileSync(outFile));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The scanners as WebAssembly; what they tell their sinks is collected in `calls`. */
export class ScanModule {
  calls: Call[] = [];
  readonly byteLength: number;
  private readonly wasm: Exports;
  private readonly scratch: number;
  /** Where the chunk being pushed begins in the stream. */
  private chunkStart = 0;

  static async load(): Promise<ScanModule> {
    return new ScanModule(await compile());
  }

  private constructor(bytes: Uint8Array<ArrayBuffer>) {
    const module = new WebAssembly.Module(bytes);
    this.byteLength = bytes.length;
    const wasm = new WebAssembly.Instance(module, { host: this.host() }).exports;
    this.wasm = wasm as unknown as Exports;
    this.scratch = this.call("allocate", SCRATCH_BYTES);
  }

  call(name: string, ...args: (number | bigint)[]): number {
    const target = this.wasm[name];
    if (target === undefined) throw new Error(`no export ${name}`);
    return target(...args);
  }

  /** Bytes of memory that the module has. */
  memoryBytes(): number {
    return this.wasm.memory.buffer.byteLength;
  }

  /** Copies bytes into the module's memory and returns where they are, until the next write. */
  write(bytes: Uint8Array): number {
    if (bytes.length > SCRATCH_BYTES) throw new Error("more bytes than there is room for");
    new Uint8Array(this.wasm.memory.buffer).set(bytes, this.scratch);
    return this.scratch;
  }

  read(ptr: number, len: number): Uint8Array {
    return new Uint8Array(this.wasm.memory.buffer.slice(ptr, ptr + len));
  }

  /** Grows the memory by a page, and writes bytes so that their last is the memory's last. */
  writeAtEnd(bytes: Uint8Array): number {
    this.wasm.memory.grow(1);
    const at = this.memoryBytes() - bytes.length;
    new Uint8Array(this.wasm.memory.buffer).set(bytes, at);
    return at;
  }

  /** Makes scanners for these pointers; returns their ids. */
  use(pointers: readonly Pointer[]): number[] {
    this.call("newPointers");
    const ids = pointers.map(([pointer, kind]) => {
      const bytes = utf8.encode(pointer);
      return this.call("addPointer", this.write(bytes), bytes.length, kind);
    });
    this.call("newScanners");
    return ids;
  }

  /** Pushes chunks through a scanner, from reset to end, and returns what it told. */
  run(scanner: Scanner, chunks: readonly Uint8Array[], end = true): Call[] {
    this.calls = [];
    this.chunkStart = 0;
    this.call(`${scanner}Reset`);
    for (const chunk of chunks) {
      this.call(`${scanner}Push`, this.write(chunk), chunk.length);
      // A scanner that still points at the chunk would now see other bytes.
      new Uint8Array(this.wasm.memory.buffer).fill(0x55, this.scratch, this.scratch + chunk.length);
      this.chunkStart += chunk.length;
    }
    if (end) this.call(`${scanner}End`);
    return this.calls;
  }

  /** What the writer has written since `writeReset`. */
  written(): Uint8Array {
    return this.read(this.call("writtenPtr"), this.call("writtenLength"));
  }

  private host(): Record<string, (...args: number[]) => void> {
    const tell = (...call: Call) => void this.calls.push(call);
    return {
      value: (id, type, ptr, len, start, end) => {
        const raw = Buffer.from(this.read(ptr!, len!)).toString("latin1");
        tell("value", id!, String.fromCharCode(type!), raw, start!, end!);
      },
      oversize: (id, start, end) => tell("oversize", id!, start!, end!),
      text: (id, bytes) => tell("text", id!, bytes!),
      probe: (id, type, empty, start) =>
        tell("probe", id!, String.fromCharCode(type!), empty === 1, start!),
      document: (valid) => tell("document", valid === 1),
      event: (end, hadData) => tell("event", this.chunkStart + end!, hadData === 1),
      trailingLf: () => tell("trailingLf"),
      done: () => tell("done"),
      frame: (valid) => tell("frame", valid === 1),
    };
  }
}

/** A text as UTF-8, other bytes as they are. */
export function bytesOf(text: string | Uint8Array): Uint8Array {
  return typeof text === "string" ? utf8.encode(text) : text;
}

/** The bytes in two pieces, cut before byte `at`. */
export function cut(bytes: Uint8Array, at: number): Uint8Array[] {
  return [bytes.subarray(0, at), bytes.subarray(at)];
}

/** The bytes in pieces of `size`. */
export function pieces(bytes: Uint8Array, size: number): Uint8Array[] {
  const count = Math.ceil(bytes.length / size);
  return Array.from({ length: count }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
}

/**
 * What was told, without what depends on how the stream was cut: bytes of text are summed by
 * pointer (at the end), and a trailing LF is made part of the event before.
 */
export function settled(calls: readonly Call[]): Call[] {
  const text = new Map<number, number>();
  const rest: Call[] = [];
  for (const call of calls) {
    const [name, first, second] = call;
    if (name === "text") {
      text.set(Number(first), (text.get(Number(first)) ?? 0) + Number(second));
    } else if (name === "trailingLf") {
      const at = rest.findLastIndex(([other]) => other === "event");
      const event = rest[at];
      if (event === undefined) throw new Error("a trailing LF without an event");
      rest[at] = ["event", Number(event[1]) + 1, event[2] === true];
    } else {
      rest.push(call);
    }
  }
  const sums = [...text].sort(([a], [b]) => a - b);
  return [...rest, ...sums.map(([id, bytes]): Call => ["text", id, bytes])];
}
