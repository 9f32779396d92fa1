import { Ascii } from "./ascii";

/**
 * Where in a JSON number a byte stands (RFC 8259, section 6):
 *   number = [ minus ] int [ frac ] [ exp ]
 */
export const enum NumberState {
  /** The byte is not part of the number. */
  Outside,
  Minus,
  Zero,
  Dot,
  Exponent,
  ExponentSign,
  /** From here on any digit leads to the same state. */
  Integer,
  Fraction,
  ExponentDigits,
}

/** State after the first byte of a number, Outside where the byte cannot begin one. */
export function numberBegin(byte: u32): NumberState {
  if (byte == Ascii.Minus) return NumberState.Minus;
  if (byte == Ascii.Zero) return NumberState.Zero;
  return byte - Ascii.Zero < 10 ? NumberState.Integer : NumberState.Outside;
}

/** State after one more byte. */
export function numberNext(state: NumberState, byte: u32): NumberState {
  const digit = byte - Ascii.Zero < 10;
  switch (state) {
    case NumberState.Minus:
      return byte == Ascii.Minus ? NumberState.Outside : numberBegin(byte);
    case NumberState.Integer:
      if (digit) return NumberState.Integer;
    // falls through: what may follow a zero may follow any integer
    case NumberState.Zero:
      if (byte == Ascii.Dot) return NumberState.Dot;
      return (byte | 0x20) == Ascii.LowerE ? NumberState.Exponent : NumberState.Outside;
    case NumberState.Dot:
      return digit ? NumberState.Fraction : NumberState.Outside;
    case NumberState.Fraction:
      if (digit) return NumberState.Fraction;
      return (byte | 0x20) == Ascii.LowerE ? NumberState.Exponent : NumberState.Outside;
    case NumberState.Exponent:
      if (byte == Ascii.Plus || byte == Ascii.Minus) return NumberState.ExponentSign;
    // falls through: the sign may be left out
    case NumberState.ExponentSign:
    case NumberState.ExponentDigits:
      return digit ? NumberState.ExponentDigits : NumberState.Outside;
    default:
      return NumberState.Outside;
  }
}

/** True where the number may end. */
export function numberComplete(state: NumberState): bool {
  return (
    state == NumberState.Zero ||
    state == NumberState.Integer ||
    state == NumberState.Fraction ||
    state == NumberState.ExponentDigits
  );
}
