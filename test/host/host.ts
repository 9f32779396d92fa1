import { BufferType, type LogLevel, MapType, WasmResult } from "./abi.ts";
import { BodyBuffer } from "./body-buffer.ts";
import type { HeaderInput, HeaderMap } from "./header-map.ts";
import { HostError, RefusedError } from "./host-errors.ts";
import { type CallParts, type HostServices, hostFunctions } from "./host-functions.ts";
import { type CallResponse, HttpCall } from "./http-call.ts";
import { Metrics } from "./metrics.ts";
import { lookUp, type PropertyTree } from "./property-source.ts";
import { SharedData } from "./shared-data.ts";
import { Stream } from "./stream.ts";
import { type Context, Vm } from "./vm.ts";

export { type HeaderInput, HeaderMap, type HeaderPairs } from "./header-map.ts";
export { HostError, HostTrap, RefusedError } from "./host-errors.ts";
export { HttpCall } from "./http-call.ts";
export type { PropertyTree } from "./property-source.ts";
export { SharedData } from "./shared-data.ts";
export type { ResetReason, Stream } from "./stream.ts";
export type { Chunk, Received } from "./stream-record.ts";

export interface HostOptions {
  wasm: Uint8Array;
  /** Text, or an object that is sent as JSON. */
  pluginConfiguration?: string | object;
  vmConfiguration?: string;
  /** Attributes that every context has, e.g. {xds: {node: {id: "envoy-1"}}}. */
  properties?: PropertyTree;
  /** The clock at the start, ms since 1970. Only advance() moves it. */
  startMs?: number;
  /** Clusters that exist; a call to any other answers BadArgument. Default: all exist. */
  clusters?: readonly string[];
  /** per_connection_buffer_limit_bytes, for bodies that the filter holds. */
  bufferLimitBytes?: number;
  /** Given to several hosts, they are workers of one Envoy. */
  shared?: SharedData;
  logLevel?: LogLevel;
}

export interface StreamOptions {
  requestHeaders: HeaderInput;
  /** The request has no body. */
  endOfStream?: boolean;
  properties?: PropertyTree;
  /** As a host whose plugin configuration lacks allow_on_headers_stop_iteration. */
  stopAllOnHeaderStop?: boolean;
}

export interface LogLine {
  level: LogLevel;
  message: string;
  atMs: number;
}

const ROOT_ID = 1;
const DEFAULT_START_MS = Date.UTC(2026, 0, 1);
const DEFAULT_BUFFER_LIMIT_BYTES = 1024 * 1024;

const DEFAULT_PROPERTIES: PropertyTree = {
  plugin_name: "tollgate",
  plugin_root_id: "",
  plugin_vm_id: "",
  source: { address: "127.0.0.1:40000", port: 40000 },
  destination: { address: "127.0.0.1:10000", port: 10000 },
  connection: { id: 0, mtls: false },
  connection_id: 0,
};

/** Properties that a stream has no say in lie under those of the stream. */
function overlay(under: PropertyTree, over: PropertyTree): PropertyTree {
  return { ...under, ...over };
}

/**
 * A Proxy-Wasm host for tests: drives a module as Envoy 1.40 does (README.md says how that was
 * found out), in virtual time and without any network.
 */
export class Host implements HostServices, Context {
  readonly id = ROOT_ID;
  readonly isLogging = false;
  readonly logs: LogLine[] = [];
  /** Every HTTP call that the filter made, oldest first. Tests may empty it. */
  readonly calls: HttpCall[] = [];
  readonly metrics = new Metrics();
  readonly shared: SharedData;
  readonly logLevel: LogLevel;
  /** Cluster without any healthy endpoint: calls answer InternalFailure at once. */
  hasEndpoints = true;
  tickPeriodMs = 0;
  /** The root context has ended: at once, or when the module said so by proxy_done. */
  isDone = false;
  private readonly options: HostOptions;
  private readonly vm: Vm;
  private readonly properties: PropertyTree;
  private readonly pluginConfiguration: Buffer;
  private readonly vmConfiguration: Buffer;
  private readonly pending = new Set<HttpCall>();
  private clockMs: number;
  private nextTickMs = Number.POSITIVE_INFINITY;
  private nextContextId = ROOT_ID + 1;
  private nextToken = 4;
  private isConfiguring = false;
  private callResponse: CallResponse | null = null;
  private status = { code: 0, message: "" };

