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

/** Are these two runs of bytes the same? */
export function sameBytes(a: usize, aLength: i32, b: usize, bLength: i32): bool {
  return aLength == bLength && memory.compare(a, b, aLength) == 0;
}
