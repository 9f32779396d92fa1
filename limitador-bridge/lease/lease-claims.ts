/** What a lease holds, and whether there may be one. Pure. */
import type { Case, CaseOption } from "../admission/case.ts";
import { worstAmounts } from "../admission/reservation.ts";
import type { AdmitAnswer } from "../contract/filter.ts";
import type { CounterView, LimitClaim } from "../ledger/store/store.ts";
import { FEWEST_PARTS } from "./demand.ts";

/**
 * A lease takes at most this share of what is left on any of its limits. So near a limit there is
 * none, every request asks, and whoever else asks is not refused for what a lease holds unused.
 */
const SHARE = 64;

/** Whether other requests like this one would be decided in the same way. */
export function isLeasable(found: Case, answer: AdmitAnswer): boolean {
  const { limits, plan } = found;
  if (answer.verdict !== "allow" || answer.maxOutputTokens !== undefined) return false;
  if (answer.cut !== undefined) return false;
  // A count is of one prompt.
  if (found.counted !== null) return false;
  if (limits.some(({ enforcement }) => enforcement === "ask")) return false;
  if (plan === null) return true;
  const { budget, organization } = plan.match;
  // Routing looks at each prompt's length.
  if (budget.costRouting !== null) return false;
  return budget.enforcement === "lease" && organization?.enforcement !== "ask";
}

/**
 * The claims of one part: the worst case on every limit, also on those that a request by itself
 * reserves nothing on, so that no request under a lease goes over what asking would have allowed.
 */
export function leaseClaims({ claims, expected }: CaseOption): LimitClaim[] {
  const worst = worstAmounts(expected);
  return claims.map((claim) => ({
    ...claim,
    reserve: claim.enforced ? Math.max(claim.reserve, worst[claim.unit]) : 0,
    onExpiry: 0,
  }));
}

/**
 * How many parts the limits leave room for; 0 where that is too few.
 * @param heldParts parts of the lease that `counters` count as held already
 */
export function affordableParts(
  claims: readonly LimitClaim[],
  counters: readonly CounterView[],
  wanted: number,
  heldParts = 0,
): number {
  const views = new Map(counters.map((view) => [view.key, view]));
  let parts = wanted;
  for (const { key, limit, below, reserve, enforced } of claims) {
    const view = views.get(key);
    if (!enforced || reserve === 0) continue;
    // A store may spell a key otherwise (half a surrogate pair): what is left is not known then.
    if (view === undefined) return 0;
    const end = Math.min(Math.max(limit, view.limit), below ?? Number.POSITIVE_INFINITY);
    const left = end - view.used - view.held + heldParts * reserve;
    parts = Math.min(parts, Math.floor(left / (SHARE * reserve)));
  }
  return parts < FEWEST_PARTS ? 0 : parts;
}

/** How long a lease may be valid, in ms: not beyond the end of any window that it is held in. */
export function validFor(
  claims: readonly LimitClaim[],
  counters: readonly CounterView[],
  mostMs: number,
  nowMs: number,
): number {
  const own = new Set(claims.map(({ key }) => key));
  const ends = counters.filter(({ key }) => own.has(key)).map((view) => view.resetsAtMs - nowMs);
  return Math.floor(Math.min(mostMs, ...ends));
}
