/**
 * A table for one Huffman code (RFC 1951, section 3.2.2), in memory:
 *
 *   | entry, by the next 9 bits 512 * 2 | number of codes, by length 16 * 2 | symbols 288 * 2 |
 *
 * An entry has the length of the code in its upper four bits, the symbol in the others. It is 0
 * where the code is longer than 9 bits: then the symbol is found by the number of codes of each
 * length, in the symbols, which are in the order of their codes.
 */
export const TABLE_BYTES: i32 = 1632;
export const LENGTH_SHIFT: u32 = 12;
export const SYMBOL_MASK: u32 = 0xfff;

const DIRECT_BITS: i32 = 9;
const DIRECT_MASK: usize = 511;
const DIRECT_BYTES: i32 = 1024;
const COUNTS_BYTES: i32 = 32;
const SYMBOLS_AT: i32 = DIRECT_BYTES + COUNTS_BYTES;
const LONGEST_BITS: i32 = 15;
/** Each byte of an entry of one bit whose symbol no code has. */
const UNUSED: u8 = 0x1f;

/** Where the symbols of each length go; only used while a table is made. */
const offsets = memory.data(COUNTS_BYTES);

/**
 * Makes the table for `size` symbols whose code lengths are the bytes at `lengths`. False for
 * lengths that are no code: too many codes, or too few, except that where `sparse`, there may be
 * none or a single code of one bit.
 */
export function buildTable(table: usize, lengths: usize, size: i32, sparse: bool): bool {
  const counts = table + DIRECT_BYTES;
  memory.fill(counts, 0, COUNTS_BYTES);
  for (let i = 0; i < size; i++) {
    const count = counts + ((load<u8>(lengths + i) as usize) << 1);
    store<u16>(count, load<u16>(count) + 1);
  }
  let free = 1;
  let offset = 0;
  for (let length = 1; length <= LONGEST_BITS; length++) {
    const count: i32 = load<u16>(counts + (length << 1));
    store<u16>(offsets + (length << 1), offset as u16);
    offset += count;
    free = (free << 1) - count;
    if (free < 0) return false;
  }
  if (free > 0 && !(sparse && offset == load<u16>(counts, 2))) return false;
  for (let symbol = 0; symbol < size; symbol++) {
    const length: usize = load<u8>(lengths + symbol);
    if (length == 0) continue;
    const at: usize = load<u16>(offsets + (length << 1));
    store<u16>(offsets + (length << 1), (at + 1) as u16);
    store<u16>(table + SYMBOLS_AT + (at << 1), symbol as u16);
  }
  memory.fill(table, free > 0 ? UNUSED : 0, DIRECT_BYTES);
  fillDirect(table);
  return true;
}

/** Makes the entries of all codes that are short enough. */
function fillDirect(table: usize): void {
  let symbol = table + SYMBOLS_AT;
  // With its first bit lowest, as the input has it: a code is as it was when it gets longer.
  let code: u32 = 0;
  for (let length = 1; length <= DIRECT_BITS; length++) {
    for (let left: i32 = load<u16>(table + DIRECT_BYTES + (length << 1)); left > 0; left--) {
      const entry = (length << LENGTH_SHIFT) | load<u16>(symbol);
      symbol += 2;
      for (let at = code; at < 1 << DIRECT_BITS; at += 1 << length) {
        store<u16>(table + (at << 1), entry as u16);
      }
      let bit: u32 = 1 << (length - 1);
      while (code & bit) {
        code ^= bit;
        bit >>= 1;
      }
      code |= bit;
    }
  }
}

/** The entry for the code that `bits` begin with. It is right if its length is within them. */
export function lookUp(table: usize, bits: u64): u32 {
  const entry: u32 = load<u16>(table + (((bits as usize) & DIRECT_MASK) << 1));
  return entry != 0 ? entry : lookUpLong(table, bits as u32);
}

function lookUpLong(table: usize, bits: u32): u32 {
  let symbols = table + SYMBOLS_AT;
  /** The code so far, less the first one of its length. */
  let code = 0;
  for (let length = 1; length <= LONGEST_BITS; length++) {
    const count: i32 = load<u16>(table + DIRECT_BYTES + (length << 1));
    code = (code << 1) | (bits & 1);
    bits >>= 1;
    if (code < count) return ((length as u32) << LENGTH_SHIFT) | load<u16>(symbols + (code << 1));
    code -= count;
    symbols += count << 1;
  }
  // Not reached: a table with entries that are 0 is that of a complete code.
  return SYMBOL_MASK;
}
