/** Something that takes bytes as they come, in pieces of any size. */
export abstract class ByteSink {
  /** Takes `len` bytes at `ptr`; they are only valid during the call. */
  abstract push(ptr: usize, len: i32): void;
  /** The bytes that should follow cannot be had: what was begun is malformed. */
  abstract fail(): void;
}
