/** Shares and sums of amounts, exact in integers of nano-USD. */

const MAX_AMOUNT = BigInt(Number.MAX_SAFE_INTEGER);

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

/**
 * What part of a budget is taken, with two decimals rounded down: "1.00" is said only when it is
 * all gone. A budget of nothing is all gone.
 */
export function utilizationText(takenNanoUsd: number, budgetNanoUsd: number): string {
  if (budgetNanoUsd === 0) return "1.00";
  const hundredths = (BigInt(takenNanoUsd) * 100n) / BigInt(budgetNanoUsd);
  return `${hundredths / 100n}.${String(hundredths % 100n).padStart(2, "0")}`;
}
