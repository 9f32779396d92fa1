/**
 * What the rest of the service sees of policies. A PolicySet is immutable: a reload makes a new
 * one, and a broken reload leaves the last good one serving.
 */
import type { BudgetIndex } from "../budget/budget-index.ts";
import type { ApiRoute, FilterConfig, LlmRequest } from "../contract/filter.ts";
import type { LimitClaim, Unit } from "../ledger/store/store.ts";
import type { Window } from "../ledger/window.ts";
import { shardByOf } from "./counter-key.ts";
import type { RateInForce } from "./rates-in-force.ts";

/** One request as policies see it: attributes already nested under their CEL roots. */
export interface RequestContext {
  attributes: Record<string, unknown>;
  llm: LlmRequest;
}

export interface Payer {
  team: string | null;
  app: string | null;
  user: string | null;
  task: string | null;
}

/** What a limit in USD makes of a model without a price. */
export type UnknownModel = { rule: "deny" } | { rule: "free" } | { rule: "priceAs"; model: string };

/** A rate of a limit that this request matched. */
export interface MatchedLimit {
  /** namespace/name of the policy */
  policy: string;
  limit: string;
  key: string;
  unit: Unit;
  amount: number;
  window: Window;
  reservation: "none" | "worst-case";
  mode: "enforce" | "shadow";
  /** What happens when the store cannot be reached. */
  failureMode: "allow" | "deny";
  /** "ask": every request asks, there are no leases. "lease" where not given. */
  enforcement?: "lease" | "ask";
  /** A stream ends where what is held for it is used up. */
  onExhausted?: "cut";
  /** Kuadrant's `reservation: {amount, ttl}`: what to hold, in the rate's unit, how long. */
  reserveAmount?: number;
  reserveTtlMs?: number;
  /** "deny" where not given. */
  unknownModel?: UnknownModel;
}

/** An expression that failed on this request. */
export interface EvaluationError {
  policy: string;
  limit: string;
  expression: string;
  message: string;
  /** The policy's `evaluationFailureMode`. */
  failureMode: "allow" | "deny";
}

export interface MatchResult {
  limits: MatchedLimit[];
  errors: EvaluationError[];
}

export interface PolicyProblem {
  file: string;
  line: number;
  column: number;
  /** e.g. spec.limits.free.rates[0].window */
  field: string;
  message: string;
}

export interface PolicyStatus {
  kind: string;
  namespace: string;
  name: string;
  file: string;
  accepted: boolean;
  /** Problems of the file's newest version; while there are any, the last good one serves. */
  problems: PolicyProblem[];
  /** Whether some version of this object serves: the newest where accepted, else the last good. */
  inForce?: boolean;
  /** Some other Kubernetes object; nothing is done with it. */
  ignored?: boolean;
  /** What is allowed in the object, but probably not what was meant. */
  warnings?: PolicyProblem[];
  targetRef?: { group: string; kind: string; name: string; sectionName?: string };
  limits?: string[];
}

export interface PolicySet {
  /** Hash of all that is in force. */
  version: string;
  /** What the filter does when it cannot ask: "deny" when any policy in force says so. */
  failureMode: "allow" | "deny";
  /** What CEL expressions read: for the filter config. */
  needs: FilterConfig["attributes"] & { bodyPointers: string[] };
  /** What ApiRoute objects say of paths; before what is known of them otherwise. */
  apiRoutes?: readonly ApiRoute[];
  /** JSON pointers of `dataExtraction.response.totalTokens` of the policies in force. */
  totalTokensPointers: string[];
  /**
   * Whether requests that differ only in their size and in the output that they ask for match the
   * same limits, so that they may share a lease.
   */
  isLeasable: boolean;
  /** Which budget each payer spends from. */
  budgets: BudgetIndex;
  /** See ratesInForce. */
  rates?: ReadonlyMap<string, RateInForce>;
  /** How many predicates have been evaluated since this set was made. */
  readonly predicateEvaluations?: number;
  match(request: RequestContext): MatchResult;
  payer(request: RequestContext): Payer;
  status(): PolicyStatus[];
}

/** Builds a store claim from a matched limit. */
export function toClaim(
  matched: MatchedLimit,
  amounts: { reserve: number; onExpiry: number },
): LimitClaim {
  return {
    key: matched.key,
    unit: matched.unit,
    limit: matched.amount,
    window: matched.window,
    reserve: amounts.reserve,
    onExpiry: amounts.onExpiry,
    enforced: matched.mode === "enforce",
    shardBy: shardByOf(matched.key),
  };
}