  constructor(options: HostOptions) {
    const { pluginConfiguration = "" } = options;
    const isText = typeof pluginConfiguration === "string";
    this.options = options;
    this.pluginConfiguration = Buffer.from(
      isText ? pluginConfiguration : JSON.stringify(pluginConfiguration),
    );
    this.vmConfiguration = Buffer.from(options.vmConfiguration ?? "");
    this.properties = overlay(DEFAULT_PROPERTIES, options.properties ?? {});
    this.shared = options.shared ?? new SharedData();
    this.logLevel = options.logLevel ?? "info";
    this.clockMs = options.startMs ?? DEFAULT_START_MS;
    this.vm = new Vm(options.wasm, (vm) => hostFunctions(vm, this));
    this.vm.contexts.set(ROOT_ID, this);
  }

  get nowMs(): number {
    return this.clockMs;
  }

  /** Size of the module's memory. */
  get memoryBytes(): number {
    return this.vm.memoryBytes;
  }

  /** Contexts that live: the root and every open stream. */
  get contextCount(): number {
    return this.vm.contexts.size;
  }

  /** Calls without an answer yet, oldest first; with `path`, those to this path only. */
  pendingCalls(path?: string): HttpCall[] {
    return [...this.pending].filter((call) => path === undefined || call.path === path);
  }

  /** The only pending call to a path. Throws when there is none, or more than one. */
  pendingCall(path: string): HttpCall {
    const calls = this.pendingCalls(path);
    const [call] = calls;
    if (call === undefined || calls.length > 1) {
      throw new HostError(`${calls.length} calls to ${path} are pending, not 1`);
    }
    return call;
  }

  logText(): string {
    return this.logs.map((line) => `${line.level}: ${line.message}`).join("\n");
  }

  /** Starts the VM and configures the plugin. Throws RefusedError when the module says no. */
  start(): this {
    this.vm.call(this, "proxy_on_context_create", [0]);
    const vmStarted = this.vm.call(this, "proxy_on_vm_start", [this.vmConfiguration.length]);
    if (vmStarted === 0) throw new RefusedError(`proxy_on_vm_start refused:\n${this.logText()}`);
    if (!this.configure()) {
      throw new RefusedError(`proxy_on_configure refused:\n${this.logText()}`);
    }
    return this;
  }

  private configure(): boolean {
    this.isConfiguring = true;
    try {
      return this.vm.call(this, "proxy_on_configure", [this.pluginConfiguration.length]) !== 0;
    } finally {
      this.isConfiguring = false;
    }
  }

  /** One tick now, whatever the clock says. */
  tick(): void {
    this.vm.call(this, "proxy_on_tick", []);
  }

  /** Moves the clock, with every tick and every call's time-out on the way, in order. */
  advance(ms: number): void {
    const untilMs = this.clockMs + ms;
    for (;;) {
      const late = this.earliestTimeout();
      const timeoutMs = late === undefined ? Number.POSITIVE_INFINITY : deadlineMs(late);
      const dueMs = Math.min(this.nextTickMs, timeoutMs);
      if (dueMs > untilMs) break;
      this.clockMs = dueMs;
      if (late !== undefined && timeoutMs <= this.nextTickMs) {
        late.timeOut();
        continue;
      }
      this.nextTickMs = Number.POSITIVE_INFINITY;
      this.tick();
      // Envoy arms the timer again after the tick, unless the tick itself set a period.
      if (this.nextTickMs === Number.POSITIVE_INFINITY) this.armTick();
    }
    this.clockMs = untilMs;
  }

  private earliestTimeout(): HttpCall | undefined {
    let first: HttpCall | undefined;
    for (const call of this.pending) {
      if (call.timeoutMs === 0) continue;
      if (first === undefined || deadlineMs(call) < deadlineMs(first)) first = call;
    }
    return first;
  }

  private armTick(): void {
    const period = this.tickPeriodMs;
    this.nextTickMs = period > 0 ? this.clockMs + period : Number.POSITIVE_INFINITY;
  }

