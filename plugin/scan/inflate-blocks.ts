import { BitInput } from "./inflate-bits";
import { buildTable, LENGTH_SHIFT, lookUp, SYMBOL_MASK, TABLE_BYTES } from "./inflate-huffman";
import { InflateOutput } from "./inflate-output";

/** How a step ended. */
export const enum Outcome {
  /** The next step can be made. */
  Continues,
  /** The next step needs more input. */
  Starves,
  /** There is no next step: the end was reached. */
  Ends,
  /** There is no next step: the input is malformed, or the output too long. */
  Fails,
}

const enum BlockState {
  Header,
  StoredLength,
  Stored,
  /** The numbers of code lengths. */
  Counts,
  /** The lengths of the codes for the code lengths. */
  LengthCodes,
  /** The lengths of the codes for literals and distances. */
  Lengths,
  /** Literals and matches. */
  Codes,
}

const LENGTH_CODES: i32 = 19;
const MOST_LITERALS: i32 = 286;
const MOST_DISTANCES: i32 = 30;
const MEMORY_BYTES: i32 = 2 * TABLE_BYTES + MOST_LITERALS + MOST_DISTANCES;
/** The fixed codes have some that stand for nothing. */
const FIXED_LITERALS: i32 = 288;
const FIXED_DISTANCES: i32 = 32;
const END_OF_BLOCK: u32 = 256;
/** Most bits of a code length: 7 + 7. */
const MOST_LENGTH_BITS: i32 = 14;
/** The last symbol for a length, counted from 0, stands for the longest. */
const LAST_LENGTH: u32 = 28;
const LAST_DISTANCE: u32 = 29;
const LONGEST_MATCH: i32 = 258;

/** Bits that a step begins with, by state. */
const sizes = memory.data<u8>([3, 32, 0, 14, 3, 0, 0]);
/** The order in which the lengths of the codes for code lengths come. */
const order = memory.data<u8>([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]);

/**
 * The least value of a symbol: so many of its low bits are below its leading one, and `extra`
 * more bits follow in the input. Symbols without such a leading one stand for themselves.
 */
function spread(symbol: u32, low: u32, extra: i32): i32 {
  const leading: u32 = 1 << low;
  if (symbol < leading) return symbol as i32;
  return ((leading | (symbol & (leading - 1))) << extra) as i32;
}

function lowBits(bits: u64, size: i32): i32 {
  return (bits as i32) & ((1 << size) - 1);
}

/**
 * Reads DEFLATE blocks (RFC 1951). What is not there as a whole stays in the input's bits: a
 * match, the longest part that is read at once, is 48 bits at most (15 + 5 for its length, 15 +
 * 13 for its distance).
 */
export abstract class DeflateBlocks extends BitInput {
  private blockState: BlockState = BlockState.Header;
  private isLast: bool = false;
  /** The tables are those of the fixed codes. */
  private isFixed: bool = false;
  /** Bytes of a stored block that are still to come. */
  private storedLeft: i32 = 0;
  private literalCount: i32 = 0;
  private distanceCount: i32 = 0;
  private lengthCodeCount: i32 = 0;
  /** Lengths that came so far, of those of this state. */
  private have: i32 = 0;
  /** Two tables and the code lengths for them. */
  private tables: StaticArray<u8> = new StaticArray<u8>(MEMORY_BYTES);

  constructor(protected output: InflateOutput) {
    super();
  }

  @inline
  private get literals(): usize {
    return changetype<usize>(this.tables);
  }

  /** The table for distances, and before, for the code lengths. */
  @inline
  private get distances(): usize {
    return changetype<usize>(this.tables) + TABLE_BYTES;
  }

  @inline
  private get lengths(): usize {
    return changetype<usize>(this.tables) + 2 * TABLE_BYTES;
  }

  /** Reads on; ends behind the last block. */
  protected readBlocks(): Outcome {
    const size: i32 = load<u8>(sizes + this.blockState);
    if (!this.has(size)) return Outcome.Starves;
    const value = this.take(size);
    switch (this.blockState) {
      case BlockState.Header:
        return this.readHeader(value);
      case BlockState.StoredLength:
        return this.readStoredLength(value);
      case BlockState.Stored:
        return this.readStored();
      case BlockState.Counts:
        return this.readCounts(value as i32);
      case BlockState.LengthCodes:
        return this.readLengthCode(value);
      case BlockState.Lengths:
        return this.readLengths();
      default:
        return this.readCodes();
    }
  }

  private expect(state: BlockState): Outcome {
    this.blockState = state;
    this.have = 0;
    return Outcome.Continues;
  }

  private endBlock(): Outcome {
    this.blockState = BlockState.Header;
    return this.isLast ? Outcome.Ends : Outcome.Continues;
  }

  private readHeader(header: u32): Outcome {
    this.isLast = (header & 1) as bool;
    switch (header >> 1) {
      case 0:
        this.align();
        return this.expect(BlockState.StoredLength);
      case 1:
        this.useFixed();
        return this.expect(BlockState.Codes);
      case 2:
        return this.expect(BlockState.Counts);
      default:
        return Outcome.Fails;
    }
  }

  private readStoredLength(word: u32): Outcome {
    this.storedLeft = word & 0xffff;
    if (word >> 16 != ((this.storedLeft ^ 0xffff) as u32)) return Outcome.Fails;
    return this.expect(BlockState.Stored);
  }

