/** One request on its way to a decision, with all that was found out about it. */

import type { GrantSource } from "../budget/grants.ts";
import type { BudgetPlan, PlanOption } from "../budget/plan.ts";
import type { BudgetAlert } from "../budget/thresholds.ts";
import type { AdmitRequest } from "../contract/filter.ts";
import type { UsageRecord } from "../contract/usage-record.ts";
import type { CountedInput } from "../estimate/counted-input.ts";
import type { TokenCounter } from "../estimate/token-worker-pool.ts";
import type { LeaseGranter } from "../lease/grant.ts";
import type { LimitClaim, Store } from "../ledger/store/store.ts";
import type { Metrics } from "../metrics.ts";
import type { MatchedLimit, Payer, PolicySet, RequestContext } from "../policy/policy-set.ts";
import { type Exchange, usageRecord } from "../settlement/usage-record.ts";
import { expectedProvider } from "../usage/provider.ts";
import type { DenialRecords } from "./denial-records.ts";
import type { ErrorShapes, Log, Prices, Ratios } from "./ports.ts";
import { type Estimate, estimatedUsage } from "./reservation.ts";

export interface AdmissionParts {
  store: Pick<Store, "reserve" | "release">;
  policies: () => PolicySet;
  prices: () => Prices;
  ratios: Ratios;
  shapes: ErrorShapes;
  metrics: Metrics;
  log: Log;
  /** See createLogThrottle. */
  throttle: (fault: string) => number | null;
  denialRecords: DenialRecords;
  /** null: every request asks. */
  leases: Pick<LeaseGranter, "grant"> | null;
  grants: GrantSource;
  /** Takes an alert as often as it is met; see AlertQueue. */
  onBudgetAlert: (alert: BudgetAlert) => void;
  /** Not given: input is never counted, always estimated. */
  tokens?: Pick<TokenCounter, "count">;
  holdMs: number;
  nowMs: () => number;
}

export interface Case {
  request: AdmitRequest;
  context: RequestContext;
  payer: Payer;
  /** See MatchedRequest. */
  likeness: string | null;
  limits: MatchedLimit[];
  /** null: no budget limits it. */
  plan: BudgetPlan | null;
  /** The ways in which it may run, the preferred one first; at least one. */
  options: CaseOption[];
  /** Input tokens, as counted; null: they were not. */
  counted: CountedInput | null;
  nowMs: number;
}

/** One way in which a request may run. */
export interface CaseOption {
  expected: Estimate;
  /** What a budget makes of it; null: no budget limits it. */
  budget: PlanOption | null;
  /** On all limits and budgets. */
  claims: LimitClaim[];
  /** Output limit of one choice that the provider is to be sent. */
  cap?: number;
}

/** The option that is tried first. */
export function firstOption({ options }: Pick<Case, "options">): CaseOption {
  return options[0] as CaseOption;
}

/** What of a case its denial is recorded with. */
export type RecordedCase = Pick<Case, "request" | "context" | "payer" | "counted" | "nowMs">;

/** The record of a denial. */
export function denialRecord(found: RecordedCase, code: string, status: number): UsageRecord {
  const usage = estimatedUsage(found.request.llm, 0, 0);
  usage.source = "none";
  usage.reason = code;
  const nothing = { costNanoUsd: 0, priced: true };
  return usageRecord(exchange(found, null, "denied", status), usage, nothing, found.nowMs);
}

/** What stands in the books when the option's hold ends and nobody ever settled. */
export function expiryRecord(
  found: RecordedCase,
  { expected, budget }: Pick<CaseOption, "expected" | "budget">,
): UsageRecord {
  const { request, nowMs } = found;
  const modelSent = budget?.changed === true ? budget.model : null;
  const model = modelSent ?? request.llm.model;
  const usage = estimatedUsage({ model }, expected.inputTokens, 0);
  usage.reason = "hold_expired";
  return usageRecord(exchange(found, modelSent, "truncated", 0), usage, expected.inputCost, nowMs);
}

function exchange(
  { request, context, payer, nowMs }: RecordedCase,
  modelSent: string | null,
  outcome: UsageRecord["outcome"],
  status: number,
): Exchange {
  return {
    id: request.id,
    timeMs: nowMs,
    requestId: request.requestId ?? headerOf(context, "x-request-id"),
    llm: request.llm,
    modelSent,
    payer,
    outcome,
    status,
  };
}

/** By model; requests that look the same share their context. */
const providers = new WeakMap<RequestContext, Map<string | null, string | null>>();

/** Who is expected to serve a model to this request; null: nothing tells it. */
export function providerFor(context: RequestContext, model: string | null): string | null {
  let known = providers.get(context);
  if (known === undefined) {
    known = new Map();
    providers.set(context, known);
  }
  const found = known.get(model);
  if (found !== undefined) return found;
  const { host = "", path = "" } = context.attributes.request as { host?: string; path?: string };
  const provider = expectedProvider({ api: context.llm.api, host, path, model });
  known.set(model, provider);
  return provider;
}

/** A request header, by its name in lower case; null: not sent, or empty. */
export function headerOf({ attributes }: RequestContext, name: string): string | null {
  const { headers } = attributes.request as { headers: Map<string, string> };
  return headers.get(name) || null;
}
