/** Nano-USD as text and in JSON: exact at any size. Pure. */
import { usdText } from "./pricing/decimal.ts";

const MAX_EXACT = BigInt(Number.MAX_SAFE_INTEGER);

/**
 * An amount in USD with as many decimals as it needs: 12500000000 is "12.5". Below 0 with a minus.
 * @param nanoUsd an integer
 * @throws RangeError for a fraction
 */
export function nanoUsdText(nanoUsd: number | bigint): string {
  const amount = BigInt(nanoUsd);
  return amount < 0n ? `-${usdText(-amount)}` : usdText(amount);
}

/** An integer for JSON: beyond 2^53 − 1, where JSON numbers stop being exact, its digits. */
export function jsonInteger(value: bigint): number | string {
  return value <= MAX_EXACT && value >= -MAX_EXACT ? Number(value) : String(value);
}
