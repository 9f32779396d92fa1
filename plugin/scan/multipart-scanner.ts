import { startsWithAnyCase, utf8 } from "../abi/text";
import { Ascii } from "./ascii";
import { findEither } from "./byte-search";
import {
  isParameter,
  isParameterLike,
  nextParameter,
  openParameters,
  valueLength,
  valuePtr,
} from "./form-parameter";
import { JsonSink } from "./json-sink";
import { ByteWriter } from "./json-write";
import { PointerNode } from "./pointer-node";
import { PointerKind, PointerSet } from "./pointer-set";

/** A field with a longer value is not told. */
const MOST_VALUE_BYTES = 256;
/** A form with a longer content-disposition is not read. */
const MOST_HEADER_BYTES = 2048;
/** RFC 2046, section 5.1.1. */
const MOST_BOUNDARY_BYTES: u32 = 70;
/** CR LF - -, lowest byte first. */
const DELIMITER_PREFIX: u32 = 0x2d2d0a0d;
const DELIMITER_PREFIX_BYTES = 4;
const MOST_DELIMITER_BYTES = DELIMITER_PREFIX_BYTES + MOST_BOUNDARY_BYTES;
/** About what a scanner takes. */
export const MULTIPART_SCANNER_BYTES: i32 = MOST_HEADER_BYTES + MOST_DELIMITER_BYTES + 100;

/**
 *   Nothing    Content ◄──────────── Header
 *                │ ▲                   ▲
 *        CRLF--B │ │ other             │ CRLF
 *                ▼ │                   │
 *           AfterBoundary ─────────────┘
 *                └── "--" ──► Nothing
 */
const enum State {
  /** No boundary is known, or the last one is over. */
  Nothing = 0,
  /** In the preamble, or in a part's body. */
  Content = 1,
  AfterBoundary = 2,
  Header = 3,
}

const quoted = new ByteWriter();

/**
 * Finds the fields of a form (RFC 7578) that comes in pieces of any size: parts without a file
 * name, whose name as the one segment of a pointer is in the PointerSet. The value is told to the
 * sink as a JSON string without a place (-1), once the boundary after it has come.
 *
 *   multipart-body := [preamble CRLF] dash-boundary transport-padding CRLF body-part
 *                     *(CRLF dash-boundary transport-padding CRLF body-part)
 *                     CRLF dash-boundary "--" transport-padding [CRLF epilogue]
 *
 * (RFC 2046, section 5.1.1.) A body whose first boundary ends in a bare LF has bare LFs everywhere;
 * in any other only CRLF begins a boundary, whatever a file has in it.
 */
export class MultipartScanner {
  /** A boundary has come. */
  isBegun: bool = false;
  /** Those who read forms would not agree on what is in this one; nothing of it counts. */
  isAmbiguous: bool = false;
  private state: State = State.Nothing;
  private delimiterLength: i32 = 0;
  /** Where in the delimiter one begins: 0 at the CR, 1 at the LF. */
  private first: i32 = 1;
  /** How much of the delimiter has just been read: the body begins a line. */
  private matched: i32 = 2;
  /** After a boundary: the byte before; 0: none. */
  private before: u8 = 0;
  /** The next byte is the first of a header line. */
  private atLineStart: bool = false;
  /** What the part's value is for; null: it is not wanted. */
  private node: PointerNode | null = null;
  /**
   *   header with its continuations, or value │ CR LF - - boundary
   *   └ MOST_HEADER_BYTES                     └ MOST_DELIMITER_BYTES
   */
  private buffer: StaticArray<u8> = new StaticArray<u8>(MOST_HEADER_BYTES + MOST_DELIMITER_BYTES);
  /** Of the header or value, also where there was no room for it. */
  private length: i32 = 0;

  /** Of a body with the content-type in [type, type + length); without a boundary it is no form. */
  constructor(
    private set: PointerSet,
    private sink: JsonSink,
    type: usize,
    length: i32,
  ) {
    if (length <= MOST_HEADER_BYTES) this.readType(type, length);
  }

  private readType(type: usize, length: i32): void {
    // A copy, for what is escaped is changed in its place.
    memory.copy(this.text, type, length);
    openParameters(this.text, length);
    while (nextParameter()) {
      if (!isParameter(utf8("boundary")) || <u32>(valueLength - 1) >= MOST_BOUNDARY_BYTES) continue;
      store<u32>(this.delimiter, DELIMITER_PREFIX);
      memory.copy(this.delimiter + DELIMITER_PREFIX_BYTES, valuePtr, valueLength);
      this.delimiterLength = DELIMITER_PREFIX_BYTES + valueLength;
      this.state = State.Content;
    }
  }

  @inline
  private get text(): usize {
    return changetype<usize>(this.buffer);
  }

  @inline
  private get delimiter(): usize {
    return this.text + MOST_HEADER_BYTES;
  }

