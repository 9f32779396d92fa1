import { sameBytes, Utf8 } from "./memory";

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
  @inline
  is(name: Utf8): bool {
    return sameBytes(this.name, this.nameLength, name.ptr, name.length);
  }
}

/** Builds a header map in the layout above. */
export class PairWriter {
  private names: ArrayBuffer[] = [];
  private values: ArrayBuffer[] = [];
  private encoded: ArrayBuffer = new ArrayBuffer(0);

  add(name: string, value: string): void {
    this.names.push(String.UTF8.encode(name));
    this.values.push(String.UTF8.encode(value));
  }

  /** Lays the pairs out; `ptr` and `length` are valid until the next call. */
  encode(): void {
    const count = this.names.length;
    let size = 4 + count * 8;
    for (let i = 0; i < count; i++) {
      size += this.names[i].byteLength + this.values[i].byteLength + 2;
    }
    this.encoded = new ArrayBuffer(size);
    let sizes = this.ptr;
    store<u32>(sizes, count);
    sizes += 4;
    let at = sizes + <usize>count * 8;
    for (let i = 0; i < count; i++) {
      const name = this.names[i];
      const value = this.values[i];
      store<u32>(sizes, name.byteLength);
      store<u32>(sizes, value.byteLength, 4);
      sizes += 8;
      memory.copy(at, changetype<usize>(name), name.byteLength);
      at += <usize>name.byteLength + 1;
      memory.copy(at, changetype<usize>(value), value.byteLength);
      at += <usize>value.byteLength + 1;
    }
  }

  @inline
  get ptr(): usize {
    return changetype<usize>(this.encoded);
  }

  get length(): i32 {
    return this.encoded.byteLength;
  }
}
