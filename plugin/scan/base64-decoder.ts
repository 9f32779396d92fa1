import { Ascii } from "./ascii";
import { ByteSink } from "./byte-sink";

const BLOCK_BYTES: i32 = 768;
/** Decoded bytes on their way to the target; shared, since no decoder keeps it between calls. */
const block = memory.data(BLOCK_BYTES);

const BYTE_VALUES: i32 = 256;
/** A Sextet for each byte; filled at first use. */
const sextets = memory.data(BYTE_VALUES);

const enum Sextet {
  Padding = -1,
  Space = -2,
  Invalid = -3,
}

/** Value of a base64 character, in the standard or the URL-safe alphabet (RFC 4648). */
function sextet(byte: u32): i32 {
  const letter = (byte | 0x20) - 0x61;
  if (letter < 26) return letter + (byte & 0x20 ? 26 : 0);
  if (byte - Ascii.Zero < 10) return byte - Ascii.Zero + 52;
  switch (byte) {
    case Ascii.Plus:
    case Ascii.Minus:
      return 62;
    case Ascii.Slash:
    case Ascii.Underscore:
      return 63;
    case Ascii.Equals:
      return Sextet.Padding;
    case Ascii.Lf:
    case Ascii.Cr:
      return Sextet.Space;
    default:
      return Sextet.Invalid;
  }
}

/** Fills the table; its first entry is not 0 from then on. */
function fillSextets(): void {
  for (let byte = 0; byte < BYTE_VALUES; byte++) store<i8>(sextets + byte, sextet(byte) as i8);
}

/** Decodes base64 as it comes, for a target; a character out of place fails the target. */
export class Base64Decoder {
  private bits: u32 = 0;
  private bitCount: i32 = 0;
  private padded: bool = false;
  private failed: bool = false;
  private target: ByteSink | null = null;

  /** Begins to decode for `target`. */
  begin(target: ByteSink): void {
    if (load<u8>(sextets) == 0) fillSextets();
    this.target = target;
    this.bitCount = 0;
    this.padded = false;
    this.failed = false;
  }

  /** Takes `len` characters at `ptr`. */
  push(ptr: usize, len: i32): void {
    const end = ptr + len;
    while (ptr < end && !this.failed) {
      // No more bytes come out than characters go in.
      const room = min<usize>(end - ptr, BLOCK_BYTES);
      this.decode(ptr, ptr + room);
      ptr += room;
    }
  }

  private decode(p: usize, end: usize): void {
    let out = block;
    while (p < end) {
      const value: i32 = load<i8>(sextets + load<u8>(p++));
      if (value >= 0 && !this.padded) {
        this.bits = (this.bits << 6) | value;
        this.bitCount += 6;
        if (this.bitCount >= 8) {
          this.bitCount -= 8;
          store<u8>(out++, (this.bits >> this.bitCount) as u8);
        }
      } else if (value == Sextet.Padding) {
        this.padded = true;
      } else if (value != Sextet.Space) {
        this.failed = true;
        break;
      }
    }
    const target = this.target!;
    if (out > block) target.push(block, (out - block) as i32);
    if (this.failed) target.fail();
  }
}