  /** Takes the next `length` bytes, at `ptr`. */
  push(ptr: usize, length: i32): void {
    const end = ptr + <usize>length;
    while (ptr < end) {
      if (this.state == State.Content) ptr = this.content(ptr, end);
      else if (this.state == State.Header) this.header(load<u8>(ptr++));
      else if (this.state == State.Nothing) return;
      else if (this.endsBoundary(load<u8>(ptr))) ptr++;
    }
  }

  /** Reads on up to a boundary; returns where. */
  private content(p: usize, end: usize): usize {
    const delimiter = this.delimiter;
    const begin = load<u8>(delimiter + <usize>this.first);
    while (p < end) {
      if (this.matched == 0 && this.node === null) {
        p = findEither(p, end, begin, begin);
        if (p == end) return p;
      }
      const byte = load<u8>(p);
      const at = this.matched == 0 ? this.first : this.matched;
      if (byte == load<u8>(delimiter + <usize>at)) {
        p++;
        this.matched = at + 1;
        if (this.matched < this.delimiterLength) continue;
        this.state = State.AfterBoundary;
        this.before = 0;
        return p;
      }
      if (this.matched == 0) {
        this.keep(byte);
        p++;
      } else this.isContent();
    }
    return p;
  }

  /** What has been read of the delimiter was none: only its first byte can begin another one. */
  private isContent(): void {
    for (let i = this.first; i < this.matched; i++) this.keep(load<u8>(this.delimiter + <usize>i));
    this.matched = 0;
  }

  /** Takes a byte after a boundary; false: that was none, and the byte is to be read as content. */
  private endsBoundary(byte: u8): bool {
    const before = this.before;
    this.before = byte;
    const isLast = byte == Ascii.Minus && before == Ascii.Minus;
    if (isLast || (byte == Ascii.Lf && (before == Ascii.Cr || this.first == 1))) {
      this.tell();
      this.isBegun = true;
      this.state = isLast ? State.Nothing : State.Header;
      if (before == Ascii.Cr) this.first = 0;
      this.node = null;
      this.length = 0;
      this.atLineStart = false;
      return true;
    }
    if (before != Ascii.Minus) {
      if (byte == Ascii.Minus ? before == 0 : byte == Ascii.Cr || isBlank(byte)) return true;
    }
    this.state = State.Content;
    this.matched = 0;
    // A field with such a line in it is none that anybody wants.
    this.length = MOST_HEADER_BYTES;
    return false;
  }

  /** Header lines end with LF; what begins with white space goes on with the line before. */
  private header(byte: u8): void {
    if (this.atLineStart && !isBlank(byte)) {
      this.endHeader();
      this.length = 0;
    }
    this.atLineStart = byte == Ascii.Lf;
    if (byte != Ascii.Lf) {
      store<u8>(this.text + <usize>min(this.length++, MOST_HEADER_BYTES - 1), byte);
      return;
    }
    const last = min(this.length, MOST_HEADER_BYTES) - 1;
    if (last >= 0 && load<u8>(this.text + <usize>last) == Ascii.Cr) this.length--;
    else if (this.first == 0) this.isAmbiguous = true;
    if (this.length > 0) return;
    this.state = State.Content;
    this.matched = 0;
  }

  /** A header is over: content-disposition tells what the part is. */
  private endHeader(): void {
    const length = min(this.length, MOST_HEADER_BYTES);
    if (!startsWithAnyCase(this.text, length, utf8("content-disposition:"))) return;
    if (this.length > MOST_HEADER_BYTES) this.isAmbiguous = true;
    let isFile = false;
    this.node = null;
    openParameters(this.text, length);
    while (nextParameter()) {
      if (isParameterLike(utf8("filename"))) isFile = true;
      // RFC 7578, section 4.2, does not allow it, but some decode it.
      else if (isParameterLike(utf8("name*"))) this.isAmbiguous = true;
      else if (isParameter(utf8("name"))) {
        this.node = this.set.root.key(valuePtr, valueLength);
      }
    }
    if (isFile) this.node = null;
  }

  private keep(byte: u8): void {
    if (this.length < MOST_VALUE_BYTES) {
      store<u8>(this.text + <usize>this.length, byte);
    }
    this.length = min(this.length, MOST_VALUE_BYTES) + 1;
  }

  /** A part is over: tells its value where it is wanted. */
  private tell(): void {
    const node = this.node;
    if (node === null || this.length > MOST_VALUE_BYTES) return;
    quoted.reset();
    quoted.jsonStringBytes(this.text, this.length);
    const actions = node.actions;
    for (let i = 0; i < actions.length; i++) {
      const action = unchecked(actions[i]);
      if (PointerNode.kindOf(action) != PointerKind.Value) continue;
      this.sink.onValue(PointerNode.idOf(action), Ascii.Quote, quoted.ptr, quoted.length, -1, -1);
    }
  }
}

function isBlank(byte: u8): bool {
  return byte == Ascii.Space || byte == Ascii.Tab;
}
