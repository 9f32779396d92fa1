import { ByteWriter } from "../scan/json-write";
import { bytesOf, isText, lengthOf, Text } from "./text";

/**
 * The ABI's layout of a header map, little endian:
 *
 *   u32 count │ count × (u32 name bytes, u32 value bytes) │ count × (name NUL value NUL)
 */
export class PairReader {
  private at: usize = 0;
  private sizes: usize = 0;
  private left: i32 = 0;
  private end: usize = 0;
  name: usize = 0;
  nameLength: i32 = 0;
  value: usize = 0;
  valueLength: i32 = 0;

  /** Starts on the bytes at `pointer`. */
  open(pointer: usize, length: i32): void {
    this.left = 0;
    if (length < 4) return;
    const count = load<i32>(pointer);
    if (count < 0 || count > (length - 4) / 8) return;
    this.left = count;
    this.sizes = pointer + 4;
    this.at = this.sizes + <usize>count * 8;
    this.end = pointer + <usize>length;
  }

  /** Moves to the next pair; false after the last. */
  next(): bool {
    if (this.left == 0) return false;
    this.left--;
    this.nameLength = load<i32>(this.sizes);
    this.valueLength = load<i32>(this.sizes, 4);
    this.sizes += 8;
    this.name = this.at;
    this.value = this.at + <usize>this.nameLength + 1;
    this.at = this.value + <usize>this.valueLength + 1;
    if (this.at > this.end) {
      this.left = 0;
      return false;
    }
    return true;
  }

  /** Is the current pair's name this one? Names come in lower case from Envoy. */
  is(name: Text): bool {
    return isText(this.name, this.nameLength, name);
  }
}

/** Builds a header map in the layout above: names and values are added in turn. Kept for good. */
export class PairWriter {
  private sizes: ByteWriter = new ByteWriter();
  private bytes: ByteWriter = new ByteWriter();
  private encoded: ByteWriter = new ByteWriter();

  reset(): void {
    this.sizes.reset();
    this.bytes.reset();
  }

  /** Adds a name or a value. */
  text(text: Text): void {
    this.raw(bytesOf(text), lengthOf(text));
  }

  raw(ptr: usize, length: i32): void {
    this.bytes.raw(ptr, length);
    this.bytes.byte(0);
    this.sizes.word(length);
  }

  pair(name: Text, value: Text): void {
    this.text(name);
    this.text(value);
  }

  /** Lays the pairs out; `ptr` and `length` are valid until the next call. */
  encode(): void {
    const encoded = this.encoded;
    encoded.reset();
    encoded.word(this.sizes.length / 8);
    encoded.raw(this.sizes.ptr, this.sizes.length);
    encoded.raw(this.bytes.ptr, this.bytes.length);
  }

  get ptr(): usize {
    return this.encoded.ptr;
  }

  get length(): i32 {
    return this.encoded.length;
  }
}
