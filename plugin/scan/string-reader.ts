import { Ascii, hexDigit, unescaped } from "./ascii";
import { Base64Decoder } from "./base64-decoder";
import { findEither } from "./byte-search";
import { isHighSurrogate, isLowSurrogate, joinSurrogates, storeUtf8 } from "./utf8";

/** What a string is read for; the bits may be joined. */
export const enum StringUse {
  /** Only to find its end. */
  Nothing = 0,
  Key = 1,
  Text = 2,
  Base64 = 4,
}

const enum Escape {
  None = 0,
  /** After the backslash. */
  Begun = 1,
  /** After `\u`; one more with each hexadecimal digit. */
  Digits = 2,
  Complete = 6,
}

/** A surrogate on its own takes three bytes; its pair replaces them. */
const SURROGATE_BYTES: i32 = 3;
const LONGEST_SEQUENCE: i32 = 4;
/** Holds one decoded character; shared, since nothing keeps it between calls. */
const character = memory.data(LONGEST_SEQUENCE);

/**
 * Reads the inside of a JSON string, in pieces. What is in it is not judged: raw control
 * characters and invalid UTF-8 stand for themselves, so does the byte of an unknown escape, and
 * a `\u` without four digits stands for nothing.
 */
export class StringReader {
  use: StringUse = StringUse.Nothing;
  /** True when read() came to the closing quote. */
  closed: bool = false;
  /** Bytes of text since this was last set to 0. */
  textBytes: i32 = 0;
  /** Bytes of the key, see hasKey(). */
  keyLength: i32 = 0;
  private keyBytes: StaticArray<u8>;
  private escape: i32 = Escape.None;
  private unit: u32 = 0;
  /** The surrogate half that came just before, else 0. */
  private high: u32 = 0;

  constructor(
    longestKey: i32,
    private base64: Base64Decoder,
  ) {
    this.keyBytes = new StaticArray<u8>(longestKey);
  }

  /** Begins a string after its opening quote. */
  begin(use: StringUse): void {
    this.use = use;
    this.escape = Escape.None;
    this.high = 0;
    this.textBytes = 0;
    this.keyLength = 0;
  }

  /** Reads on, and returns where it stopped: after the closing quote, or at `end`. */
  read(p: usize, end: usize): usize {
    this.closed = false;
    return this.use == StringUse.Nothing ? this.skip(p, end) : this.decode(p, end);
  }

  /** True where the string that ended is a key, and not longer than any that could match. */
  hasKey(): bool {
    return this.use == StringUse.Key && this.keyLength <= this.keyBytes.length;
  }

  /** Where the bytes of the key are. */
  key(): usize {
    return changetype<usize>(this.keyBytes);
  }

  private skip(p: usize, end: usize): usize {
    if (this.escape != Escape.None) {
      this.escape = Escape.None;
      p++;
    }
    while (p < end) {
      p = findEither(p, end, Ascii.Quote, Ascii.Backslash);
      if (p == end) return end;
      if (load<u8>(p) == Ascii.Quote) {
        this.closed = true;
        return p + 1;
      }
      // What follows a backslash cannot end the string; the digits of \u are like any others.
      p += 2;
    }
    if (p > end) this.escape = Escape.Begun;
    return end;
  }

  private decode(p: usize, end: usize): usize {
    while (p < end) {
      if (this.escape != Escape.None) {
        p = this.readEscape(p);
        continue;
      }
      const stop = findEither(p, end, Ascii.Quote, Ascii.Backslash);
      if (stop > p) {
        this.high = 0;
        this.take(p, (stop - p) as i32);
      }
      if (stop == end) return end;
      p = stop + 1;
      if (load<u8>(stop) == Ascii.Quote) {
        this.closed = true;
        return p;
      }
      this.escape = Escape.Begun;
    }
    return p;
  }

  /** Takes one byte of an escape, or leaves it where it is not part of the escape. */
  private readEscape(p: usize): usize {
    const byte: u32 = load<u8>(p);
    if (this.escape == Escape.Begun) {
      if (byte == Ascii.LowerU) {
        this.escape = Escape.Digits;
        this.unit = 0;
      } else {
        this.escape = Escape.None;
        this.high = 0;
        // A byte of 0x80 or more begins or belongs to a UTF-8 sequence that goes on as text.
        store<u8>(character, unescaped(byte) as u8);
        this.take(character, 1);
      }
      return p + 1;
    }
    const digit = hexDigit(byte);
    if (digit < 0) {
      this.escape = Escape.None;
      this.high = 0;
      return p;
    }
    this.unit = (this.unit << 4) | digit;
    if (++this.escape == Escape.Complete) {
      this.escape = Escape.None;
      this.takeUnit(this.unit);
    }
    return p + 1;
  }

  /** Takes a UTF-16 code unit; the second half of a pair completes what the first half began. */
  private takeUnit(unit: u32): void {
    const high = this.high;
    this.high = isHighSurrogate(unit) ? unit : 0;
    let code = unit;
    if (high != 0 && isLowSurrogate(unit)) {
      code = joinSurrogates(high, unit);
      this.textBytes -= SURROGATE_BYTES;
      this.keyLength -= SURROGATE_BYTES;
    }
    this.take(character, storeUtf8(character, code));
  }

  private take(ptr: usize, len: i32): void {
    const use = this.use;
    if (use & StringUse.Text) this.textBytes += len;
    if (use & StringUse.Key) this.takeKey(ptr, len);
    if (use & StringUse.Base64) this.base64.push(ptr, len);
  }

  private takeKey(ptr: usize, len: i32): void {
    const room = this.keyBytes.length;
    if (len > room - this.keyLength) {
      this.keyLength = i32.MAX_VALUE;
      return;
    }
    memory.copy(this.key() + this.keyLength, ptr, len);
    this.keyLength += len;
  }
}
