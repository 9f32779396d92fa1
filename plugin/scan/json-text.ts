import { Ascii, hexDigit, unescaped } from "./ascii";
import { loadUtf8, REPLACEMENT, utf8SequenceLength } from "./utf8";

const ESCAPE_DIGITS: usize = 4;
const FIRST_ASTRAL: u32 = 0x10000;

/** Position after the closing quote of the string whose inside begins at `p`, 0 for none. */
export function stringEnd(p: usize, end: usize): usize {
  while (p < end) {
    const byte = load<u8>(p);
    if (byte == Ascii.Quote) return p + 1;
    if (byte < 0x20) return 0;
    p += byte == Ascii.Backslash ? 2 : 1;
  }
  return 0;
}

/** The UTF-16 unit that the four digits at `p` name, -1 where they are not digits. */
function unitAt(p: usize, end: usize): i32 {
  if (end - p < ESCAPE_DIGITS) return -1;
  let unit = 0;
  for (let i: usize = 0; i < ESCAPE_DIGITS; i++) {
    const digit = hexDigit(load<u8>(p + i));
    if (digit < 0) return -1;
    unit = (unit << 4) | digit;
  }
  return unit;
}

/**
 * The text of the JSON string whose inside is [p, end), null where an escape is malformed.
 * Invalid UTF-8 becomes U+FFFD.
 */
export function decodeString(p: usize, end: usize): string | null {
  if (p == end) return "";
  // No character takes more UTF-16 units than it has bytes here.
  const text = __new((end - p) << 1, idof<string>());
  let to = text;
  while (p < end) {
    let code: u32 = load<u8>(p);
    if (code == Ascii.Backslash) {
      const escape: u32 = load<u8>(p + 1);
      if (escape == Ascii.LowerU) {
        const unit = unitAt(p + 2, end);
        if (unit < 0) return null;
        code = unit;
        p += 2 + ESCAPE_DIGITS;
      } else {
        code = unescaped(escape);
        if (code == escape && !isSelfEscape(escape)) return null;
        p += 2;
      }
    } else {
      const length = utf8SequenceLength(p, end);
      code = length == 0 ? REPLACEMENT : loadUtf8(p, length);
      p += max(length, 1);
    }
    if (code >= FIRST_ASTRAL) {
      store<u16>(to, (0xd7c0 + (code >> 10)) as u16);
      to += 2;
      code = 0xdc00 | (code & 0x3ff);
    }
    store<u16>(to, code as u16);
    to += 2;
  }
  return changetype<string>(__renew(text, to - text));
}

/** True for what an escape may stand for as itself. */
function isSelfEscape(byte: u32): bool {
  return byte == Ascii.Quote || byte == Ascii.Backslash || byte == Ascii.Slash;
}
