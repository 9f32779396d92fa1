/** What a JsonScanner tells of a document. Memory that a call points at is valid only during it. */
export abstract class JsonSink {
  /**
   * The `len` bytes at `ptr` are the whole value at a pointer, as written; `start` and `end` say
   * where it stands in the bytes pushed since reset() (-1 in a base64 document, and in a form).
   * `type` is its first byte, `0` for any number. The structure of the value is valid JSON, but
   * strings are as they came: write it with ByteWriter.jsonValue where it must be valid.
   */
  abstract onValue(pointer: i32, type: u8, ptr: usize, len: i32, start: i32, end: i32): void;
  /** The value at a pointer has over CAPTURE_LIMIT_BYTES. */
  abstract onOversize(pointer: i32, start: i32, end: i32): void;
  /** `bytes` more bytes, as UTF-8 and with escapes decoded, of the string at a pointer. */
  abstract onText(pointer: i32, bytes: i32): void;
  /** A value has begun at a pointer; of an array or object it is known whether it is empty. */
  abstract onProbe(pointer: i32, type: u8, empty: bool, start: i32): void;
  /** A document has ended, or turned out to be malformed or cut off. */
  abstract onDocument(valid: bool): void;
}
