import { crc32 } from "./crc32";
import { adler32 } from "./inflate-adler32";

/** Takes what was inflated. */
export abstract class InflateSink {
  /** Takes the next `length` bytes, at `ptr`; they are only valid during the call. */
  abstract onBytes(ptr: usize, length: i32): void;
}

/** What the deflated bytes are wrapped in. */
export const enum Format {
  Gzip,
  Zlib,
  Raw,
}

/** How far back a match can reach (RFC 1951, section 2). */
const WINDOW_BYTES: i32 = 32768;

/**
 * The last bytes that were inflated, in a ring. They go to the sink from there: whenever the end
 * of the ring is reached, and when `flush` is called.
 */
export class InflateOutput {
  /** Bytes that went to the sink. */
  totalBytes: i32 = 0;
  /** The same, of this member. */
  memberBytes: i32 = 0;
  /** CRC-32 (gzip) or Adler-32 (zlib) of them; before, of the member's header. */
  checksum: u32 = 0;
  format: Format = Format.Raw;
  /** Where in the ring the next byte goes; at its end only until `makeRoom` is called. */
  private position: i32 = 0;
  /** The ring's bytes from here to `position` did not go to the sink yet. */
  private flushed: i32 = 0;
  private ring: StaticArray<u8> = new StaticArray<u8>(WINDOW_BYTES);

  constructor(
    private sink: InflateSink,
    private limitBytes: i32,
  ) {}

  /** Begins a member; everything before must be flushed. No match reaches back from it. */
  begin(): void {
    this.memberBytes = 0;
    this.checksum = this.format == Format.Zlib ? 1 : 0;
  }

  /** Takes a byte. `makeRoom` must follow. */
  @inline
  put(byte: u8): void {
    store<u8>(changetype<usize>(this.ring) + this.position++, byte);
  }

  /**
   * Takes `length` bytes that came `distance` bytes before. False when there are none, or when
   * `makeRoom` was false on the way. `makeRoom` must follow.
   */
  repeat(distance: i32, length: i32): bool {
    if (distance > this.memberBytes + (this.position - this.flushed)) return false;
    const window = changetype<usize>(this.ring);
    do {
      const position = this.position;
      const from = (position - distance) & (WINDOW_BYTES - 1);
      let size = min(length, WINDOW_BYTES - max(position, from));
      // A match can overlap what it makes: what is there is repeated, twice as much each time.
      if (from < position) size = min(size, distance);
      if (size == distance) distance <<= 1;
      length -= size;
      memory.copy(window + position, window + from, size);
      this.position += size;
    } while (length > 0 && this.makeRoom());
    return length == 0;
  }

  /** True when the ring is not full, or could be flushed. */
  makeRoom(): bool {
    return this.position < WINDOW_BYTES || this.flush();
  }

  /** Passes on what is new; false when that is more than the limit allows: the rest is lost. */
  flush(): bool {
    const ptr = changetype<usize>(this.ring) + this.flushed;
    const size = this.position - this.flushed;
    const allowed = min(size, this.limitBytes - this.totalBytes);
    this.position &= WINDOW_BYTES - 1;
    this.flushed = this.position;
    if (allowed > 0) {
      this.totalBytes += allowed;
      this.memberBytes += allowed;
      if (this.format == Format.Gzip) this.checksum = crc32(this.checksum, ptr, allowed);
      if (this.format == Format.Zlib) this.checksum = adler32(this.checksum, ptr, allowed);
      this.sink.onBytes(ptr, allowed);
    }
    return allowed == size;
  }
}