  /** Opens a stream and hands its request headers to the filter. */
  openStream(options: StreamOptions): Stream {
    const stream = new Stream({
      vm: this.vm,
      id: this.nextContextId++,
      root: this,
      stopAllOnHeaderStop: options.stopAllOnHeaderStop ?? false,
      bufferLimitBytes: this.options.bufferLimitBytes ?? DEFAULT_BUFFER_LIMIT_BYTES,
      properties: overlay(this.properties, options.properties ?? {}),
      nowMs: () => this.clockMs,
    });
    stream.requestHeaders(options.requestHeaders, options.endOfStream ?? false);
    return stream;
  }

  /** Ends the root context; false when the module asks to wait for its own proxy_done. */
  stop(): boolean {
    if (this.vm.call(this, "proxy_on_done", []) === 0) return false;
    this.isDone = true;
    this.vm.call(this, "proxy_on_delete", []);
    return true;
  }

  log(level: LogLevel, message: string): void {
    this.logs.push({ level, message, atMs: this.clockMs });
  }

  nowNanos(): bigint {
    return BigInt(this.clockMs) * 1_000_000n;
  }

  setTickPeriod(periodMs: number): void {
    this.tickPeriodMs = periodMs;
    this.armTick();
  }

  httpCall(cluster: string, parts: CallParts): number {
    const { clusters } = this.options;
    if (clusters !== undefined && !clusters.includes(cluster)) return -WasmResult.BadArgument;
    for (const name of [":method", ":path", ":authority"]) {
      if (!parts.headers.has(name)) return -WasmResult.BadArgument;
    }
    if (!this.hasEndpoints) return -WasmResult.InternalFailure;
    if (parts.body.length > 0) parts.headers.replace("content-length", `${parts.body.length}`);
    const token = this.nextToken;
    this.nextToken += 4;
    const call = new HttpCall(
      { token, cluster, sentAtMs: this.clockMs, ...parts },
      (response: CallResponse | null) => this.deliver(call, response),
    );
    this.calls.push(call);
    this.pending.add(call);
    return token;
  }

  /** The answer goes to the root context, whoever called, also when that stream is gone. */
  private deliver(call: HttpCall, response: CallResponse | null): void {
    this.pending.delete(call);
    this.callResponse = response;
    if (response === null) this.status = { code: WasmResult.BrokenConnection, message: "reset" };
    this.vm.defer(() => {
      this.callResponse = null;
      this.status = { ...this.status, message: "" };
    });
    this.vm.call(this, "proxy_on_http_call_response", [
      call.token,
      response?.headers.size ?? 0,
      response?.body.length ?? 0,
      response?.trailers.size ?? 0,
    ]);
  }

  lastStatus(): { code: number; message: string } {
    return this.status;
  }

  done(contextId: number): number {
    if (contextId !== ROOT_ID) return WasmResult.NotFound;
    this.isDone = true;
    this.vm.defer(() => this.vm.call(this, "proxy_on_delete", []));
    return WasmResult.Ok;
  }

  mutableMap(): HeaderMap | null {
    return null;
  }

  readableMap(type: number): HeaderMap | null {
    if (type === MapType.HttpCallResponseHeaders) return this.callResponse?.headers ?? null;
    if (type === MapType.HttpCallResponseTrailers) return this.callResponse?.trailers ?? null;
    return null;
  }

  buffer(type: number): BodyBuffer | null | undefined {
    switch (type) {
      case BufferType.HttpRequestBody:
      case BufferType.HttpResponseBody:
        return null;
      case BufferType.VmConfiguration:
        return new BodyBuffer(this.vmConfiguration);
      case BufferType.PluginConfiguration:
        return this.isConfiguring ? new BodyBuffer(this.pluginConfiguration) : undefined;
      case BufferType.HttpCallResponseBody:
        return this.callResponse === null ? undefined : new BodyBuffer(this.callResponse.body);
      default:
        return undefined;
    }
  }

  property(path: readonly string[]): Buffer | number {
    return lookUp(path, this.properties, null);
  }

  setProperty(): number {
    return WasmResult.NotFound;
  }

  continueStream(): number {
    return WasmResult.Ok;
  }

  closeStream(): number {
    return WasmResult.Ok;
  }

  sendLocalReply(): void {}

  clearRouteCache(): void {}
}

function deadlineMs(call: HttpCall): number {
  return call.sentAtMs + call.timeoutMs;
}

/** A host with its module loaded; call start() on it. */
export function createHost(options: HostOptions): Host {
  return new Host(options);
}
