/** What a request is charged to where nothing was reserved for it: it has run, and never fits. */
import type { LimitClaim } from "../ledger/store/store.ts";
import { type MatchedLimit, type Payer, type PolicySet, toClaim } from "../policy/policy-set.ts";
import type { BudgetIndex } from "./budget-index.ts";
import { budgetLimits, claimOf } from "./budget-limits.ts";
import type { GrantSource } from "./grants.ts";

/** The budgets in force, and what was granted on top. */
export interface BudgetsInForce {
  policies: () => Pick<PolicySet, "budgets">;
  grants: GrantSource;
  nowMs: () => number;
}

/** Who used what. */
export interface Charged {
  limits: readonly MatchedLimit[];
  payer: Payer;
  /** The model that ran; null: not known. */
  model: string | null;
}

/** The claims of every limit and of every budget. */
export function chargedClaims(
  parts: BudgetsInForce,
  { limits, payer, model }: Charged,
): LimitClaim[] {
  const rateLimits = limits.map((limit) => toClaim(limit, { reserve: 0, onExpiry: 0 }));
  const found = parts.policies().budgets.match(payer);
  if (found.kind !== "budget") return rateLimits;
  const grants = parts.grants.of(found.match, parts.nowMs());
  const nothing = { reserveNanoUsd: 0, onExpiryNanoUsd: 0 };
  const budgets = budgetLimits(found.match, payer, model, grants);
  return [...rateLimits, ...budgets.map((limit) => claimOf(limit, nothing))];
}

/** The model at whose price the payer's budget charges models without one; null: none. */
export function priceModelFor(budgets: BudgetIndex, payer: Payer): string | null {
  const found = budgets.match(payer);
  if (found.kind !== "budget") return null;
  const { unknownModel } = found.match.budget;
  return unknownModel.rule === "priceAs" ? unknownModel.model : null;
}
