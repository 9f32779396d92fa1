/** The bytes that the scanners look for. */
export namespace Ascii {
  export const Tab: u8 = 0x09;
  export const Lf: u8 = 0x0a;
  export const Cr: u8 = 0x0d;
  export const Space: u8 = 0x20;
  export const Quote: u8 = 0x22;
  export const Plus: u8 = 0x2b;
  export const Comma: u8 = 0x2c;
  export const Minus: u8 = 0x2d;
  export const Dot: u8 = 0x2e;
  export const Slash: u8 = 0x2f;
  export const Zero: u8 = 0x30;
  export const Colon: u8 = 0x3a;
  export const Equals: u8 = 0x3d;
  export const OpenBracket: u8 = 0x5b;
  export const Backslash: u8 = 0x5c;
  export const CloseBracket: u8 = 0x5d;
  export const Underscore: u8 = 0x5f;
  export const LowerB: u8 = 0x62;
  export const LowerE: u8 = 0x65;
  export const LowerF: u8 = 0x66;
  export const LowerN: u8 = 0x6e;
  export const LowerR: u8 = 0x72;
  export const LowerT: u8 = 0x74;
  export const LowerU: u8 = 0x75;
  export const OpenBrace: u8 = 0x7b;
  export const CloseBrace: u8 = 0x7d;
}

/** True for the four white space bytes of JSON (RFC 8259, section 2). */
export function isSpace(byte: u32): bool {
  return byte == Ascii.Space || byte - Ascii.Tab < 2 || byte == Ascii.Cr;
}

/**
 * True for the three bytes of UTF-8's byte order mark. None of them can begin a value or a field,
 * so whoever passes them over where a stream begins need not keep how much of the mark has come.
 */
export function isMarkByte(byte: u32): bool {
  return byte == 0xef || byte == 0xbb || byte == 0xbf;
}

/** First position in [p, end) that is not JSON white space, else `end`. */
export function skipSpace(p: usize, end: usize): usize {
  while (p < end && isSpace(load<u8>(p))) p++;
  return p;
}

/** Value of a hexadecimal digit, -1 for any other byte. */
export function hexDigit(byte: u32): i32 {
  if (byte - Ascii.Zero < 10) return byte - Ascii.Zero;
  const letter = (byte | 0x20) - 0x61;
  return letter < 6 ? letter + 10 : -1;
}

/** What the byte after a backslash stands for in JSON; any other byte stands for itself. */
export function unescaped(byte: u32): u32 {
  switch (byte) {
    case Ascii.LowerN:
      return Ascii.Lf;
    case Ascii.LowerT:
      return Ascii.Tab;
    case Ascii.LowerR:
      return Ascii.Cr;
    case Ascii.LowerB:
      return 0x08;
    case Ascii.LowerF:
      return 0x0c;
    default:
      return byte;
  }
}
