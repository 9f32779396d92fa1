const MAX_SAFE: i64 = 9007199254740991;

/**
 * A JSON number (RFC 8259, 6) as a whole number: fractions are cut, negative ones are 0, what is
 * over 2^53 − 1 is that. Bytes that are no number end it. The standard library's parser would be
 * a tenth of the filter's size.
 */
export function wholeNumber(ptr: usize, length: i32): i64 {
  let value: i64 = 0;
  let at = 0;
  while (at < length && isDigit(load<u8>(ptr + <usize>at))) {
    value = min(value * 10 + <i64>(load<u8>(ptr + <usize>at) - 0x30), MAX_SAFE);
    at++;
  }
  let fraction = at;
  if (at < length && load<u8>(ptr + <usize>at) == 0x2e) {
    at++;
    fraction = at;
    while (at < length && isDigit(load<u8>(ptr + <usize>at))) at++;
  }
  if (at >= length || (load<u8>(ptr + <usize>at) | 0x20) != 0x65) return value;
  return scaled(value, ptr, fraction, at, exponent(ptr, at + 1, length));
}

/** Moves the decimal point of digits[..] by `power` places. */
function scaled(whole: i64, ptr: usize, fraction: i32, end: i32, power: i32): i64 {
  let value = whole;
  for (; power < 0 && value > 0; power++) value /= 10;
  for (; power > 0 && value < MAX_SAFE && (value > 0 || fraction < end); power--) {
    const digit = fraction < end ? <i64>(load<u8>(ptr + <usize>fraction) - 0x30) : 0;
    fraction++;
    value = min(value * 10 + digit, MAX_SAFE);
  }
  return value;
}

function exponent(ptr: usize, at: i32, length: i32): i32 {
  if (at >= length) return 0;
  const sign = load<u8>(ptr + <usize>at);
  if (sign == 0x2b || sign == 0x2d) at++;
  let value = 0;
  while (at < length && isDigit(load<u8>(ptr + <usize>at))) {
    value = min(value * 10 + <i32>(load<u8>(ptr + <usize>at) - 0x30), 1000);
    at++;
  }
  return sign == 0x2d ? -value : value;
}

function isDigit(byte: u8): bool {
  return byte - 0x30 < 10;
}
