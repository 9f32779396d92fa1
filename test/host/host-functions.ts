import { BufferType, LOG_LEVELS, type LogLevel, MapType, StreamType, WasmResult } from "./abi.ts";
import { HeaderMap } from "./header-map.ts";
import type { Metrics } from "./metrics.ts";
import { decodePairs, encodePairs } from "./pairs.ts";
import type { SharedData } from "./shared-data.ts";
import type { HostFunctions, Vm } from "./vm.ts";

/** What the host functions need beyond the VM itself. */
export interface HostServices {
  readonly metrics: Metrics;
  readonly shared: SharedData;
  log(level: LogLevel, message: string): void;
  readonly logLevel: LogLevel;
  nowNanos(): bigint;
  setTickPeriod(periodMs: number): void;
  /** Sends a call; returns its token, or an ABI result other than Ok as a negative number. */
  httpCall(cluster: string, request: CallParts): number;
  lastStatus(): { code: number; message: string };
  done(contextId: number): number;
}

export interface CallParts {
  headers: HeaderMap;
  body: Buffer;
  trailers: HeaderMap;
  timeoutMs: number;
  contextId: number;
}

const { Ok, NotFound, BadArgument, InvalidMemoryAccess, Unimplemented } = WasmResult;

/** Host functions that no filter here uses: they answer Unimplemented. */
const UNIMPLEMENTED = [
  "proxy_register_shared_queue",
  "proxy_resolve_shared_queue",
  "proxy_dequeue_shared_queue",
  "proxy_enqueue_shared_queue",
  "proxy_grpc_call",
  "proxy_grpc_stream",
  "proxy_grpc_send",
  "proxy_grpc_close",
  "proxy_grpc_cancel",
];

type Pointer = number;

const access = (isInside: boolean): number => (isInside ? Ok : InvalidMemoryAccess);

/** All of env.proxy_*, by proxy-wasm-cpp-host's src/exports.cc. */
export function hostFunctions(vm: Vm, services: HostServices): HostFunctions {
  return {
    ...headerFunctions(vm),
    ...bufferFunctions(vm),
    ...streamFunctions(vm),
    ...callFunctions(vm, services),
    ...sharedDataFunctions(vm, services.shared),
    ...metricFunctions(vm, services.metrics),
    ...systemFunctions(vm, services),
    ...Object.fromEntries(UNIMPLEMENTED.map((name) => [name, () => Unimplemented])),
  };
}

function textAt(vm: Vm, pointer: Pointer, length: number): string | undefined {
  return vm.read(pointer, length)?.toString("utf8");
}

function headerFunctions(vm: Vm): HostFunctions {
  const edit = (type: number, change: (map: HeaderMap) => void): number => {
    const map = type > MapType.Max ? null : vm.context.mutableMap(type);
    if (map === null) return BadArgument;
    change(map);
    return Ok;
  };
  type Text = [pointer: Pointer, length: number];
  const editPair = (put: (map: HeaderMap, name: string, value: string) => void) => {
    return (type: number, n: Pointer, nLength: number, ...[v, vLength]: Text): number => {
      const name = textAt(vm, n, nLength);
      const value = textAt(vm, v, vLength);
      if (name === undefined || value === undefined) return InvalidMemoryAccess;
      return edit(type, (map) => put(map, name, value));
    };
  };
  return {
    proxy_get_header_map_value(type: number, n: Pointer, nLength: number, out: Pointer, size) {
      const name = textAt(vm, n, nLength);
      if (name === undefined) return InvalidMemoryAccess;
      if (type > MapType.Max) return BadArgument;
      const map = vm.context.readableMap(type);
      if (map === null) return vm.context.isLogging ? NotFound : BadArgument;
      const value = map.get(name);
      if (value === undefined) return NotFound;
      return access(vm.handOver(Buffer.from(value, "utf8"), out, size));
    },
    proxy_get_header_map_pairs(type: number, out: Pointer, size: Pointer) {
      if (type > MapType.Max) return BadArgument;
      const pairs = vm.context.readableMap(type)?.toPairs() ?? [];
      const bytes = pairs.map(([n, v]) => [Buffer.from(n), Buffer.from(v)] as const);
      return access(vm.handOver(encodePairs(bytes), out, size));
    },
    proxy_get_header_map_size(type: number, out: Pointer) {
      const map = type > MapType.Max ? null : vm.context.mutableMap(type);
      return map === null ? BadArgument : access(vm.writeU32(out, map.byteSize));
    },
    proxy_set_header_map_pairs(type: number, pointer: Pointer, length: number) {
      const bytes = vm.read(pointer, length);
      const pairs = bytes === undefined ? undefined : decodePairs(bytes);
      if (pairs === undefined) return InvalidMemoryAccess;
      return edit(type, (map) => map.replaceAll(pairs));
    },
    proxy_add_header_map_value: editPair((map, name, value) => map.add(name, value)),
    proxy_replace_header_map_value: editPair((map, name, value) => map.replace(name, value)),
    proxy_remove_header_map_value(type: number, n: Pointer, nLength: number) {
      const name = textAt(vm, n, nLength);
      if (name === undefined) return InvalidMemoryAccess;
      return edit(type, (map) => map.remove(name));
    },
  };
}

