import { utf8 } from "../../../../plugin/abi/text";
import { EventStreamScanner, EventStreamSink } from "../../../../plugin/scan/event-stream-scanner";
import { JsonScanner, JsonSink } from "../../../../plugin/scan/json-scanner";
import { JsonNode, parseJson } from "../../../../plugin/scan/json-tree";
import { ByteWriter } from "../../../../plugin/scan/json-write";
import { PointerKind, PointerSet } from "../../../../plugin/scan/pointer-set";
import { SseScanner, SseSink } from "../../../../plugin/scan/sse-scanner";
import * as host from "./host";

class HostJsonSink extends JsonSink {
  onValue(pointer: i32, type: u8, ptr: usize, len: i32, start: i32, end: i32): void {
    host.value(pointer, type, ptr, len, start, end);
  }
  onOversize(pointer: i32, start: i32, end: i32): void {
    host.oversize(pointer, start, end);
  }
  onText(pointer: i32, bytes: i32): void {
    host.text(pointer, bytes);
  }
  onProbe(pointer: i32, type: u8, empty: bool, start: i32): void {
    host.probe(pointer, type, empty as i32, start);
  }
  onDocument(valid: bool): void {
    host.document(valid as i32);
  }
}

class HostSseSink extends SseSink {
  onEvent(end: i32): void {
    host.event(end, sse.hadData as i32);
  }
  onTrailingLf(): void {
    host.trailingLf();
  }
  onDone(): void {
    host.done();
  }
}

class HostEventStreamSink extends EventStreamSink {
  onFrame(valid: bool): void {
    host.frame(valid as i32);
  }
}

let pointers = new PointerSet();
let json = new JsonScanner(pointers, new HostJsonSink());
let sse = new SseScanner(json, new HostSseSink());
let frames = new EventStreamScanner(json, new HostEventStreamSink());
const writer = new ByteWriter();
let tree: JsonNode | null = null;

/** `len` bytes that the test may write to. */
export function allocate(len: i32): usize {
  return heap.alloc(len);
}

export function free(ptr: usize): void {
  heap.free(ptr);
}

/** Begins a new set of pointers. */
export function newPointers(): void {
  pointers = new PointerSet();
  tree = null;
  __collect();
}

export function addPointer(ptr: usize, len: i32, kind: PointerKind): i32 {
  return pointers.add(String.UTF8.decodeUnsafe(ptr, len), kind);
}

/** Makes new scanners for the pointers. */
export function newScanners(): void {
  json = new JsonScanner(pointers, new HostJsonSink());
  sse = new SseScanner(json, new HostSseSink());
  frames = new EventStreamScanner(json, new HostEventStreamSink());
}

export function jsonPush(ptr: usize, len: i32): void {
  json.push(ptr, len);
}

export function jsonEnd(): void {
  json.end();
}

export function jsonReset(): void {
  json.reset();
}

export function jsonTooDeep(): bool {
  return json.tooDeep;
}

export function ssePush(ptr: usize, len: i32): void {
  sse.push(ptr, len);
}

export function sseEnd(): void {
  sse.end();
}

export function sseReset(): void {
  sse.reset();
}

export function framesPush(ptr: usize, len: i32): void {
  frames.push(ptr, len);
}

export function framesEnd(): void {
  frames.end();
}

export function framesReset(): void {
  frames.reset();
}

/** Parses a text; true where it is JSON. */
export function treeParse(ptr: usize, len: i32): bool {
  tree = parseJson(ptr, len);
  return tree != null;
}

/** Writes the parsed text again, with the offset and length of each value. */
export function treeWrite(): void {
  writer.reset();
  if (tree != null) writeNode(tree!);
}

/** Gives the parsed text's memory back. */
export function treeFree(): void {
  tree = null;
  __collect();
}

function writeNode(node: JsonNode): void {
  writer.text(utf8('{"type":'));
  writer.jsonString(String.fromCharCode(node.type));
  writer.text(utf8(',"text":'));
  writer.jsonString(node.text);
  writer.text(utf8(',"start":'));
  writer.int(node.start);
  writer.text(utf8(',"end":'));
  writer.int(node.end);
  writer.text(utf8(',"keys":['));
  for (let i = 0; i < node.keys.length; i++) {
    if (i > 0) writer.text(utf8(","));
    writer.jsonString(node.keys[i]);
  }
  writer.text(utf8('],"items":['));
  for (let i = 0; i < node.items.length; i++) {
    if (i > 0) writer.text(utf8(","));
    writeNode(node.items[i]);
  }
  writer.text(utf8("]}"));
}

/** Writes what the parsed object has at the keys s, i and b. */
export function treeFields(): void {
  const node = tree!;
  writer.reset();
  writer.byte(0x5b);
  writer.jsonString(node.str(utf8("s"), "none"));
  writer.byte(0x2c);
  writer.int(node.int(utf8("i"), -1));
  writer.text(node.bool(utf8("b"), false) ? utf8(",true]") : utf8(",false]"));
}

export function writeReset(): void {
  writer.reset();
}

export function writeRaw(ptr: usize, len: i32): void {
  writer.raw(ptr, len);
}

export function writeInt(value: i64): void {
  writer.int(value);
}

/** Writes the UTF-16 units at `ptr` as a string. */
export function writeString(ptr: usize, units: i32): void {
  writer.jsonString(String.UTF16.decodeUnsafe(ptr, units << 1));
}

export function writeStringBytes(ptr: usize, len: i32): void {
  writer.jsonStringBytes(ptr, len);
}

export function writeValue(ptr: usize, len: i32): void {
  writer.jsonValue(ptr, len);
}

export function writtenPtr(): usize {
  return writer.ptr;
}

export function writtenLength(): i32 {
  return writer.length;
}
