import { bytesOf, lengthOf, Text } from "../abi/text";
import { Ascii, hexDigit } from "./ascii";
import { findEither } from "./byte-search";
import {
  isHighSurrogate,
  isLowSurrogate,
  joinSurrogates,
  REPLACEMENT,
  storeUtf8,
  utf8SequenceLength,
} from "./utf8";

const FIRST_BYTES: i32 = 256;
/** A larger buffer is not kept over reset(). */
const KEPT_BYTES: i32 = 65536;
const LONGEST_SEQUENCE: i32 = 4;
/** Digits of the largest 64-bit integer, and its sign. */
const LONGEST_INT: i32 = 20;
const ESCAPE_DIGITS: i32 = 4;
/** Bytes of an escape `\u` with its digits. */
const ESCAPE_BYTES: i32 = 6;

/** True for the bytes that may follow a backslash, `u` aside (RFC 8259, section 7). */
function isEscapable(byte: u32): bool {
  switch (byte) {
    case Ascii.Quote:
    case Ascii.Backslash:
    case Ascii.Slash:
    case Ascii.LowerB:
    case Ascii.LowerF:
    case Ascii.LowerN:
    case Ascii.LowerR:
    case Ascii.LowerT:
      return true;
    default:
      return false;
  }
}

/** First position in [p, end) whose byte does not stand for itself in a JSON string. */
function plainEnd(p: usize, end: usize): usize {
  while (p < end) {
    const byte: u32 = load<u8>(p);
    if (byte - 0x20 >= 0x60 || byte == Ascii.Quote || byte == Ascii.Backslash) break;
    p++;
  }
  return p;
}

function hexByte(value: u32): u8 {
  return (value < 10 ? value + Ascii.Zero : value + 0x57) as u8;
}

/**
 * A buffer that grows as bytes are written, and is used again after reset(). It is not collected:
 * make writers once, and keep them.
 */
export class ByteWriter {
  /** Where the bytes are; moves when the buffer grows. */
  ptr: usize = 0;
  /** How many bytes have been written since reset(). */
  length: i32 = 0;
  private capacity: i32 = 0;

  /** Forgets the bytes; gives the buffer back where it grew over 64 KiB. */
  reset(): void {
    this.length = 0;
    if (this.capacity <= KEPT_BYTES) return;
    heap.free(this.ptr);
    this.ptr = 0;
    this.capacity = 0;
  }

  /** Takes `len` bytes out from `at` on; those after them move up. */
  cut(at: i32, len: i32): void {
    const to = this.ptr + at;
    this.length -= len;
    memory.copy(to, to + len, this.length - at);
    if (this.length == 0) this.reset();
  }

  byte(byte: u8): void {
    this.reserve(1);
    store<u8>(this.ptr + this.length++, byte);
  }

  /** Writes a text as it is. */
  text(text: Text): void {
    this.raw(bytesOf(text), lengthOf(text));
  }

  /** Writes a string as it is, in UTF-8. */
  utf8(string: string): void {
    const units = string.length;
    this.reserve(units * 3);
    const to = this.ptr + <usize>this.length;
    this.length += <i32>String.UTF8.encodeUnsafe(changetype<usize>(string), units, to);
  }

  /** Writes a 32-bit number, lowest byte first. */
  word(value: u32): void {
    this.reserve(4);
    store<u32>(this.ptr + <usize>this.length, value);
    this.length += 4;
  }

  /** Writes `len` bytes at `ptr` as they are. */
  raw(ptr: usize, len: i32): void {
    if (len <= 0) return;
    this.reserve(len);
    memory.copy(this.ptr + this.length, ptr, len);
    this.length += len;
  }

  /** Writes a decimal integer. */
  int(value: i64): void {
    this.reserve(LONGEST_INT);
    let magnitude: u64 = value < 0 ? 0 - (value as u64) : (value as u64);
    let digits = 1;
    for (let rest = magnitude / 10; rest != 0; rest /= 10) digits++;
    if (value < 0) store<u8>(this.ptr + this.length++, Ascii.Minus);
    this.length += digits;
    for (let at = this.ptr + this.length - 1; digits > 0; digits--, at--) {
      store<u8>(at, (Ascii.Zero + (magnitude % 10)) as u8);
      magnitude /= 10;
    }
  }

