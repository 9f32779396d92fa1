/** A last way of running for a request that its budget refuses: with less output. Pure. */
import { capMaxOutputTokens, roomNanoUsd, withReserve } from "../budget/output-cap.ts";
import type { CounterView } from "../ledger/store/store.ts";
import type { Case, CaseOption } from "./case.ts";
import { optionOf } from "./options.ts";
import type { Prices } from "./ports.ts";
import { estimatedUsage } from "./reservation.ts";

/** What is left to a request. */
export interface CappedOption {
  option: CaseOption;
  /** Of one choice. */
  maxOutputTokens: number;
}

/**
 * The last option with as much output as its budgets still afford; null where they say nothing of
 * caps, or afford none. Only a limit that the client sent itself can be lowered in the body.
 * @param counters of that option
 */
export function cappedOption(
  found: Case,
  counters: readonly CounterView[],
  prices: Prices,
): CappedOption | null {
  const { plan, limits, nowMs } = found;
  const { llm } = found.request;
  const last = found.options.at(-1);
  if (last?.budget == null || plan === null || llm.maxOutputTokens === null) return null;
  const { budget } = plan.match;
  if (!budget.capMaxOutputTokens || budget.reservation !== "worst-case") return null;
  const { model, priceModel } = last.budget;
  const choices = Math.max(1, llm.choices);
  const costOf = (perChoice: number) => {
    const output = Math.min(perChoice * choices, Number.MAX_SAFE_INTEGER);
    const usage = estimatedUsage({ ...llm, model }, last.expected.inputTokens, output);
    return prices.cost({ ...usage, model: priceModel }, nowMs);
  };
  const room = roomNanoUsd(last.budget, counters);
  const cap = capMaxOutputTokens(room, llm.maxOutputTokens, (n) => costOf(n).costNanoUsd);
  if (cap === null) return null;
  const worstCost = costOf(cap);
  const expected = { ...last.expected, maxOutputTokens: cap * choices, worstCost };
  const lowered = withReserve(last.budget, worstCost.costNanoUsd);
  return { option: optionOf(limits, expected, lowered), maxOutputTokens: cap };
}
