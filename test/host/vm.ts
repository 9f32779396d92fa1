import * as loader from "@assemblyscript/loader";
import type { BodyBuffer } from "./body-buffer.ts";
import type { HeaderMap } from "./header-map.ts";
import { HostError, HostTrap } from "./host-errors.ts";

export interface LocalReply {
  status: number;
  details: string;
  body: Buffer;
  headers: [name: string, value: string][];
}

/** What the host functions need of a root or stream context. */
export interface Context {
  readonly id: number;
  /** A map that may be changed; null: not now. */
  mutableMap(type: number): HeaderMap | null;
  readableMap(type: number): HeaderMap | null;
  /** True while the access log callback runs: an absent map is NotFound then, not BadArgument. */
  readonly isLogging: boolean;
  /** undefined: there is no such buffer; null: it is empty and cannot be changed. */
  buffer(type: number): BodyBuffer | null | undefined;
  /** The serialised property, or an ABI result other than Ok. */
  property(path: readonly string[]): Buffer | number;
  setProperty(key: string, value: Buffer): number;
  continueStream(type: number): number;
  closeStream(type: number): number;
  sendLocalReply(reply: LocalReply): void;
  clearRouteCache(): void;
}

type Callback = (...args: number[]) => number | undefined;
export type HostFunctions = Record<string, (...args: never[]) => number>;

/** Turns a callback's raw answer into a status; `stopped`: a local reply was sent meanwhile. */
export type Convert = (result: number, stopped: boolean) => number;

const asIs: Convert = (result) => result;

function checkImports(module: WebAssembly.Module, functions: HostFunctions): void {
  for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
    if (from !== "env" || !name.startsWith("proxy_") || kind !== "function") {
      throw new HostError(`the module imports ${from}.${name}; only env.proxy_* is there`);
    }
    if (functions[name] === undefined) throw new HostError(`unknown host function env.${name}`);
  }
}

/** One Wasm VM: memory, calls into it, and what proxy-wasm-cpp-host does around each call. */
export class Vm {
  readonly contexts = new Map<number, Context>();
  /** The first trap; nothing can be called after it. */
  trap: HostTrap | null = null;
  private readonly callbacks: Record<string, Callback>;
  private readonly memory: WebAssembly.Memory;
  private readonly allocate: (size: number) => number;
  private current: Context | null = null;
  private effectiveId = 0;
  private stopNext = false;
  /** Of the memory as it was; one that grew has another buffer. */
  private view = new DataView(new ArrayBuffer(0));
  private readonly afterCall: (() => void)[] = [];

  constructor(wasm: Uint8Array, hostFunctions: (vm: Vm) => HostFunctions) {
    const functions = hostFunctions(this);
    const module = new WebAssembly.Module(new Uint8Array(wasm));
    checkImports(module, functions);
    const { exports } = loader.instantiateSync(module, { env: functions });
    this.callbacks = exports as unknown as Record<string, Callback>;
    if (!this.has("proxy_abi_version_0_2_1") && !this.has("proxy_abi_version_0_2_0")) {
      throw new HostError("the module exports neither proxy_abi_version_0_2_1 nor _0_2_0");
    }
    const allocate = this.callbacks.proxy_on_memory_allocate ?? this.callbacks.malloc;
    if (allocate === undefined || exports.memory === undefined) {
      throw new HostError("the module must export memory, and malloc or proxy_on_memory_allocate");
    }
    this.memory = exports.memory;
    this.allocate = (size) => (allocate(size) ?? 0) >>> 0;
    (this.callbacks._initialize ?? this.callbacks._start)?.();
  }

  /** Size of the module's memory. */
  get memoryBytes(): number {
    return this.memory.buffer.byteLength;
  }

  has(name: string): boolean {
    return typeof this.callbacks[name] === "function";
  }

  /** The context that a host function acts for: the effective one while it lives. */
  get context(): Context {
    const context = this.contexts.get(this.effectiveId) ?? this.current;
    if (context === null) throw new HostError("a host function was called outside a callback");
    return context;
  }

  setEffectiveContext(id: number): boolean {
    if (!this.contexts.has(id)) return false;
    this.effectiveId = id;
    return true;
  }

  /** The next status becomes "stop everything", whatever the callback answers. */
  stopNextIteration(): void {
    this.stopNext = true;
  }

  /** Does this when the running callback has returned, as Envoy's after-call actions. */
  defer(action: () => void): void {
    this.afterCall.push(action);
  }

  /**
   * Calls an export; undefined where the module has none. Host functions of the call act for
   * `context`. Throws HostTrap when the module traps.
   */
  call(context: Context, name: string, args: number[], convert = asIs): number | undefined {
    const callback = this.callbacks[name];
    if (callback === undefined) return undefined;
    const result = convert(this.enter(context, name, callback, args), this.stopNext);
    this.stopNext = false;
    for (let next = this.afterCall.shift(); next; next = this.afterCall.shift()) next();
    return result;
  }

  private enter(context: Context, name: string, callback: Callback, args: number[]): number {
    if (this.trap !== null) throw this.trap;
    const before = this.current;
    const effectiveBefore = this.effectiveId;
    this.current = context;
    this.effectiveId = 0;
    try {
      return callback(context.id, ...args) ?? 0;
    } catch (error) {
      if (error instanceof HostError) throw error;
      this.trap = new HostTrap(name, context.id, error);
      throw this.trap;
    } finally {
      this.current = before;
      this.effectiveId = effectiveBefore;
    }
  }

  /** A copy of bytes of the module's memory; undefined where they lie outside. */
  read(pointer: number, length: number): Buffer | undefined {
    const start = pointer >>> 0;
    const size = length >>> 0;
    if (start + size > this.memory.buffer.byteLength) return undefined;
    return Buffer.from(new Uint8Array(this.memory.buffer, start, size));
  }

  writeU32(pointer: number, value: number): boolean {
    return this.writeAt(pointer, 4, (view, at) => view.setUint32(at, value, true));
  }

  writeU64(pointer: number, value: bigint): boolean {
    return this.writeAt(pointer, 8, (view, at) => view.setBigUint64(at, value, true));
  }

  private writeAt(pointer: number, size: number, put: (view: DataView, at: number) => void) {
    const at = pointer >>> 0;
    const { buffer } = this.memory;
    if (this.view.buffer !== buffer) this.view = new DataView(buffer);
    if (at + size > buffer.byteLength) return false;
    put(this.view, at);
    return true;
  }

  /** Copies bytes into memory that the module allocates, and tells it where. */
  handOver(bytes: Uint8Array, pointerOut: number, sizeOut: number): boolean {
    let pointer = 0;
    if (bytes.length > 0) {
      pointer = this.allocate(bytes.length);
      if (pointer === 0 || pointer + bytes.length > this.memory.buffer.byteLength) return false;
      new Uint8Array(this.memory.buffer, pointer, bytes.length).set(bytes);
    }
    return this.writeU32(pointerOut, pointer) && this.writeU32(sizeOut, bytes.length);
  }
}
