import { crc32 } from "./crc32";
import { DeflateBlocks, Outcome } from "./inflate-blocks";
import { Format, InflateOutput, InflateSink } from "./inflate-output";

export { InflateSink };

const enum State {
  /** Where the stream or, after a gzip member, the next one begins. */
  Start,
  /** Method and flags of a gzip member. */
  Flags,
  /** Bytes of a gzip header that tell nothing. */
  Skipped,
  ExtraLength,
  /** A file name or comment. */
  Text,
  HeaderChecksum,
  Blocks,
  Checksum,
  /** The length of a gzip member. */
  Length,
  /** Whatever follows is not part of the stream. */
  Done,
}

/** Flags of a gzip member (RFC 1952, section 2.3.1). */
const enum Flag {
  HeaderChecksum = 2,
  Extra = 4,
  Name = 8,
  Comment = 16,
  Reserved = 0xe0,
}

const GZIP_MAGIC: u32 = 0x8b1f;
const METHOD_DEFLATE: u32 = 8;
/** Modification time, extra flags and operating system. */
const SKIPPED_BYTES: i32 = 6;
/** Of the two bytes that begin a zlib stream (RFC 1950, section 2.2), first byte lowest. */
const ZLIB_METHOD: u32 = 0x0f;
const ZLIB_WINDOW: u32 = 0xf0;
const ZLIB_LARGEST_WINDOW: u32 = 0x70;
const ZLIB_CHECK: u32 = 31;
const ZLIB_DICTIONARY: u32 = 0x2000;
/** More than an answer can be: a bomb. */
const LIMIT_BYTES: i32 = 256 << 20;

/** Bits that a step begins with, by state. */
const sizes = memory.data<u8>([16, 16, 8, 16, 8, 16, 0, 32, 32, 0]);
/** Bytes of a gzip header on their way to its checksum. */
const word = memory.data(4);

/**
 * Inflates what comes in pieces of any size: gzip members (RFC 1952), or one zlib stream
 * (RFC 1950) or, since some servers take that for `content-encoding: deflate`, one DEFLATE stream
 * (RFC 1951). Which of them it is, the first two bytes tell. Bytes behind the end that do not
 * begin a gzip member are ignored, as clients do. In ABNF (RFC 5234):
 *
 *   stream  = 1*member *any / zlib *any / blocks *any
 *   member  = %x1F %x8B method flags 6any [ extra ] [ text ] [ text ] [ 2any ] blocks crc length
 *   zlib    = 2any blocks adler
 */
export class GzipInflater extends DeflateBlocks {
  /** The input is malformed, or the output over the limit; everything more is ignored. */
  failed: bool = false;
  /** The stream can end here: all that began has ended, and its checksum is right. */
  finished: bool = false;
  private state: State = State.Start;
  /** Flags whose parts of the header are still to come. */
  private flags: u32 = 0;
  /** Bytes to skip. */
  private left: i32 = 0;

  /** `limitBytes`: output that is longer fails. */
  constructor(sink: InflateSink, limitBytes: i32 = LIMIT_BYTES) {
    super(new InflateOutput(sink, limitBytes));
  }

  /** Bytes that the sink was given. */
  get outputBytes(): i64 {
    return this.output.totalBytes;
  }

  /** Takes the next `length` bytes, at `ptr`; what they inflate to goes to the sink. */
  push(ptr: usize, length: i32): void {
    if (this.failed || length <= 0) return;
    this.next = ptr;
    this.end = ptr + length;
    let outcome: Outcome;
    do {
      outcome = this.step();
    } while (outcome == Outcome.Continues);
    // What came before a fault is good.
    if (!this.output.flush() || outcome == Outcome.Fails) this.failed = true;
  }

