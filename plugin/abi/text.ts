/**
 * Texts as the ABI wants them: UTF-8 at an address, after their length in two bytes. Constants lie
 * where the compiler puts them (asconfig.transform.mjs), others in arrays of their own.
 */
export type Text = usize;

/** The address of a constant text. */
export declare function utf8(text: string): Text;

export function lengthOf(text: Text): i32 {
  return load<u16>(text);
}

export function bytesOf(text: Text): usize {
  return text + 2;
}

/** A text that keeps its bytes in collected memory; what is over 64 KiB − 1 is cut off. */
export class OwnText {
  private bytes: StaticArray<u8>;

  constructor(ptr: usize, length: i32) {
    const kept = min(length, 0xffff);
    this.bytes = new StaticArray<u8>(kept + 2);
    store<u16>(this.text, <u16>kept);
    memory.copy(bytesOf(this.text), ptr, kept);
  }

  static of(text: string): OwnText {
    const bytes = String.UTF8.encode(text);
    return new OwnText(changetype<usize>(bytes), bytes.byteLength);
  }

  @inline
  get text(): Text {
    return changetype<usize>(this.bytes);
  }
}

/** Are these bytes the text? */
export function isText(ptr: usize, length: i32, text: Text): bool {
  return length == lengthOf(text) && memory.compare(ptr, bytesOf(text), length) == 0;
}

export function startsWith(ptr: usize, length: i32, text: Text): bool {
  return length >= lengthOf(text) && memory.compare(ptr, bytesOf(text), lengthOf(text)) == 0;
}

/** As startsWith, in whatever case the bytes are; the text is in lower case. */
export function startsWithAnyCase(ptr: usize, length: i32, text: Text): bool {
  if (length < lengthOf(text)) return false;
  for (let i = 0; i < lengthOf(text); i++) {
    if ((load<u8>(ptr + <usize>i) | 0x20) != load<u8>(bytesOf(text) + <usize>i)) return false;
  }
  return true;
}

/** In whatever case the bytes are; the text is in lower case. */
export function contains(ptr: usize, length: i32, text: Text): bool {
  for (let at = 0; at < length; at++) {
    if (startsWithAnyCase(ptr + <usize>at, length - at, text)) return true;
  }
  return false;
}

/** Is the string this text of ASCII characters? */
export function equals(string: string, text: Text): bool {
  const length = lengthOf(text);
  if (string.length != length) return false;
  for (let i = 0; i < length; i++) {
    if (string.charCodeAt(i) != <i32>load<u8>(bytesOf(text) + <usize>i)) return false;
  }
  return true;
}