  /** Writes a text as a JSON string; a lone surrogate becomes U+FFFD. */
  jsonString(text: string): void {
    this.byte(Ascii.Quote);
    const length = text.length;
    for (let i = 0; i < length; i++) {
      let code: u32 = text.charCodeAt(i);
      if (isHighSurrogate(code) || isLowSurrogate(code)) {
        const next: u32 = i + 1 < length ? text.charCodeAt(i + 1) : 0;
        const isPair = isHighSurrogate(code) && isLowSurrogate(next);
        code = isPair ? joinSurrogates(code, next) : REPLACEMENT;
        if (isPair) i++;
      }
      if (code < 0x20 || code == Ascii.Quote || code == Ascii.Backslash) this.escaped(code);
      else this.character(code);
    }
    this.byte(Ascii.Quote);
  }

  /** Writes `len` bytes of UTF-8 at `ptr` as a JSON string; what is not UTF-8 becomes U+FFFD. */
  jsonStringBytes(ptr: usize, len: i32): void {
    const end = ptr + len;
    this.byte(Ascii.Quote);
    while (ptr < end) {
      const stop = plainEnd(ptr, end);
      this.raw(ptr, (stop - ptr) as i32);
      ptr = stop == end ? end : this.special(stop, end);
    }
    this.byte(Ascii.Quote);
  }

  /**
   * Writes a JSON value as a JsonScanner captured it, making the inside of its strings valid:
   * raw control characters are escaped, what is not UTF-8 becomes U+FFFD, the backslash of an
   * unknown escape is left out, and a `\u` without four digits altogether.
   */
  jsonValue(ptr: usize, len: i32): void {
    const end = ptr + len;
    while (ptr < end) {
      const quote = findEither(ptr, end, Ascii.Quote, Ascii.Quote);
      if (quote == end) {
        this.raw(ptr, (end - ptr) as i32);
        return;
      }
      this.raw(ptr, (quote + 1 - ptr) as i32);
      ptr = this.inString(quote + 1, end);
    }
  }

  /** Writes the inside of a string and its closing quote; returns where it ends. */
  private inString(p: usize, end: usize): usize {
    while (p < end) {
      const stop = plainEnd(p, end);
      this.raw(p, (stop - p) as i32);
      if (stop == end) return end;
      const byte = load<u8>(stop);
      if (byte == Ascii.Quote) {
        this.byte(Ascii.Quote);
        return stop + 1;
      }
      p = byte == Ascii.Backslash ? this.escape(stop, end) : this.special(stop, end);
    }
    return p;
  }

  /** Writes the escape at `p` where it is valid; returns where to read on. */
  private escape(p: usize, end: usize): usize {
    const at = p + 1;
    if (at == end) return end;
    const byte = load<u8>(at);
    if (byte != Ascii.LowerU) {
      if (!isEscapable(byte)) return at;
      this.raw(p, 2);
      return at + 1;
    }
    let digits = 0;
    while (digits < ESCAPE_DIGITS && at + 1 + digits < end) {
      if (hexDigit(load<u8>(at + 1 + digits)) < 0) break;
      digits++;
    }
    if (digits == ESCAPE_DIGITS) this.raw(p, ESCAPE_BYTES);
    return at + 1 + digits;
  }

  /** Writes the character at `p` that does not stand for itself; returns where the next begins. */
  private special(p: usize, end: usize): usize {
    const byte = load<u8>(p);
    if (byte < 0x80) {
      this.escaped(byte);
      return p + 1;
    }
    const length = utf8SequenceLength(p, end);
    if (length == 0) {
      this.character(REPLACEMENT);
      return p + 1;
    }
    this.raw(p, length);
    return p + length;
  }

  private character(code: u32): void {
    this.reserve(LONGEST_SEQUENCE);
    this.length += storeUtf8(this.ptr + this.length, code);
  }

  private escaped(code: u32): void {
    this.reserve(ESCAPE_BYTES);
    const to = this.ptr + this.length;
    store<u8>(to, Ascii.Backslash);
    if (code >= 0x20) {
      store<u8>(to + 1, code as u8);
      this.length += 2;
      return;
    }
    store<u8>(to + 1, Ascii.LowerU);
    store<u8>(to + 2, Ascii.Zero);
    store<u8>(to + 3, Ascii.Zero);
    store<u8>(to + 4, hexByte(code >> 4));
    store<u8>(to + 5, hexByte(code & 15));
    this.length += ESCAPE_BYTES;
  }

  private reserve(bytes: i32): void {
    const needed = this.length + bytes;
    if (needed <= this.capacity) return;
    let capacity = max(this.capacity, FIRST_BYTES);
    while (capacity < needed) capacity <<= 1;
    this.ptr = this.ptr == 0 ? heap.alloc(capacity) : heap.realloc(this.ptr, capacity);
    this.capacity = capacity;
  }
}