  private step(): Outcome {
    const state = this.state;
    const size: i32 = load<u8>(sizes + state);
    if (!this.has(size)) return Outcome.Starves;
    const value = this.take(size);
    if (state < State.HeaderChecksum) {
      store<u32>(word, value);
      this.output.checksum = crc32(this.output.checksum, word, size >> 3);
    }
    switch (state) {
      case State.Start:
        return this.readStart(value);
      case State.Flags:
        return this.readFlags(value);
      case State.Skipped:
        return --this.left > 0 ? Outcome.Continues : this.endHeaderPart();
      case State.ExtraLength:
        this.left = value as i32;
        return value > 0 ? this.goTo(State.Skipped) : this.endHeaderPart();
      case State.Text:
        return value != 0 ? Outcome.Continues : this.endHeaderPart();
      case State.HeaderChecksum:
        return value == (this.output.checksum & 0xffff) ? this.beginBlocks() : Outcome.Fails;
      case State.Blocks:
        return this.readMember();
      case State.Checksum:
        return this.checkSum(value);
      case State.Length:
        return this.checkLength(value);
      default:
        return Outcome.Ends;
    }
  }

  private goTo(state: State): Outcome {
    this.state = state;
    return Outcome.Continues;
  }

  private finish(state: State): Outcome {
    this.finished = true;
    this.output.checksum = 0;
    return this.goTo(state);
  }

  /** Takes the first two bytes, first byte lowest. */
  private readStart(magic: u32): Outcome {
    if (magic == GZIP_MAGIC) {
      this.finished = false;
      this.output.format = Format.Gzip;
      return this.goTo(State.Flags);
    }
    if (this.finished) return this.goTo(State.Done);
    const isZlib =
      (magic & ZLIB_METHOD) == METHOD_DEFLATE &&
      (magic & ZLIB_WINDOW) <= ZLIB_LARGEST_WINDOW &&
      bswap<u16>(magic as u16) % ZLIB_CHECK == 0;
    if (!isZlib) {
      // They are the first of the blocks: no more than they were read.
      this.bits = magic;
      this.count = 16;
    } else {
      if (magic & ZLIB_DICTIONARY) return Outcome.Fails;
      this.output.format = Format.Zlib;
    }
    return this.beginBlocks();
  }

  private readFlags(methodAndFlags: u32): Outcome {
    this.flags = methodAndFlags >> 8;
    if ((methodAndFlags & 0xff) != METHOD_DEFLATE || this.flags & Flag.Reserved) {
      return Outcome.Fails;
    }
    this.left = SKIPPED_BYTES;
    return this.goTo(State.Skipped);
  }

  /** Goes to the next part of a gzip header. */
  private endHeaderPart(): Outcome {
    if (this.takeFlag(Flag.Extra)) return this.goTo(State.ExtraLength);
    if (this.takeFlag(Flag.Name) || this.takeFlag(Flag.Comment)) return this.goTo(State.Text);
    return this.takeFlag(Flag.HeaderChecksum)
      ? this.goTo(State.HeaderChecksum)
      : this.beginBlocks();
  }

  private takeFlag(flag: u32): bool {
    const isSet = (this.flags & flag) != 0;
    this.flags &= ~flag;
    return isSet;
  }

  private beginBlocks(): Outcome {
    this.output.begin();
    return this.goTo(State.Blocks);
  }

  private readMember(): Outcome {
    const outcome = this.readBlocks();
    if (outcome != Outcome.Ends) return outcome;
    this.align();
    return this.output.format == Format.Raw ? this.finish(State.Done) : this.goTo(State.Checksum);
  }

  private checkSum(sum: u32): Outcome {
    if (!this.output.flush()) return Outcome.Fails;
    const isZlib = this.output.format == Format.Zlib;
    if ((isZlib ? bswap<u32>(sum) : sum) != this.output.checksum) return Outcome.Fails;
    return isZlib ? this.finish(State.Done) : this.goTo(State.Length);
  }

  private checkLength(length: u32): Outcome {
    return length == (this.output.memberBytes as u32) ? this.finish(State.Start) : Outcome.Fails;
  }
}
