/** `fill` provides so many bits, if they are there. */
const FILLED_BITS: i32 = 48;

/** The bits of a DEFLATE stream, lowest first, that comes in pieces of any size. */
export abstract class BitInput {
  /** Bits that came and are not taken yet; those above the first `count` are 0. */
  protected bits: u64 = 0;
  protected count: i32 = 0;
  /** What is unread of the piece being pushed. */
  protected next: usize = 0;
  protected end: usize = 0;

  /** Reads until there are `wanted` bits (at most 48) and says whether there are. */
  protected has(wanted: i32): bool {
    while (this.count < wanted) {
      if (this.next == this.end) return false;
      this.bits |= (load<u8>(this.next++) as u64) << this.count;
      this.count += 8;
    }
    return true;
  }

  /** Reads until there are 48 bits or nothing is left to read. */
  @inline
  protected fill(): void {
    const count = this.count;
    if (count >= FILLED_BITS) return;
    if (this.end - this.next < 8) {
      this.has(FILLED_BITS);
      return;
    }
    // As many whole bytes as there is room for, which are 56 bits or more with those there.
    const filled = count | 56;
    this.bits |= (load<u64>(this.next) << count) & (((1 as u64) << filled) - 1);
    this.next += (filled - count) >> 3;
    this.count = filled;
  }

  /** Takes `size` bits (at most 32), which must be there. */
  protected take(size: i32): u32 {
    const value = (this.bits & (((1 as u64) << size) - 1)) as u32;
    this.drop(size);
    return value;
  }

  /** Passes over `size` bits (at most 48), which must be there. */
  protected drop(size: i32): void {
    this.bits >>= size;
    this.count -= size;
  }

  /** Passes over the bits up to the next byte. */
  protected align(): void {
    this.drop(this.count & 7);
  }
}