function bufferFunctions(vm: Vm): HostFunctions {
  return {
    proxy_get_buffer_bytes(type: number, start, length, out: Pointer, size: Pointer) {
      if (type > BufferType.Max) return BadArgument;
      const buffer = vm.context.buffer(type);
      if (buffer === undefined) return NotFound;
      const from = start >>> 0;
      const most = length >>> 0;
      if (from + most > 0xffffffff) return BadArgument;
      const bytes = buffer === null ? Buffer.alloc(0) : buffer.read(from, from + most);
      return access(vm.handOver(bytes, out, size));
    },
    proxy_get_buffer_status(type: number, lengthOut: Pointer, flagsOut: Pointer) {
      if (type > BufferType.Max) return BadArgument;
      const buffer = vm.context.buffer(type);
      if (buffer === undefined) return NotFound;
      return access(vm.writeU32(lengthOut, buffer?.length ?? 0) && vm.writeU32(flagsOut, 0));
    },
    proxy_set_buffer_bytes(type: number, start, length, pointer: Pointer, size: number) {
      if (type > BufferType.Max) return BadArgument;
      const buffer = vm.context.buffer(type);
      if (buffer === undefined) return NotFound;
      const bytes = vm.read(pointer, size);
      if (bytes === undefined) return InvalidMemoryAccess;
      const isBody = type === BufferType.HttpRequestBody || type === BufferType.HttpResponseBody;
      if (buffer === null || !isBody) return BadArgument;
      return buffer.set(start >>> 0, length >>> 0, bytes);
    },
  };
}

function streamFunctions(vm: Vm): HostFunctions {
  return {
    proxy_continue_stream(type: number) {
      return type > StreamType.Upstream ? BadArgument : vm.context.continueStream(type);
    },
    proxy_close_stream(type: number) {
      return type > StreamType.Upstream ? BadArgument : vm.context.closeStream(type);
    },
    proxy_send_local_response(
      status: number,
      ...[details, detailsSize, body, bodySize, pairs, pairsSize]: number[]
    ) {
      const text = textAt(vm, details ?? 0, detailsSize ?? 0);
      const content = vm.read(body ?? 0, bodySize ?? 0);
      const headers = vm.read(pairs ?? 0, pairsSize ?? 0);
      if (text === undefined || content === undefined || headers === undefined) {
        return InvalidMemoryAccess;
      }
      vm.context.sendLocalReply({
        status,
        details: text.replace(/\s/g, "_"),
        body: content,
        headers: decodePairs(headers) ?? [],
      });
      vm.stopNextIteration();
      return Ok;
    },
    proxy_get_property(pointer: Pointer, length: number, out: Pointer, size: Pointer) {
      const path = textAt(vm, pointer, length);
      if (path === undefined) return InvalidMemoryAccess;
      const value = vm.context.property(path.split("\0"));
      return typeof value === "number" ? value : access(vm.handOver(value, out, size));
    },
    proxy_set_property(pointer: Pointer, length: number, value: Pointer, size: number) {
      const key = textAt(vm, pointer, length);
      const bytes = vm.read(value, size);
      if (key === undefined || bytes === undefined) return InvalidMemoryAccess;
      return vm.context.setProperty(key, bytes);
    },
  };
}

