/** The ways in which a request may run, with what each would hold. Pure. */
import type { BudgetPlan, PlanOption } from "../budget/plan.ts";
import type { LlmRequest } from "../contract/filter.ts";
import { type CountedInput, countedFor } from "../estimate/counted-input.ts";
import type { LimitClaim, Refusal } from "../ledger/store/store.ts";
import type { MatchedLimit } from "../policy/policy-set.ts";
import { judgeUnknownModel } from "../pricing/unknown-model.ts";
import type { CaseOption } from "./case.ts";
import type { Prices, Ratios } from "./ports.ts";
import { claimsOf, type Estimate, estimate, inputAmounts } from "./reservation.ts";

export interface OptionParts {
  llm: LlmRequest;
  /** See providerFor. */
  providerOf: (model: string | null) => string | null;
  limits: MatchedLimit[];
  plan: BudgetPlan | null;
  prices: Prices;
  ratios: Ratios;
  counted: CountedInput | null;
  nowMs: number;
}

/** One option, or those of the budget's plan in their order. */
export function caseOptions(parts: OptionParts): CaseOption[] {
  const { limits, plan } = parts;
  if (plan === null) {
    const expected = estimateWithRule(parts);
    return [{ expected, budget: null, claims: claimsOf(limits, expected) }];
  }
  return plan.options.map((budget) => optionOf(limits, estimateOf(parts, plan, budget), budget));
}

/** What the request would use; where its model has no price, at the one that its limits name. */
function estimateWithRule({
  llm,
  providerOf,
  limits,
  prices,
  ratios,
  nowMs,
}: OptionParts): Estimate {
  const provider = providerOf(llm.model);
  const expected = estimate(llm, prices, ratios, nowMs, { provider });
  if (expected.worstCost.priced) return expected;
  const pricedAs = (priceModel: string) =>
    estimate(llm, prices, ratios, nowMs, { priceModel, provider });
  const verdict = judgeUnknownModel(limits, (model) => {
    const { worstCost } = pricedAs(model);
    return worstCost.priced ? worstCost.costNanoUsd : null;
  });
  return verdict.rule === "priceAs" ? pricedAs(verdict.model) : expected;
}

/** What is charged at expiry is what the option's own record of it says. */
function optionOf(limits: MatchedLimit[], expected: Estimate, budget: PlanOption): CaseOption {
  const claims = [...claimsOf(limits, expected), ...budget.claims];
  const onExpiry = inputAmounts(expected);
  return {
    expected,
    budget,
    claims: claims.map((claim) => ({ ...claim, onExpiry: onExpiry[claim.unit] })),
  };
}

/** What the option's model would use, at the price that counts for it. */
function estimateOf(
  { llm, providerOf, prices, ratios, nowMs, counted }: OptionParts,
  { match }: BudgetPlan,
  { model, priceModel }: PlanOption,
): Estimate {
  const { defaultMaxOutputTokens: maxOutputTokens } = match.budget;
  const promptTokens = countedFor(counted, model);
  const provider = providerOf(model);
  const presets = { maxOutputTokens, priceModel, promptTokens, provider };
  return estimate({ ...llm, model }, prices, ratios, nowMs, presets);
}

/**
 * Why no option was taken, over all of them: what their counters say, and the counters whose limit
 * an enforced claim does not fit. A claim that was only not meant for this state (`below`, `from`)
 * is no violation.
 */
export function refusalOf(options: readonly CaseOption[], refusals: readonly Refusal[]): Refusal {
  const counters: Refusal["counters"] = [];
  const violated = new Map<string, Refusal["violated"][number]>();
  for (const [i, refusal] of refusals.entries()) {
    const views = new Map(refusal.counters.map((view) => [view.key.toWellFormed(), view]));
    counters.push(...refusal.counters);
    for (const claim of options[i]?.claims ?? []) {
      const view = views.get(claim.key.toWellFormed());
      if (view !== undefined && claim.enforced && !fitsLimit(claim, view)) {
        violated.set(view.key.toWellFormed(), view);
      }
    }
  }
  return { counters, violated: [...violated.values()] };
}

function fitsLimit(
  { reserve, allowance = 0 }: LimitClaim,
  { limit, used, held }: Refusal["counters"][number],
): boolean {
  const room = limit - used - held;
  return room > 0 && reserve - allowance <= room;
}
