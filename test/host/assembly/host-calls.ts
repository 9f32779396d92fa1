/** The ABI as the probe uses it: each call answers text that begins with the result code. */
import * as abi from "@gcoredev/proxy-wasm-sdk-as/assembly/imports";

const pointer = memory.data(8);
const size = memory.data(8);

export function log(line: string): void {
  const bytes = String.UTF8.encode(line);
  abi.proxy_log(2, changetype<usize>(bytes), bytes.byteLength);
}

function given(result: u32): string {
  if (result != 0) return result.toString() + ":";
  const text = String.UTF8.decodeUnsafe(load<u32>(pointer), load<u32>(size));
  return result.toString() + ":" + text;
}

export function header(map: u32, name: string): string {
  const bytes = String.UTF8.encode(name);
  const key = changetype<usize>(bytes);
  return given(abi.proxy_get_header_map_value(map, key, bytes.byteLength, pointer, size));
}

export function setHeader(map: u32, name: string, value: string): u32 {
  const n = String.UTF8.encode(name);
  const v = String.UTF8.encode(value);
  return abi.proxy_replace_header_map_value(
    map,
    changetype<usize>(n),
    n.byteLength,
    changetype<usize>(v),
    v.byteLength,
  );
}

/** Up to 30 bytes of a buffer, after the result and the whole size. */
export function body(type: u32): string {
  const result = abi.proxy_get_buffer_bytes(type, 0, 0x7fffffff, pointer, size);
  if (result != 0) return result.toString() + ":";
  const length = load<u32>(size);
  const shown = String.UTF8.decodeUnsafe(load<u32>(pointer), min(length, 30));
  return result.toString() + ":" + length.toString() + ":" + shown;
}

export function setBody(type: u32, start: u32, length: u32, text: string): u32 {
  const bytes = String.UTF8.encode(text);
  return abi.proxy_set_buffer_bytes(
    type,
    start,
    length,
    changetype<usize>(bytes),
    <usize>bytes.byteLength,
  );
}

/** A property by its dotted path, in hexadecimal after the result. */
export function property(path: string): string {
  const bytes = String.UTF8.encode(path.split(".").join("\0"));
  const key = changetype<usize>(bytes);
  const result = abi.proxy_get_property(key, bytes.byteLength, pointer, size);
  if (result != 0) return result.toString() + ":";
  let hex = "0:";
  for (let i: u32 = 0; i < load<u32>(size); i++) {
    hex += load<u8>(load<u32>(pointer) + i)
      .toString(16)
      .padStart(2, "0");
  }
  return hex;
}

/** A property that is text. */
export function textProperty(path: string): string {
  const bytes = String.UTF8.encode(path.split(".").join("\0"));
  const key = changetype<usize>(bytes);
  return given(abi.proxy_get_property(key, bytes.byteLength, pointer, size));
}

/** Calls the cluster with GET /{path}; gives result and token. */
export function httpCall(cluster: string, path: string, timeoutMs: u32): string {
  const uri = String.UTF8.encode(cluster);
  const names = [":method", ":path", ":authority"];
  const values = ["GET", "/" + path, "service"];
  let length = 4 + 8 * names.length;
  for (let i = 0; i < names.length; i++) length += names[i].length + values[i].length + 2;
  const pairs = heap.alloc(length);
  store<u32>(pairs, names.length);
  let at = pairs + 4 + 8 * names.length;
  for (let i = 0; i < names.length; i++) {
    store<u32>(pairs + 4 + 8 * i, names[i].length);
    store<u32>(pairs + 8 + 8 * i, values[i].length);
    at = write(at, names[i]);
    at = write(at, values[i]);
  }
  const result = abi.proxy_http_call(
    changetype<usize>(uri),
    uri.byteLength,
    pairs,
    length,
    0,
    0,
    0,
    0,
    timeoutMs,
    pointer,
  );
  heap.free(pairs);
  return result.toString() + " token " + load<u32>(pointer).toString();
}

function write(at: usize, text: string): usize {
  const bytes = String.UTF8.encode(text);
  memory.copy(at, changetype<usize>(bytes), bytes.byteLength);
  store<u8>(at + bytes.byteLength, 0);
  return at + bytes.byteLength + 1;
}

export function localReply(status: u32, text: string): u32 {
  const details = String.UTF8.encode("my details");
  const bytes = String.UTF8.encode(text);
  return abi.proxy_send_local_response(
    status,
    changetype<usize>(details),
    details.byteLength,
    changetype<usize>(bytes),
    bytes.byteLength,
    0,
    0,
    0xffffffff,
  );
}
