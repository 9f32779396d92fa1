/**
 * The host calls of Proxy-Wasm ABI 0.2.1 that the filter makes, as functions that return plain
 * values. Nothing else in the plugin imports the ABI.
 */
import * as abi from "@gcoredev/proxy-wasm-sdk-as/assembly/imports";
import { ByteWriter } from "../scan/json-write";
import { release } from "./memory";
import { bytesOf, lengthOf, Text, utf8 } from "./text";
import { wholeNumber } from "./whole-number";

export const enum HeaderMap {
  Request = 0,
  Response = 2,
  CallResponse = 6,
}
export const enum Body {
  Request = 0,
  Response = 1,
  CallResponse = 4,
  PluginConfiguration = 7,
}
export const enum LogLevel {
  Debug = 1,
  Info = 2,
  Warn = 3,
  Error = 4,
}
export const enum Direction {
  Request = 0,
  Response = 1,
}
/** What a header or body callback answers: go on, or hold and buffer. */
export const enum Action {
  Continue = 0,
  Pause = 1,
}

const OK: u32 = 0;
const STATUS = utf8(":status");
const CLEAR_ROUTE_CACHE = utf8("clear_route_cache");
const OUT_POINTER = memory.data(8);
const OUT_SIZE = memory.data(8);
const OUT_WORD = memory.data(8);

/** Bytes that the last successful call handed over; the caller releases `handedPtr`. */
export let handedPtr: usize = 0;
export let handedLength: i32 = 0;

function handed(result: u32): bool {
  if (result != OK) {
    handedPtr = 0;
    handedLength = 0;
    return false;
  }
  handedPtr = load<usize>(OUT_POINTER);
  handedLength = load<i32>(OUT_SIZE);
  return true;
}

function clearOut(): void {
  store<usize>(OUT_POINTER, 0);
  store<i32>(OUT_SIZE, 0);
}

/** Writes a log line through the proxy's own log. */
export function log(level: LogLevel, message: Text): void {
  logBytes(level, bytesOf(message), lengthOf(message));
}

export function logBytes(level: LogLevel, ptr: usize, length: i32): void {
  abi.proxy_log(level, ptr, length);
}

/** Now by the host's clock, nanoseconds since 1970. */
export function nowNanos(): u64 {
  abi.proxy_get_current_time_nanoseconds(OUT_WORD);
  return load<u64>(OUT_WORD);
}

/** Now by the host's clock, milliseconds since 1970. */
export function nowMs(): i64 {
  return <i64>(nowNanos() / 1_000_000);
}

/** Asks for proxy_on_tick every `periodMs`. Root context only. */
export function setTickPeriod(periodMs: u32): void {
  abi.proxy_set_tick_period_milliseconds(periodMs);
}

/** All headers of a map, in the ABI's pair layout, to `handed*`. */
export function headerPairs(map: HeaderMap): bool {
  clearOut();
  return handed(abi.proxy_get_header_map_pairs(map, OUT_POINTER, OUT_SIZE));
}

/** One header to `handed*`; false when absent. */
export function header(map: HeaderMap, name: Text): bool {
  clearOut();
  return handed(
    abi.proxy_get_header_map_value(map, bytesOf(name), lengthOf(name), OUT_POINTER, OUT_SIZE),
  );
}

/** Sets a header, in the place of all that have its name. */
export function setHeader(
  map: HeaderMap,
  name: usize,
  nameLength: i32,
  value: usize,
  valueLength: i32,
): void {
  abi.proxy_replace_header_map_value(map, name, nameLength, value, valueLength);
}

export function replaceHeader(map: HeaderMap, name: Text, value: ByteWriter): void {
  setHeader(map, bytesOf(name), lengthOf(name), value.ptr, value.length);
}

/** May these bytes stand in a header (RFC 9110, 5.5)? */
export function isFieldText(ptr: usize, length: i32): bool {
  for (let i = 0; i < length; i++) {
    const byte = load<u8>(ptr + <usize>i);
    if (byte == 0 || byte == 0x0a || byte == 0x0d) return false;
  }
  return true;
}

export function removeHeader(map: HeaderMap, name: Text): void {
  removeHeaderNamed(map, bytesOf(name), lengthOf(name));
}

export function removeHeaderNamed(map: HeaderMap, name: usize, length: i32): void {
  abi.proxy_remove_header_map_value(map, name, length);
}

/**
 * The status of the answer to an HTTP call, 0 where none came: the call was reset (0 headers), or
 * Envoy answered in the service's place (503 refused, 504 too late), as the service itself says 503
 * when it is overloaded.
 */
export function callStatus(headers: i32): i32 {
  const value = headers == 0 ? 0 : status(HeaderMap.CallResponse);
  return value == 503 || value == 504 ? 0 : value;
}