function callFunctions(vm: Vm, services: HostServices): HostFunctions {
  return {
    proxy_http_call(...args: number[]) {
      const [uri, uriSize, headers, headersSize, body, bodySize] = args;
      const [trailers, trailersSize, timeoutMs, tokenOut] = args.slice(6);
      const cluster = textAt(vm, uri ?? 0, uriSize ?? 0);
      const headerBytes = vm.read(headers ?? 0, headersSize ?? 0);
      const content = vm.read(body ?? 0, bodySize ?? 0);
      const trailerBytes = vm.read(trailers ?? 0, trailersSize ?? 0);
      if (cluster === undefined || !headerBytes || !content || !trailerBytes) {
        return InvalidMemoryAccess;
      }
      if (!vm.writeU32(tokenOut ?? 0, 0)) return InvalidMemoryAccess;
      if ((timeoutMs ?? 0) < 0) return BadArgument;
      const token = services.httpCall(cluster, {
        headers: new HeaderMap(decodePairs(headerBytes) ?? []),
        body: content,
        trailers: new HeaderMap(decodePairs(trailerBytes) ?? []),
        timeoutMs: timeoutMs ?? 0,
        contextId: vm.context.id,
      });
      if (token < 0) return -token;
      return access(vm.writeU32(tokenOut ?? 0, token));
    },
    proxy_get_status(codeOut: Pointer, messageOut: Pointer, sizeOut: Pointer) {
      const { code, message } = services.lastStatus();
      if (!vm.writeU32(codeOut, code)) return InvalidMemoryAccess;
      return access(vm.handOver(Buffer.from(message), messageOut, sizeOut));
    },
    // proxy_clear_route_cache is of ABI 0.1.0 only; later modules have this instead.
    proxy_call_foreign_function(pointer: Pointer, length: number) {
      if (textAt(vm, pointer, length) !== "clear_route_cache") return NotFound;
      vm.context.clearRouteCache();
      return Ok;
    },
  };
}

function sharedDataFunctions(vm: Vm, shared: SharedData): HostFunctions {
  return {
    proxy_get_shared_data(pointer: Pointer, length, out: Pointer, size, casOut: Pointer) {
      const key = textAt(vm, pointer, length);
      if (key === undefined) return InvalidMemoryAccess;
      const entry = shared.get(key);
      if (entry === undefined) return NotFound;
      return access(vm.handOver(entry.value, out, size) && vm.writeU32(casOut, entry.cas));
    },
    proxy_set_shared_data(pointer: Pointer, length, value: Pointer, size, cas: number) {
      const key = textAt(vm, pointer, length);
      const bytes = vm.read(value, size);
      if (key === undefined || bytes === undefined) return InvalidMemoryAccess;
      return shared.set(key, bytes, cas >>> 0);
    },
  };
}

function metricFunctions(vm: Vm, metrics: Metrics): HostFunctions {
  return {
    proxy_define_metric(type: number, pointer: Pointer, length: number, out: Pointer) {
      const name = textAt(vm, pointer, length);
      if (name === undefined) return InvalidMemoryAccess;
      const id = metrics.define(type, name);
      return id === undefined ? BadArgument : access(vm.writeU32(out, id));
    },
    proxy_increment_metric: (id: number, offset: bigint) => metrics.increment(id, offset),
    proxy_record_metric: (id: number, value: bigint) => {
      return metrics.record(id, BigInt.asUintN(64, value));
    },
    proxy_get_metric(id: number, out: Pointer) {
      const value = metrics.read(id);
      return value === undefined ? NotFound : access(vm.writeU64(out, value));
    },
  };
}

function systemFunctions(vm: Vm, services: HostServices): HostFunctions {
  return {
    proxy_log(level: number, pointer: Pointer, length: number) {
      const name = LOG_LEVELS[level];
      if (name === undefined) return BadArgument;
      const message = textAt(vm, pointer, length);
      if (message === undefined) return InvalidMemoryAccess;
      services.log(name, message);
      return Ok;
    },
    proxy_get_log_level: (out: Pointer) => {
      return access(vm.writeU32(out, LOG_LEVELS.indexOf(services.logLevel)));
    },
    proxy_set_tick_period_milliseconds(periodMs: number) {
      services.setTickPeriod(periodMs >>> 0);
      return Ok;
    },
    proxy_get_current_time_nanoseconds: (out: Pointer) => {
      return access(vm.writeU64(out, services.nowNanos()));
    },
    proxy_set_effective_context(id: number) {
      return vm.setEffectiveContext(id) ? Ok : BadArgument;
    },
    proxy_done: () => services.done(vm.context.id),
  };
}
