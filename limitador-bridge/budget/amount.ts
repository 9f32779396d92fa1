/** Shares of amounts and amounts as text, exact in integers of nano-USD. */

const MAX_AMOUNT = BigInt(Number.MAX_SAFE_INTEGER);
const NANO_DIGITS = 9;

/** `percent` of an amount, rounded down; at most 2^53 − 1. */
export function percentDown(amountNanoUsd: number, percent: number): number {
  return clamp((BigInt(amountNanoUsd) * BigInt(percent)) / 100n);
}

/** `percent` of an amount, rounded up; at most 2^53 − 1. */
export function percentUp(amountNanoUsd: number, percent: number): number {
  return clamp((BigInt(amountNanoUsd) * BigInt(percent) + 99n) / 100n);
}

/** The sum, at most 2^53 − 1. */
export function sumOf(a: number, b: number): number {
  return Math.min(a + b, Number.MAX_SAFE_INTEGER);
}

function clamp(amount: bigint): number {
  return Number(amount < MAX_AMOUNT ? amount : MAX_AMOUNT);
}

/** An amount in USD with as many decimals as it needs: 12500000000 is "12.5". */
export function usdText(amountNanoUsd: number): string {
  const digits = String(amountNanoUsd).padStart(NANO_DIGITS + 1, "0");
  const fraction = digits.slice(-NANO_DIGITS).replace(/0+$/, "");
  const whole = digits.slice(0, -NANO_DIGITS);
  return fraction === "" ? whole : `${whole}.${fraction}`;
}

/**
 * What part of a budget is taken, with two decimals rounded down: "1.00" is said only when it is
 * all gone. A budget of nothing is all gone.
 */
export function utilizationText(takenNanoUsd: number, budgetNanoUsd: number): string {
  if (budgetNanoUsd === 0) return "1.00";
  const hundredths = (BigInt(takenNanoUsd) * 100n) / BigInt(budgetNanoUsd);
  return `${hundredths / 100n}.${String(hundredths % 100n).padStart(2, "0")}`;
}
