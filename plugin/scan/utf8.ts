/** Stands for what cannot be decoded (The Unicode Standard, section 3.9). */
export const REPLACEMENT: u32 = 0xfffd;

/** Writes a code point at `p` (room for four bytes needed) and returns how many bytes it took. */
export function storeUtf8(p: usize, code: u32): i32 {
  if (code < 0x80) {
    store<u8>(p, code as u8);
    return 1;
  }
  if (code < 0x800) {
    store<u8>(p, (0xc0 | (code >> 6)) as u8);
    store<u8>(p, (0x80 | (code & 63)) as u8, 1);
    return 2;
  }
  if (code < 0x10000) {
    store<u8>(p, (0xe0 | (code >> 12)) as u8);
    store<u8>(p, (0x80 | ((code >> 6) & 63)) as u8, 1);
    store<u8>(p, (0x80 | (code & 63)) as u8, 2);
    return 3;
  }
  store<u8>(p, (0xf0 | (code >> 18)) as u8);
  store<u8>(p, (0x80 | ((code >> 12) & 63)) as u8, 1);
  store<u8>(p, (0x80 | ((code >> 6) & 63)) as u8, 2);
  store<u8>(p, (0x80 | (code & 63)) as u8, 3);
  return 4;
}

/**
 * Length of the well-formed sequence that begins at `p` (RFC 3629: no overlong form, no
 * surrogate, nothing over U+10FFFF), or 0 where there is none before `end`.
 */
export function utf8SequenceLength(p: usize, end: usize): i32 {
  const first: u32 = load<u8>(p);
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (end - p < (length as usize)) return 0;
  const second: u32 = load<u8>(p, 1);
  let lowest: u32 = 0x80;
  let highest: u32 = 0xbf;
  if (first == 0xe0) lowest = 0xa0;
  else if (first == 0xed) highest = 0x9f;
  else if (first == 0xf0) lowest = 0x90;
  else if (first == 0xf4) highest = 0x8f;
  if (second < lowest || second > highest) return 0;
  for (let i = 2; i < length; i++) {
    if ((load<u8>(p + i) & 0xc0) != 0x80) return 0;
  }
  return length;
}

/** Code point of the well-formed sequence of `length` bytes at `p`. */
export function loadUtf8(p: usize, length: i32): u32 {
  let code: u32 = load<u8>(p);
  if (length == 1) return code;
  code &= 0x7f >> length;
  for (let i = 1; i < length; i++) code = (code << 6) | (load<u8>(p + i) & 63);
  return code;
}

/** True for the first half of a UTF-16 surrogate pair. */
export function isHighSurrogate(unit: u32): bool {
  return (unit & 0xfc00) == 0xd800;
}

/** True for the second half of a UTF-16 surrogate pair. */
export function isLowSurrogate(unit: u32): bool {
  return (unit & 0xfc00) == 0xdc00;
}

/** The code point that a surrogate pair stands for. */
export function joinSurrogates(high: u32, low: u32): u32 {
  return 0x10000 + ((high & 0x3ff) << 10) + (low & 0x3ff);
}
