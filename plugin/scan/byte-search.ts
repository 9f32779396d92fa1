/**
 * First position in [p, end) that holds `a` or `b`, else `end`. Reads 16 bytes at a time, and
 * never outside the range: the last load is moved back so that it ends at `end`, over bytes that
 * are known not to match.
 */
export function findEither(p: usize, end: usize, a: u8, b: u8): usize {
  if (p + 16 > end) {
    while (p < end) {
      const byte = load<u8>(p);
      if (byte == a || byte == b) return p;
      p++;
    }
    return end;
  }
  const manyA = i8x16.splat(a as i8);
  const manyB = i8x16.splat(b as i8);
  const last = end - 16;
  do {
    const bytes = v128.load(p);
    const hits = v128.or(i8x16.eq(bytes, manyA), i8x16.eq(bytes, manyB));
    if (v128.any_true(hits)) return p + ctz(i8x16.bitmask(hits));
    p += 16;
  } while (p <= last);
  const bytes = v128.load(last);
  const mask = i8x16.bitmask(v128.or(i8x16.eq(bytes, manyA), i8x16.eq(bytes, manyB)));
  return mask == 0 ? end : last + ctz(mask);
}
