/** How much output a request can still afford, where a budget caps it and does not refuse. Pure. */
import type { CounterView } from "../ledger/store/store.ts";
import { sumOf } from "./amount.ts";
import type { PlanOption } from "./plan.ts";

/**
 * What an option could reserve at most on its enforced limits, nano-USD; 2^53 − 1 where nothing
 * limits it. Counters that are not given are taken as unused.
 */
export function roomNanoUsd(option: PlanOption, counters: readonly CounterView[]): number {
  const views = new Map(counters.map((view) => [view.key, view]));
  return option.claims
    .filter(({ enforced }) => enforced)
    .reduce((room, { key, limit, allowance = 0 }) => {
      const view = views.get(key);
      const takenNanoUsd = view === undefined ? 0 : sumOf(view.used, view.held);
      const left = takenNanoUsd < limit ? sumOf(limit, allowance) - takenNanoUsd : 0;
      return Math.min(room, left);
    }, Number.MAX_SAFE_INTEGER);
}

/**
 * The most output tokens, at most `maxOutputTokens`, whose cost fits the room; null where not even
 * one does. `costOf` gives the request's whole cost with so many output tokens, nano-USD, and never
 * falls as they grow.
 */
export function capMaxOutputTokens(
  roomNanoUsd: number,
  maxOutputTokens: number,
  costOf: (outputTokens: number) => number,
): number | null {
  if (maxOutputTokens < 1 || costOf(1) > roomNanoUsd) return null;
  let fits = 1;
  let over = maxOutputTokens + 1;
  while (over - fits > 1) {
    const middle = fits + Math.floor((over - fits) / 2);
    if (costOf(middle) <= roomNanoUsd) fits = middle;
    else over = middle;
  }
  return fits;
}

/** The option holding another amount on every claim, to be reserved once more. */
export function withReserve(option: PlanOption, reserveNanoUsd: number): PlanOption {
  const claims = option.claims.map((claim) => ({
    ...claim,
    reserve: claim.enforced ? reserveNanoUsd : Math.min(reserveNanoUsd, claim.limit),
  }));
  return { ...option, claims };
}