/** The :status of a header map; 0 when absent. */
export function status(map: HeaderMap): i32 {
  if (!header(map, STATUS)) return 0;
  const value = <i32>wholeNumber(handedPtr, handedLength);
  release(handedPtr);
  return value;
}

/** A property by its path (segments parted by NUL) to `handed*`; false when absent. */
export function property(path: Text): bool {
  clearOut();
  return handed(abi.proxy_get_property(bytesOf(path), lengthOf(path), OUT_POINTER, OUT_SIZE));
}

/** A property that is a 64-bit integer; 0 when absent. */
export function propertyInt(path: Text): i64 {
  if (!property(path)) return 0;
  const value = handedLength >= 8 ? load<i64>(handedPtr) : 0;
  release(handedPtr);
  return value;
}

/** Up to `length` bytes of a body from `start` to `handed*`. */
export function bodyBytes(body: Body, start: i32, length: i32): bool {
  clearOut();
  return handed(abi.proxy_get_buffer_bytes(body, start, length, OUT_POINTER, OUT_SIZE));
}

/** Replaces the first `length` bytes of a body. Envoy can replace only at the beginning. */
export function replaceBodyStart(body: Body, length: i32, bytes: usize, size: i32): void {
  abi.proxy_set_buffer_bytes(body, 0, length, bytes, size);
}

/** Sends an HTTP request to a cluster; returns the call's token, or 0 when it cannot be sent. */
export function httpCall(
  cluster: Text,
  pairs: usize,
  pairsLength: i32,
  body: usize,
  bodyLength: i32,
  timeoutMs: u32,
): u32 {
  const noTrailers = 0;
  store<u32>(OUT_WORD, 0);
  const result = abi.proxy_http_call(
    bytesOf(cluster),
    lengthOf(cluster),
    pairs,
    pairsLength,
    body,
    bodyLength,
    noTrailers,
    0,
    timeoutMs,
    OUT_WORD,
  );
  return result == OK ? load<u32>(OUT_WORD) : 0;
}

/** Makes the following calls in the name of this context. */
export function setEffectiveContext(context: u32): void {
  abi.proxy_set_effective_context(context);
}

/** The root context may be ended: what it waited for is over. */
export function done(): void {
  abi.proxy_done();
}

/** Lets a held request or response go on. */
export function continueStream(direction: Direction): void {
  abi.proxy_continue_stream(direction);
}

/** Resets the stream, both to the client and to the upstream. */
export function closeStream(direction: Direction): void {
  abi.proxy_close_stream(direction);
}

/** Lets Envoy choose the route again, after headers have changed; in Envoy a foreign function. */
export function clearRouteCache(): void {
  const name = CLEAR_ROUTE_CACHE;
  clearOut();
  abi.proxy_call_foreign_function(bytesOf(name), lengthOf(name), 0, 0, OUT_POINTER, OUT_SIZE);
  release(load<usize>(OUT_POINTER));
}

/** Answers in the upstream's place. `pairs`: headers in the ABI's pair layout. */
export function sendLocalResponse(
  status: u32,
  details: Text,
  body: usize,
  bodyLength: i32,
  pairs: usize,
  pairsLength: i32,
): void {
  const noGrpcStatus: u32 = <u32>-1;
  abi.proxy_send_local_response(
    status,
    bytesOf(details),
    lengthOf(details),
    body,
    bodyLength,
    pairs,
    pairsLength,
    noGrpcStatus,
  );
}

/** Defines a metric (0 counter, 1 gauge); returns its id, or 0. */
export function defineMetric(type: i32, name: Text): u32 {
  const result = abi.proxy_define_metric(type, bytesOf(name), lengthOf(name), OUT_WORD);
  return result == OK ? load<u32>(OUT_WORD) : 0;
}

/** Adds to a metric; a gauge, which all workers share, also less than nothing. */
export function incrementMetric(id: u32, by: i64): void {
  if (id != 0) abi.proxy_increment_metric(id, by);
}

/** Adds one to a process-wide number and returns it: parts the workers of one Envoy. */
export function nextShared(key: Text): u64 {
  for (let attempt = 0; attempt < 100; attempt++) {
    clearOut();
    store<u32>(OUT_WORD, 0);
    let value: u64 = 0;
    const found = abi.proxy_get_shared_data(
      bytesOf(key),
      lengthOf(key),
      OUT_POINTER,
      OUT_SIZE,
      OUT_WORD,
    );
    if (handed(found)) {
      if (handedLength == 8) value = load<u64>(handedPtr);
      release(handedPtr);
    }
    const cas = load<u32>(OUT_WORD);
    store<u64>(OUT_WORD, value + 1);
    const written = abi.proxy_set_shared_data(bytesOf(key), lengthOf(key), OUT_WORD, 8, cas);
    if (written == OK) return value + 1;
  }
  return nowNanos();
}
