/** Amounts of money as policies write them. Pure. */

/** The largest amount whose nano-USD a double, and so Redis Lua, still counts exactly. */
export const MAX_USD = 9_007_199;
const DECIMALS = 9;

/**
 * A decimal USD amount as nano-USD, exactly. Null where it is no decimal of at most nine places
 * from 0 to 9,007,199. Numbers are taken as they print: 0.1 is a tenth.
 */
export function usdToNanoUsd(amount: string | number): number | null {
  const found = /^(\d{1,7})(?:\.(\d{1,9}))?$/.exec(plainDecimal(amount));
  if (found === null) return null;
  const nanoUsd = BigInt((found[1] as string) + (found[2] ?? "").padEnd(DECIMALS, "0"));
  return nanoUsd <= BigInt(MAX_USD) * 1_000_000_000n ? Number(nanoUsd) : null;
}

/** A number such as 1e-7 as 0.0000001. */
function plainDecimal(amount: string | number): string {
  const text = String(amount);
  const found = typeof amount === "number" ? /^(\d)(?:\.(\d+))?e-(\d+)$/.exec(text) : null;
  if (found === null) return text;
  return `0.${"0".repeat(Number(found[3]) - 1)}${found[1]}${found[2] ?? ""}`;
}
