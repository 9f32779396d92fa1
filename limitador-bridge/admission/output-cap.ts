/** A last way of running for a request that its limits refuse: with less output. Pure. */
import type { CounterView, LimitClaim } from "../ledger/store/store.ts";
import type { Case, CaseOption } from "./case.ts";
import { largestWithin } from "./largest-within.ts";
import { canCut, canLimitOutput, estimateWith, type OutputParts } from "./output-terms.ts";
import { worstAmounts } from "./reservation.ts";

/**
 * The last option with as much output as is still left for it; null where policies say nothing of
 * caps or cuts, or not even one token is left.
 * @param counters of that option
 */
export function cappedOption(
  parts: OutputParts,
  found: Case,
  counters: readonly CounterView[],
): CaseOption | null {
  const last = found.options.at(-1);
  if (last === undefined) return null;
  const isLimited = budgetLimitsOutput(found) && canLimitOutput(parts, found);
  const shrinks = shrinkingClaims(found, last, isLimited);
  if (shrinks.size === 0) return null;
  const worstWith = (perChoice: number) =>
    worstAmounts(estimateWith(parts, found, last, perChoice));
  const views = new Map(counters.map((view) => [view.key.toWellFormed(), view]));
  const fits = (perChoice: number) => {
    const worst = worstWith(perChoice);
    return last.claims.every((claim) => {
      const needed = shrinks.has(claim) ? worst[claim.unit] : claim.reserve;
      return !claim.enforced || needed <= roomOf(claim, views.get(claim.key.toWellFormed()));
    });
  };
  const most = Math.floor(last.expected.maxOutputTokens / Math.max(1, found.request.llm.choices));
  if (most < 1 || !fits(1)) return null;
  const perChoice = largestWithin(1, most + 1, fits);
  const worst = worstWith(perChoice);
  return {
    ...last,
    expected: estimateWith(parts, found, last, perChoice),
    claims: last.claims.map((claim) =>
      shrinks.has(claim) ? { ...claim, reserve: worst[claim.unit] } : claim,
    ),
    ...(isLimited ? { cap: perChoice } : {}),
  };
}

function budgetLimitsOutput({ plan }: Case): boolean {
  if (plan === null) return false;
  const { capMaxOutputTokens, reservation } = plan.match.budget;
  return capMaxOutputTokens && reservation === "worst-case";
}

/** The claims that may hold less, since the output is then bounded by it. */
function shrinkingClaims(
  found: Case,
  { claims }: CaseOption,
  isLimited: boolean,
): ReadonlySet<LimitClaim> {
  const { limits, plan } = found;
  const cuts = canCut(found);
  const budgetCuts = cuts && plan?.match.budget.onExhausted === "cut";
  const shrinking = claims.filter(({ enforced }, i) => {
    if (!enforced) return false;
    const limit = limits[i];
    if (limit === undefined) return isLimited || budgetCuts;
    return cuts && limit.onExhausted === "cut" && limit.reservation === "worst-case";
  });
  return new Set(shrinking);
}

/** What a claim could hold at most. A counter that is not given is taken as unused. */
function roomOf({ limit, allowance = 0 }: LimitClaim, view: CounterView | undefined): number {
  const most = view?.limit ?? limit;
  const taken = view === undefined ? 0 : view.used + view.held;
  return taken < most ? most + allowance - taken : 0;
}
