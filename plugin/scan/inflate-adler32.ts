/** The largest prime under 2^16 (RFC 1950, section 8.2). */
const BASE: u32 = 65521;
/** So many bytes can be summed before a sum outgrows 32 bits. */
const RUN_BYTES: i32 = 5552;

/** Adler-32 of all bytes so far, given that of the bytes before (1 for none). */
export function adler32(before: u32, ptr: usize, len: i32): u32 {
  let low = before & 0xffff;
  let high = before >> 16;
  while (len > 0) {
    const size = min(len, RUN_BYTES);
    const stop = ptr + size;
    while (ptr < stop) {
      low += load<u8>(ptr++);
      high += low;
    }
    low %= BASE;
    high %= BASE;
    len -= size;
  }
  return (high << 16) | low;
}
