import { bytesOf, contains, lengthOf, utf8 } from "../abi/text";
import { ByteWriter } from "../scan/json-write";

const MAX_FACT_BYTES = 512;
/** Stands for what is too long to be kept: it was there. */
export const TOO_LONG = utf8("true");
/** Usage objects that are longer are not kept for the next exchange. */
const MAX_SPARE_BYTES = 1024;
/** Of each usage pointer the first two and the last two objects are kept. */
const KEPT_FIRST = 2;
const KEPT_PER_POINTER = 4;
/** Where one document has many, of which none repeats another: a pointer with a `*` in it. */
const KEPT_OF_MANY = 255;
const MANY = utf8("*");
/** No more are kept for the exchanges to come. */
const MOST_SPARE = 8;

const json = new ByteWriter();

/** A run of bytes of its own, overwritten in place when what comes next fits. */
export class Bytes {
  private buffer: ArrayBuffer;
  length: i32;

  /** spare: bytes that may be appended without a second allocation. */
  constructor(ptr: usize, length: i32, spare: i32 = 0) {
    this.buffer = new ArrayBuffer(length + spare);
    this.length = length;
    memory.copy(changetype<usize>(this.buffer), ptr, length);
  }

  static of(string: string): Bytes {
    const bytes = String.UTF8.encode(string);
    return new Bytes(changetype<usize>(bytes), bytes.byteLength);
  }

  /** A string as JSON. */
  static quoted(string: string): Bytes {
    json.reset();
    json.jsonString(string);
    return new Bytes(json.ptr, json.length);
  }

  set(ptr: usize, length: i32): void {
    if (length > this.buffer.byteLength) this.buffer = new ArrayBuffer(length);
    this.length = length;
    memory.copy(changetype<usize>(this.buffer), ptr, length);
  }

  /** How many there is room for. */
  get capacity(): i32 {
    return this.buffer.byteLength;
  }

  /** Adds bytes at the end. */
  append(ptr: usize, length: i32): void {
    const total = this.length + length;
    if (total > this.buffer.byteLength) {
      const grown = new ArrayBuffer(max(total, this.buffer.byteLength * 2));
      memory.copy(changetype<usize>(grown), this.ptr, this.length);
      this.buffer = grown;
    }
    memory.copy(this.ptr + <usize>this.length, ptr, length);
    this.length = total;
  }

  @inline
  get ptr(): usize {
    return changetype<usize>(this.buffer);
  }
}

/** Writes them as they are. */
export function writeBytes(bytes: Bytes, out: ByteWriter): void {
  out.raw(bytes.ptr, bytes.length);
}

/**
 * Raw usage objects in the order seen. Bounded: a stream may carry one in every chunk, and then
 * the first two (a start and its repetition) and the last two tell all.
 */
export class CapturedUsage {
  values: Bytes[] = [];
  pointers: i32[] = [];
  private counts: StaticArray<u8>;
  /** Of exchanges before this one. */
  private spare: Bytes[] = [];

  constructor(private all: Bytes[]) {
    this.counts = new StaticArray<u8>(all.length);
  }

  keep(pointer: i32, ptr: usize, length: i32): void {
    const count = <i32>this.counts[pointer];
    if (count < KEPT_PER_POINTER || (count < KEPT_OF_MANY && this.hasMany(pointer))) {
      this.counts[pointer] = <u8>(count + 1);
      this.values.push(this.copyOf(ptr, length));
      this.pointers.push(pointer);
      return;
    }
    const oldest = this.indexOf(pointer, KEPT_FIRST);
    const bytes = this.values[oldest];
    bytes.set(ptr, length);
    for (let i = oldest; i + 1 < this.values.length; i++) {
      this.values[i] = this.values[i + 1];
      this.pointers[i] = this.pointers[i + 1];
    }
    this.values[this.values.length - 1] = bytes;
    this.pointers[this.pointers.length - 1] = pointer;
  }

  private hasMany(pointer: i32): bool {
    return contains(this.all[pointer].ptr, this.all[pointer].length, MANY);
  }

  private copyOf(ptr: usize, length: i32): Bytes {
    if (this.spare.length == 0) return new Bytes(ptr, length);
    const bytes = this.spare.pop();
    bytes.set(ptr, length);
    return bytes;
  }

  /** Forgets all. */
  reset(): void {
    for (let i = 0; i < this.values.length; i++) {
      const isSpare = this.values[i].length <= MAX_SPARE_BYTES && this.spare.length < MOST_SPARE;
      if (isSpare) this.spare.push(this.values[i]);
    }
    this.values.length = 0;
    this.pointers.length = 0;
    memory.fill(changetype<usize>(this.counts), 0, this.counts.length);
  }

  /** Place of the `nth` object (from 0) of a pointer. */
  private indexOf(pointer: i32, nth: i32): i32 {
    let seen = 0;
    for (let i = 0; i < this.pointers.length; i++) {
      if (this.pointers[i] != pointer) continue;
      if (seen == nth) return i;
      seen++;
    }
    return this.pointers.length - 1;
  }
}

/** The last scalar seen at each fact pointer; null or without bytes: none. */
export class CapturedFacts {
  values: StaticArray<Bytes | null>;

  constructor(pointerCount: i32) {
    this.values = new StaticArray<Bytes | null>(pointerCount);
  }

  /** Forgets all. */
  reset(): void {
    for (let i = 0; i < this.values.length; i++) {
      const value = unchecked(this.values[i]);
      if (value !== null) value.length = 0;
    }
  }

  keep(pointer: i32, ptr: usize, length: i32): void {
    if (length > MAX_FACT_BYTES) {
      this.keep(pointer, bytesOf(TOO_LONG), lengthOf(TOO_LONG));
      return;
    }
    const known = this.values[pointer];
    if (known === null) this.values[pointer] = new Bytes(ptr, length);
    else known.set(ptr, length);
  }
}

/** Bytes of output text by text pointer: of the many pointers a response has one or two. */
export class CapturedText {
  pointers: i32[] = [];
  /** bytes[i] are those at pointers[i]. */
  bytes: i32[] = [];

  add(pointer: i32, bytes: i32): void {
    const place = this.pointers.indexOf(pointer);
    if (place >= 0) {
      this.bytes[place] += bytes;
      return;
    }
    this.pointers.push(pointer);
    this.bytes.push(bytes);
  }

  /** Forgets all. */
  reset(): void {
    this.pointers.length = 0;
    this.bytes.length = 0;
  }
}
