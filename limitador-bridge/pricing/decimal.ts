/** Exact decimals: money never goes through binary fractions. */

/** An exact decimal: `digits` / 10^`scale`, scale ≥ 0. */
export interface Decimal {
  digits: bigint;
  scale: number;
}

const DECIMAL = /^(\d{1,40})(?:\.(\d{1,40}))?(?:[eE]([+-]?\d{1,3}))?$/;
/** 1 USD = 10^9 nano-USD. */
const NANO_DIGITS = 9;

/**
 * Parses a number ≥ 0 without loss; a JavaScript number is read as the shortest decimal that it
 * stands for, which is how it was written. null: it is no such number.
 */
export function parseDecimal(value: number | string): Decimal | null {
  const parts = DECIMAL.exec(String(value));
  if (parts === null) return null;
  const [, whole = "", fraction = "", exponent = "0"] = parts;
  const scale = fraction.length - Number(exponent);
  const digits = BigInt(whole + fraction);
  if (scale >= 0) return { digits, scale };
  return { digits: digits * 10n ** BigInt(-scale), scale: 0 };
}

/** a / b rounded up; both ≥ 0, b > 0. */
export function ceilDivide(a: bigint, b: bigint): bigint {
  return (a + b - 1n) / b;
}

/** USD as nano-USD, rounded up; null where it is no amount or beyond 2^53 − 1. */
export function nanoUsdUp(usd: number | string): number | null {
  const decimal = parseDecimal(usd);
  if (decimal === null) return null;
  const scaled = decimal.digits * 10n ** BigInt(NANO_DIGITS);
  const nano = ceilDivide(scaled, 10n ** BigInt(decimal.scale));
  return nano > BigInt(Number.MAX_SAFE_INTEGER) ? null : Number(nano);
}

/**
 * A price in USD as nano-USD. null: it is no number ≥ 0, finer than a nano-USD, or above
 * `MAX_PRICE_USD`.
 */
export function exactNanoUsd(usd: number | string): bigint | null {
  const decimal = parseDecimal(usd);
  if (decimal === null) return null;
  const scaled = decimal.digits * 10n ** BigInt(NANO_DIGITS);
  const divisor = 10n ** BigInt(decimal.scale);
  if (scaled % divisor !== 0n) return null;
  const nano = scaled / divisor;
  return nano > MAX_PRICE_USD * 10n ** BigInt(NANO_DIGITS) ? null : nano;
}

/** A price in USD as nano-USD, rounded to the nearest: for data that went through fractions. */
export function nearestNanoUsd(usd: number): bigint | null {
  const decimal = parseDecimal(usd);
  if (decimal === null) return null;
  const divisor = 10n ** BigInt(decimal.scale);
  return (2n * decimal.digits * 10n ** BigInt(NANO_DIGITS) + divisor) / (2n * divisor);
}

/** The highest price of a million tokens or of one unit that a table may have. */
export const MAX_PRICE_USD = 1_000_000n;

const NANO_PER_USD = 10n ** BigInt(NANO_DIGITS);

/** Nano-USD as a decimal of USD. */
export function usdText(nanoUsd: bigint): string {
  const fraction = (nanoUsd % NANO_PER_USD)
    .toString()
    .padStart(NANO_DIGITS, "0")
    .replace(/0+$/, "");
  const whole = (nanoUsd / NANO_PER_USD).toString();
  return fraction === "" ? whole : `${whole}.${fraction}`;
}
