import { lengthOf, startsWith, Text, utf8 } from "../abi/text";
import { Ascii, skipSpace } from "./ascii";
import { typeOf } from "./json-grammar";
import { JsonNode } from "./json-node";
import { NumberState, numberBegin, numberComplete, numberNext } from "./json-number";
import { decodeString, stringEnd } from "./json-text";

export { JsonNode };

const MAX_DEPTH: i32 = 64;
const MAX_BYTES: i32 = 4 << 20;
const MAX_NODES: i32 = 100_000;

/**
 * Parses a JSON text (RFC 8259) of `len` bytes at `ptr`. Returns null where it is malformed, or
 * has over 4 MiB, 100,000 values or 64 containers within each other. Invalid UTF-8 in a string
 * becomes U+FFFD.
 */
export function parseJson(ptr: usize, len: i32): JsonNode | null {
  if (len <= 0 || len > MAX_BYTES) return null;
  return new TreeReader(ptr, ptr + len).document();
}

class TreeReader {
  private p: usize;
  private nodes: i32 = 0;

  constructor(
    private from: usize,
    private end: usize,
  ) {
    this.p = from;
  }

  document(): JsonNode | null {
    const node = this.value(0);
    return node != null && this.next() == 0 && this.p == this.end ? node : null;
  }

  /** Skips white space and returns the byte that follows, without taking it; 0 at the end. */
  private next(): u8 {
    this.p = skipSpace(this.p, this.end);
    return this.p < this.end ? load<u8>(this.p) : 0;
  }

  /** Reads the value that comes next, within `depth` containers. */
  private value(depth: i32): JsonNode | null {
    const byte = this.next();
    if (++this.nodes > MAX_NODES) return null;
    const node = new JsonNode(typeOf(byte), (this.p - this.from) as i32);
    if (!this.content(node, byte, depth)) return null;
    node.end = (this.p - this.from) as i32;
    return node;
  }

  private content(node: JsonNode, byte: u8, depth: i32): bool {
    switch (node.type) {
      case Ascii.OpenBrace:
        return depth < MAX_DEPTH && this.members(node, depth + 1);
      case Ascii.OpenBracket:
        return depth < MAX_DEPTH && this.itemsOf(node, depth + 1);
      case Ascii.Quote: {
        const text = this.text();
        if (text == null) return false;
        node.text = text;
        return true;
      }
      case Ascii.Zero:
        return this.number(node, byte);
      case Ascii.LowerT:
        return this.literal(utf8("true"));
      case Ascii.LowerF:
        return this.literal(utf8("false"));
      case Ascii.LowerN:
        return this.literal(utf8("null"));
      default:
        return false;
    }
  }

  private members(node: JsonNode, depth: i32): bool {
    this.p++;
    if (this.next() == Ascii.CloseBrace) return this.take();
    while (true) {
      if (this.next() != Ascii.Quote) return false;
      const key = this.text();
      if (key == null || this.next() != Ascii.Colon) return false;
      this.p++;
      const value = this.value(depth);
      if (value == null) return false;
      node.keys.push(key);
      node.items.push(value);
      const byte = this.next();
      if (byte == Ascii.CloseBrace) return this.take();
      if (byte != Ascii.Comma) return false;
      this.p++;
    }
  }

  private itemsOf(node: JsonNode, depth: i32): bool {
    this.p++;
    if (this.next() == Ascii.CloseBracket) return this.take();
    while (true) {
      const value = this.value(depth);
      if (value == null) return false;
      node.items.push(value);
      const byte = this.next();
      if (byte == Ascii.CloseBracket) return this.take();
      if (byte != Ascii.Comma) return false;
      this.p++;
    }
  }

  private take(): bool {
    this.p++;
    return true;
  }

  private text(): string | null {
    const start = this.p + 1;
    const stop = stringEnd(start, this.end);
    if (stop == 0) return null;
    this.p = stop;
    return decodeString(start, stop - 1);
  }

  private number(node: JsonNode, first: u8): bool {
    const start = this.p++;
    let state = numberBegin(first);
    while (this.p < this.end) {
      const next = numberNext(state, load<u8>(this.p));
      if (next == NumberState.Outside) break;
      state = next;
      this.p++;
    }
    node.text = String.UTF8.decodeUnsafe(start, this.p - start);
    return numberComplete(state);
  }

  private literal(text: Text): bool {
    const isHere = startsWith(this.p, (this.end - this.p) as i32, text);
    if (isHere) this.p += lengthOf(text);
    return isHere;
  }
}
