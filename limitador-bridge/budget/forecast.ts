/** Where the spending of a period is heading, and whether an hour is out of the usual. Pure. */

const DAY_MS = 86_400_000;
const SPIKE_FACTOR = 3;

export interface SpendSoFar {
  spentNanoUsd: number;
  budgetNanoUsd: number;
  /** Since the period began. */
  elapsedMs: number;
  /** Length of the whole period. */
  periodMs: number;
}

export interface Forecast {
  /** Spending at the period's end if it goes on as so far, rounded up; at most 2^53 − 1. */
  atEndNanoUsd: number;
  /** Days until the budget is used up at this rate; 0: it is; null: never. */
  daysUntilExhausted: number | null;
  exhaustsBeforeReset: boolean;
}

/** The straight line through what was spent so far; null where no time has passed. */
export function forecast(soFar: SpendSoFar): Forecast | null {
  const { spentNanoUsd, budgetNanoUsd, elapsedMs, periodMs } = soFar;
  if (elapsedMs <= 0) return null;
  const elapsed = BigInt(Math.ceil(elapsedMs));
  const atEnd = (BigInt(spentNanoUsd) * BigInt(Math.ceil(periodMs)) + elapsed - 1n) / elapsed;
  const remaining = Math.max(0, budgetNanoUsd - spentNanoUsd);
  const leftMs = spentNanoUsd === 0 ? null : (remaining / spentNanoUsd) * elapsedMs;
  const daysUntilExhausted = remaining === 0 ? 0 : leftMs === null ? null : leftMs / DAY_MS;
  return {
    atEndNanoUsd: Number(atEnd < BigInt(Number.MAX_SAFE_INTEGER) ? atEnd : Number.MAX_SAFE_INTEGER),
    daysUntilExhausted,
    exhaustsBeforeReset: remaining === 0 || atEnd > BigInt(budgetNanoUsd),
  };
}

/**
 * What an app spends in a usual hour: the mean of its past hours in which it spent anything,
 * rounded up; null where there are none.
 */
export function usualHourNanoUsd(pastHoursNanoUsd: readonly number[]): number | null {
  const busy = pastHoursNanoUsd.filter((spent) => spent > 0);
  if (busy.length === 0) return null;
  const sum = busy.reduce((total, spent) => total + BigInt(spent), 0n);
  const count = BigInt(busy.length);
  return Number((sum + count - 1n) / count);
}

/** Whether an hour's spending is more than three times the usual. With no past nothing is. */
export function isSpike(hourNanoUsd: number, usualNanoUsd: number | null): boolean {
  return usualNanoUsd !== null && BigInt(hourNanoUsd) > BigInt(usualNanoUsd) * BigInt(SPIKE_FACTOR);
}
