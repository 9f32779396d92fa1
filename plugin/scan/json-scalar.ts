import { Ascii } from "./ascii";
import { NumberState, numberBegin, numberComplete, numberNext } from "./json-number";

/** What follows the first byte of a literal, the next byte lowest. */
const enum Rest {
  None = 0,
  True = 0x657572,
  False = 0x65736c61,
  Null = 0x6c6c75,
}

/** How far a scalar has been read. */
export const enum ScalarProgress {
  Open,
  Complete,
  Malformed,
}

/** Reads numbers and the literals true, false and null, in pieces. */
export class ScalarReader {
  progress: ScalarProgress = ScalarProgress.Open;
  private number: NumberState = NumberState.Outside;
  /** Bytes of a literal that are still to come, the next one lowest. */
  private rest: u32 = Rest.None;

  /** Begins the value whose first byte is `byte`; false where no number or literal begins so. */
  begin(byte: u8): bool {
    switch (byte) {
      case Ascii.LowerT:
        this.rest = Rest.True;
        return true;
      case Ascii.LowerF:
        this.rest = Rest.False;
        return true;
      case Ascii.LowerN:
        this.rest = Rest.Null;
        return true;
      default:
        this.rest = Rest.None;
        this.number = numberBegin(byte);
        return this.number != NumberState.Outside;
    }
  }

  /** Reads on, and returns where it stopped: after the value, where it fails, or at `end`. */
  read(p: usize, end: usize): usize {
    this.progress = ScalarProgress.Open;
    return this.rest == Rest.None ? this.readNumber(p, end) : this.readLiteral(p, end);
  }

  /** True where the input may end here. */
  mayEnd(): bool {
    return this.rest == Rest.None && numberComplete(this.number);
  }

  private readNumber(p: usize, end: usize): usize {
    let number = this.number;
    while (p < end) {
      const byte: u32 = load<u8>(p);
      if (number >= NumberState.Integer && byte - Ascii.Zero < 10) {
        p++;
        continue;
      }
      const next = numberNext(number, byte);
      if (next == NumberState.Outside) {
        const complete = numberComplete(number);
        this.progress = complete ? ScalarProgress.Complete : ScalarProgress.Malformed;
        break;
      }
      number = next;
      p++;
    }
    this.number = number;
    return p;
  }

  private readLiteral(p: usize, end: usize): usize {
    let rest = this.rest;
    while (p < end) {
      if (load<u8>(p) != (rest & 0xff)) {
        this.progress = ScalarProgress.Malformed;
        return p;
      }
      p++;
      rest >>= 8;
      if (rest == Rest.None) {
        this.progress = ScalarProgress.Complete;
        return p;
      }
    }
    this.rest = rest;
    return p;
  }
}
