/** Sums of nano-USD as text and in JSON: exact at any size. Pure. */

const NANO_DIGITS = 9;
const MAX_EXACT = BigInt(Number.MAX_SAFE_INTEGER);

/** An amount in USD with as many decimals as it needs: 12500000000n is "12.5". */
export function usdText(nanoUsd: bigint): string {
  const sign = nanoUsd < 0n ? "-" : "";
  const digits = String(nanoUsd < 0n ? -nanoUsd : nanoUsd).padStart(NANO_DIGITS + 1, "0");
  const fraction = digits.slice(-NANO_DIGITS).replace(/0+$/, "");
  const whole = digits.slice(0, -NANO_DIGITS);
  return sign + (fraction === "" ? whole : `${whole}.${fraction}`);
}

/** An integer for JSON: beyond 2^53 − 1, where JSON numbers stop being exact, its digits. */
export function jsonInteger(value: bigint): number | string {
  return value <= MAX_EXACT && value >= -MAX_EXACT ? Number(value) : String(value);
}
