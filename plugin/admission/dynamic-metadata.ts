import { isText, OwnText, utf8 } from "../abi/text";
import { ByteWriter } from "../scan/json-write";

const MAX_DEPTH = 32;

/**
 * Reads protocol buffers' wire format (varint keys, length-delimited fields) without trusting it:
 * a malformed length ends the message.
 */
class WireReader {
  field: i32 = 0;
  wire: i32 = 0;
  /** Of a length-delimited field. */
  ptr: usize = 0;
  length: i32 = 0;
  /** Of a varint or fixed64 field. */
  bits: u64 = 0;

  constructor(
    private at: usize,
    private end: usize,
  ) {}

  next(): bool {
    if (this.at >= this.end) return false;
    const key = this.varint();
    this.field = <i32>(key >> 3);
    this.wire = <i32>(key & 7);
    if (this.wire == 0) {
      this.bits = this.varint();
      return true;
    }
    if (this.wire == 1) {
      if (this.end - this.at < 8) return this.stop();
      this.bits = load<u64>(this.at);
      this.at += 8;
      return true;
    }
    if (this.wire == 2) {
      const length = this.varint();
      if (length > <u64>(this.end - this.at)) return this.stop();
      this.ptr = this.at;
      this.length = <i32>length;
      this.at += <usize>length;
      return true;
    }
    if (this.wire == 5) {
      if (this.end - this.at < 4) return this.stop();
      this.at += 4;
      return true;
    }
    return this.stop();
  }

  private stop(): bool {
    this.at = this.end;
    return false;
  }

  private varint(): u64 {
    let value: u64 = 0;
    for (let shift: u64 = 0; shift < 64 && this.at < this.end; shift += 7) {
      const byte = load<u8>(this.at++);
      value |= (<u64>(byte & 0x7f)) << shift;
      if (byte < 0x80) break;
    }
    return value;
  }
}

/** One entry of a map field: key = 1, value = 2. */
class MapEntry {
  name: usize = 0;
  nameLength: i32 = 0;
  value: usize = 0;
  valueLength: i32 = 0;

  constructor(field: WireReader) {
    const parts = new WireReader(field.ptr, field.ptr + <usize>field.length);
    while (parts.next()) {
      if (parts.wire != 2) continue;
      if (parts.field == 1) {
        this.name = parts.ptr;
        this.nameLength = parts.length;
      } else if (parts.field == 2) {
        this.value = parts.ptr;
        this.valueLength = parts.length;
      }
    }
  }
}

/**
 * Writes the wanted namespaces of a serialised envoy.config.core.v3.Metadata message
 * (map<string, google.protobuf.Struct> filter_metadata = 1) as a JSON object.
 */
export function writeMetadata(ptr: usize, length: i32, wanted: OwnText[], out: ByteWriter): void {
  out.byte(0x7b);
  let first = true;
  const message = new WireReader(ptr, ptr + <usize>length);
  while (message.next()) {
    if (message.field != 1 || message.wire != 2) continue;
    const entry = new MapEntry(message);
    if (!isWanted(entry.name, entry.nameLength, wanted)) continue;
    if (!first) out.byte(0x2c);
    first = false;
    out.jsonStringBytes(entry.name, entry.nameLength);
    out.byte(0x3a);
    writeStruct(entry.value, entry.valueLength, out, 0);
  }
  out.byte(0x7d);
}

function isWanted(name: usize, length: i32, wanted: OwnText[]): bool {
  for (let i = 0; i < wanted.length; i++) {
    if (isText(name, length, wanted[i].text)) return true;
  }
  return false;
}

/** google.protobuf.Struct: map<string, Value> fields = 1. */
function writeStruct(ptr: usize, length: i32, out: ByteWriter, depth: i32): void {
  out.byte(0x7b);
  let first = true;
  const fields = new WireReader(ptr, ptr + <usize>length);
  while (fields.next()) {
    if (fields.field != 1 || fields.wire != 2) continue;
    const entry = new MapEntry(fields);
    if (!first) out.byte(0x2c);
    first = false;
    out.jsonStringBytes(entry.name, entry.nameLength);
    out.byte(0x3a);
    writeValue(entry.value, entry.valueLength, out, depth + 1);
  }
  out.byte(0x7d);
}

/** google.protobuf.Value: null 1, number 2, string 3, bool 4, struct 5, list 6. */
function writeValue(ptr: usize, length: i32, out: ByteWriter, depth: i32): void {
  const value = new WireReader(ptr, ptr + <usize>length);
  if (depth > MAX_DEPTH || !value.next()) {
    out.text(utf8("null"));
    return;
  }
  if (value.field == 2 && value.wire == 1) writeNumber(reinterpret<f64>(value.bits), out);
  else if (value.field == 3) out.jsonStringBytes(value.ptr, value.length);
  else if (value.field == 4) out.text(value.bits != 0 ? utf8("true") : utf8("false"));
  else if (value.field == 5) writeStruct(value.ptr, value.length, out, depth);
  else if (value.field == 6) writeList(value.ptr, value.length, out, depth);
  else out.text(utf8("null"));
}

function writeList(ptr: usize, length: i32, out: ByteWriter, depth: i32): void {
  out.byte(0x5b);
  let first = true;
  const list = new WireReader(ptr, ptr + <usize>length);
  while (list.next()) {
    if (list.field != 1 || list.wire != 2) continue;
    if (!first) out.byte(0x2c);
    first = false;
    writeValue(list.ptr, list.length, out, depth + 1);
  }
  out.byte(0x5d);
}

function writeNumber(value: f64, out: ByteWriter): void {
  const MAX_SAFE: f64 = 9007199254740991;
  const size = Math.abs(value);
  if (!(size <= MAX_SAFE)) {
    out.text(utf8("null"));
    return;
  }
  const whole = Math.floor(size);
  if (value < 0) out.byte(0x2d);
  out.int(<i64>whole);
  if (size == whole) return;
  // Nine decimals, as money here has them; the "." takes the place of the leading 1.
  const dot = out.length;
  out.int(1_000_000_000 + <i64>((size - whole) * 1_000_000_000));
  store<u8>(out.ptr + <usize>dot, 0x2e);
}
