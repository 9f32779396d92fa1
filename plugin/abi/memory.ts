/**
 * Memory that crosses the boundary. The host asks for it by malloc; it belongs to the filter from
 * then on and lies outside the collected heap, so whoever takes it must free it.
 */

/** Called by the host before it hands bytes over. size: bytes. */
export function malloc(size: usize): usize {
  return heap.alloc(size);
}

/** Gives host-handed memory back; 0 is allowed. */
export function release(pointer: usize): void {
  if (pointer != 0) heap.free(pointer);
}

/** A constant string kept as UTF-8, for header names and the like. */
export class Utf8 {
  private bytes: ArrayBuffer;
  readonly length: i32;

  constructor(text: string) {
    this.bytes = String.UTF8.encode(text);
    this.length = this.bytes.byteLength;
  }

  @inline
  get ptr(): usize {
    return changetype<usize>(this.bytes);
  }
}

/** Are these two runs of bytes the same? */
export function sameBytes(a: usize, aLength: i32, b: usize, bLength: i32): bool {
  return aLength == bLength && memory.compare(a, b, aLength) == 0;
}

/** Decodes UTF-8 to a string. */
export function text(pointer: usize, length: i32): string {
  return length == 0 ? "" : String.UTF8.decodeUnsafe(pointer, length);
}