  private readStored(): Outcome {
    for (; this.storedLeft > 0; this.storedLeft--) {
      if (!this.has(8)) return Outcome.Starves;
      this.output.put(this.take(8) as u8);
      if (!this.output.makeRoom()) return Outcome.Fails;
    }
    return this.endBlock();
  }

  /** Makes the tables of the fixed codes (section 3.2.6), unless they are there. */
  private useFixed(): void {
    if (this.isFixed) return;
    const lengths = this.lengths;
    memory.fill(lengths, 8, FIXED_LITERALS);
    memory.fill(lengths + 144, 9, 256 - 144);
    memory.fill(lengths + 256, 7, 280 - 256);
    buildTable(this.literals, lengths, FIXED_LITERALS, false);
    memory.fill(lengths, 5, FIXED_DISTANCES);
    buildTable(this.distances, lengths, FIXED_DISTANCES, false);
    this.isFixed = true;
  }

  private readCounts(counts: i32): Outcome {
    this.literalCount = 257 + (counts & 31);
    this.distanceCount = 1 + ((counts >> 5) & 31);
    this.lengthCodeCount = 4 + (counts >> 10);
    if (this.literalCount > MOST_LITERALS || this.distanceCount > MOST_DISTANCES) {
      return Outcome.Fails;
    }
    memory.fill(this.lengths, 0, LENGTH_CODES);
    return this.expect(BlockState.LengthCodes);
  }

  private readLengthCode(length: u32): Outcome {
    const lengths = this.lengths;
    store<u8>(lengths + load<u8>(order + this.have), length as u8);
    if (++this.have < this.lengthCodeCount) return Outcome.Continues;
    this.isFixed = false;
    if (!buildTable(this.distances, lengths, LENGTH_CODES, false)) return Outcome.Fails;
    return this.expect(BlockState.Lengths);
  }

  private readLengths(): Outcome {
    const lengths = this.lengths;
    const total = this.literalCount + this.distanceCount;
    while (this.have < total) {
      // Fewer bits may do: those that are there.
      this.has(MOST_LENGTH_BITS);
      const entry = lookUp(this.distances, this.bits);
      const symbol = entry & SYMBOL_MASK;
      const codeBits = (entry >> LENGTH_SHIFT) as i32;
      const extra = symbol < 16 ? 0 : symbol == 16 ? 2 : symbol == 17 ? 3 : 7;
      if (codeBits + extra > this.count) return Outcome.Starves;
      this.drop(codeBits);
      let times = this.take(extra) as i32;
      let length: u8 = 0;
      if (symbol < 16) {
        length = symbol as u8;
        times = 1;
      } else if (symbol == 16) {
        if (this.have == 0) return Outcome.Fails;
        length = load<u8>(lengths + this.have - 1);
        times += 3;
      } else {
        times += symbol == 17 ? 3 : 11;
      }
      if (times > total - this.have) return Outcome.Fails;
      memory.fill(lengths + this.have, length, times);
      this.have += times;
    }
    return this.useLengths(lengths);
  }

  private useLengths(lengths: usize): Outcome {
    const isCode =
      load<u8>(lengths + END_OF_BLOCK) != 0 &&
      buildTable(this.literals, lengths, this.literalCount, true) &&
      buildTable(this.distances, lengths + this.literalCount, this.distanceCount, true);
    return isCode ? this.expect(BlockState.Codes) : Outcome.Fails;
  }

  /** Reads literals and matches up to the end of the block. */
  private readCodes(): Outcome {
    const output = this.output;
    do {
      this.fill();
      const entry = lookUp(this.literals, this.bits);
      const codeBits = (entry >> LENGTH_SHIFT) as i32;
      const symbol = entry & SYMBOL_MASK;
      if (codeBits > this.count) return Outcome.Starves;
      if (symbol < END_OF_BLOCK) {
        this.drop(codeBits);
        output.put(symbol as u8);
      } else if (symbol == END_OF_BLOCK) {
        this.drop(codeBits);
        return this.endBlock();
      } else {
        const outcome = this.readMatch(symbol - END_OF_BLOCK - 1, codeBits);
        if (outcome != Outcome.Continues) return outcome;
      }
    } while (output.makeRoom());
    return Outcome.Fails;
  }

  /**
   * Reads a match whose length has this symbol (counted from 0; section 3.2.5), with a code of
   * so many bits. Takes nothing where not all of it is there.
   */
  private readMatch(lengthSymbol: u32, codeBits: i32): Outcome {
    if (lengthSymbol > LAST_LENGTH) return Outcome.Fails;
    let used = codeBits;
    let length = LONGEST_MATCH;
    if (lengthSymbol < LAST_LENGTH) {
      const extra = lengthSymbol < 4 ? 0 : (((lengthSymbol >> 2) - 1) as i32);
      length = 3 + spread(lengthSymbol, 2, extra) + lowBits(this.bits >> used, extra);
      used += extra;
    }
    const entry = lookUp(this.distances, this.bits >> used);
    const symbol = entry & SYMBOL_MASK;
    used += (entry >> LENGTH_SHIFT) as i32;
    if (used > this.count) return Outcome.Starves;
    if (symbol > LAST_DISTANCE) return Outcome.Fails;
    const extra = symbol < 2 ? 0 : (((symbol >> 1) - 1) as i32);
    const distance = 1 + spread(symbol, 1, extra) + lowBits(this.bits >> used, extra);
    used += extra;
    if (used > this.count) return Outcome.Starves;
    this.drop(used);
    return this.output.repeat(distance, length) ? Outcome.Continues : Outcome.Fails;
  }
}
