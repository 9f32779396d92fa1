/** The limits in force whose expressions may fail on a request. Pure. */
import { httpRouteKind } from "./kinds/http-route.ts";
import {
  type CompiledLimit,
  type TokenRateLimitPolicy,
  tokenRateLimitPolicyKind,
} from "./kinds/token-rate-limit.ts";
import type { PolicyDocument } from "./policy-file.ts";
import type { EvaluationError } from "./policy-set.ts";
import { UNMATCHED } from "./route-index.ts";

/** A limit as its failures name it. */
export type FallibleLimit = Pick<EvaluationError, "policy" | "limit">;

/**
 * Those of the documents in force, and what stands for HTTPRoutes that cannot be matched where
 * there are any.
 */
export function fallibleLimits(documents: readonly PolicyDocument[]): FallibleLimit[] {
  return documents.flatMap(({ kind, object }): FallibleLimit[] => {
    if (object === null) return [];
    if (kind?.kind === httpRouteKind.kind) return [UNMATCHED];
    if (kind?.kind !== tokenRateLimitPolicyKind.kind) return [];
    const { limits } = object as TokenRateLimitPolicy;
    return limits.filter(isFallible).map(({ policy, name }) => ({ policy, limit: name }));
  });
}

function isFallible({ when, counters, reserveAmount, reserveTtl }: CompiledLimit): boolean {
  const isReserved = typeof reserveAmount === "object" && reserveAmount !== null;
  return when.length > 0 || counters.length > 0 || isReserved || reserveTtl !== null;
}
