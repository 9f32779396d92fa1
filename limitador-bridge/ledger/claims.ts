/** The options of a request, and claims on one counter put together. Pure. */
import type { UsageRecord } from "../contract/usage-record.ts";
import { counterId } from "./counter.ts";
import type { LimitClaim, ReserveRequest } from "./store/store.ts";

/** By counter id. */
export type DistinctClaims = Map<string, LimitClaim>;

/** A request's options in the order in which they are tried; at least one. */
export function optionsOf({ claims, alternatives = [] }: ReserveRequest): DistinctClaims[] {
  return [claims, ...alternatives].map(distinctClaims);
}

/** What is written when the hold of this option expires; 0 is the first. */
export function expiryRecordOf(
  request: Pick<ReserveRequest, "expiryRecord" | "expiryRecordOf">,
  option: number,
): UsageRecord {
  if (option === 0 || request.expiryRecordOf === undefined) return request.expiryRecord;
  return request.expiryRecordOf(option);
}

/**
 * Claims by counter. Claims on one counter are one claim, the strictest: it is counted once.
 */
export function distinctClaims(claims: LimitClaim[]): DistinctClaims {
  const distinct: DistinctClaims = new Map();
  for (const claim of claims) {
    const id = counterId(claim);
    const other = distinct.get(id);
    distinct.set(id, other === undefined ? claim : strictest(other, claim));
  }
  return distinct;
}

function strictest(a: LimitClaim, b: LimitClaim): LimitClaim {
  const limit = Math.min(a.limit, b.limit);
  const below = Math.min(a.below ?? Number.POSITIVE_INFINITY, b.below ?? Number.POSITIVE_INFINITY);
  const merged: LimitClaim = {
    ...a,
    limit,
    reserve: Math.max(a.reserve, b.reserve),
    onExpiry: Math.max(a.onExpiry, b.onExpiry),
    enforced: a.enforced || b.enforced,
    // limit + allowance, of the one that lets less through
    allowance: Math.min(a.limit - limit + (a.allowance ?? 0), b.limit - limit + (b.allowance ?? 0)),
    from: Math.max(a.from ?? 0, b.from ?? 0),
  };
  return below === Number.POSITIVE_INFINITY ? merged : { ...merged, below };
}
