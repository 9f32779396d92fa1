/** The decision on one request: match, estimate, reserve, answer. */
import { toRequestContext } from "../cel/attributes.ts";
import type { AdmitAnswer, AdmitRequest } from "../contract/filter.ts";
import type { UsageRecord } from "../contract/usage-record.ts";
import type { ReserveResult, Store } from "../ledger/store/store.ts";
import { StoreError } from "../ledger/store/store-error.ts";
import type { Metrics } from "../metrics.ts";
import type {
  EvaluationError,
  MatchedLimit,
  Payer,
  PolicySet,
  RequestContext,
} from "../policy/policy-set.ts";
import { usageRecord } from "../settlement/usage-record.ts";
import { type DenialKind, denial } from "./denial.ts";
import type { DenialRecords } from "./denial-records.ts";
import {
  deniedMessage,
  type LimitState,
  limitStates,
  rateLimitHeaders,
  secondsUntil,
  wellFormed,
} from "./limit-text.ts";
import type { ErrorShapes, Log, Prices, Ratios } from "./ports.ts";
import { claimsOf, type Estimate, estimate, estimatedUsage, holdMsOf } from "./reservation.ts";

/** How long a client is asked to wait while the store is away. */
const STORE_RETRY_SECONDS = 5;

export interface AdmissionParts {
  store: Pick<Store, "reserve">;
  policies: () => PolicySet;
  prices: () => Prices;
  ratios: Ratios;
  shapes: ErrorShapes;
  metrics: Metrics;
  log: Log;
  /** See createLogThrottle. */
  throttle: (fault: string) => number | null;
  denialRecords: DenialRecords;
  holdMs: number;
  nowMs: () => number;
}

/** One request with all that was found out about it. */
interface Case {
  request: AdmitRequest;
  context: RequestContext;
  payer: Payer;
  limits: MatchedLimit[];
  expected: Estimate;
  nowMs: number;
}

/** Decides on a request and, where it is admitted, holds what it may use. */
export async function admit(parts: AdmissionParts, request: AdmitRequest): Promise<AdmitAnswer> {
  const nowMs = parts.nowMs();
  const policies = parts.policies();
  const prices = parts.prices();
  const context = toRequestContext(request.attributes, request.llm);
  const { limits, errors } = policies.match(context);
  const expected = estimate(request.llm, prices, parts.ratios, nowMs);
  const payer = policies.payer(context);
  const found: Case = { request, context, payer, limits, expected, nowMs };
  const refusing = reportErrors(parts, errors);
  if (refusing !== undefined) return refuseEvaluation(parts, found, refusing);
  if (!expected.worstCost.priced && limits.some(countsMoney)) return refusePrice(parts, found);
  return reserve(parts, found);
}

function countsMoney(limit: MatchedLimit): boolean {
  return limit.unit === "usd" && limit.mode === "enforce";
}

/** Counts every failed expression; gives the first of a policy that denies then. */
function reportErrors(
  { metrics, log, throttle }: AdmissionParts,
  errors: EvaluationError[],
): EvaluationError | undefined {
  for (const { policy, limit, expression, message, failureMode } of errors) {
    metrics.evaluationErrors.inc({ policy, limit });
    const untold = throttle(`${policy} ${limit} ${expression}`);
    if (untold === null) continue;
    const fields = { policy, limit, expression, reason: message, failureMode, untold };
    log.warn(fields, "expression failed");
  }
  return errors.find((error) => error.failureMode === "deny");
}

async function reserve(parts: AdmissionParts, found: Case): Promise<AdmitAnswer> {
  const { request, limits, expected } = found;
  const claims = claimsOf(limits, expected);
  let result: ReserveResult;
  try {
    result = await parts.store.reserve({
      id: request.id,
      claims,
      holdMs: holdMsOf(limits, parts.holdMs),
      expiryRecord: expiryRecord(found),
    });
  } catch (error) {
    const isInput = error instanceof StoreError && error.code === "invalid_input";
    if (isInput) return refuseInput(parts, found, error);
    return withoutStore(parts, found, error as Error);
  }
  // A window that begins now is not longer than it is because the store looked at its clock later.
  const nowMs = parts.nowMs();
  if (!result.admitted) {
    const reserves = new Map(claims.map((claim) => [wellFormed(claim.key), claim.reserve]));
    return refuseLimit(parts, { ...found, nowMs }, limitStates(limits, result.violated), reserves);
  }
  const enforced = limitStates(limits, result.counters).filter(isEnforced);
  return allow(parts, found, request.id, rateLimitHeaders(enforced, nowMs), "");
}

function isEnforced({ matched }: LimitState): boolean {
  return matched.mode === "enforce";
}

function allow(
  { metrics }: AdmissionParts,
  { request: { llm } }: Case,
  reservation: string | null,
  responseHeaders: Record<string, string>,
  reason: string,
): AdmitAnswer {
  metrics.countRequest(llm.api, llm.model, "allow", reason);
  return { verdict: "allow", reservation, requestHeaders: {}, responseHeaders };
}

function refuseLimit(
  parts: AdmissionParts,
  found: Case,
  violated: LimitState[],
  reserves: Map<string, number>,
): AdmitAnswer {
  // To come back before the last of them resets would be in vain.
  const [last] = violated.toSorted((a, b) => b.view.resetsAtMs - a.view.resetsAtMs);
  if (last === undefined) throw new Error("the store refused a request and named no limit");
  const retryAfter = Math.max(1, secondsUntil(last.view.resetsAtMs, found.nowMs));
  return refuse(
    parts,
    found,
    "limit_exceeded",
    deniedMessage(last, reserves.get(wellFormed(last.view.key)) ?? 0),
    { "retry-after": String(retryAfter), ...rateLimitHeaders([last], found.nowMs) },
  );
}

function refuseEvaluation(parts: AdmissionParts, found: Case, error: EvaluationError): AdmitAnswer {
  const message =
    `Policy "${error.policy}", limit "${error.limit}" could not be evaluated ` +
    `for this request: ${error.expression}`;
  return refuse(parts, found, "policy_evaluation_failed", message, {});
}

/** Such a request (a counter value beyond all bounds) must not pass as if the store were away. */
function refuseInput(parts: AdmissionParts, found: Case, error: Error): AdmitAnswer {
  parts.log.warn({ id: found.request.id, reason: error.message }, "limits cannot count a request");
  const message = `The limits cannot count this request: ${error.message}`;
  return refuse(parts, found, "policy_evaluation_failed", message, {});
}

function refusePrice(parts: AdmissionParts, found: Case): AdmitAnswer {
  const limit = found.limits.find(countsMoney);
  const model = found.request.llm.model;
  const what =
    model === null ? "The request names no model" : `Model "${model}" has no known price`;
  const message = `${what}, and limit "${limit?.limit}" of policy "${limit?.policy}" counts money.`;
  return refuse(parts, found, "price_unknown", message, {});
}

/** Refuses, and keeps a record of it. */
function refuse(
  parts: AdmissionParts,
  found: Case,
  kind: DenialKind,
  message: string,
  headers: Record<string, string>,
): AdmitAnswer {
  const { request } = found;
  const { answer, code, status } = denial(parts.shapes, request.llm.api, kind, message, headers);
  parts.metrics.countRequest(request.llm.api, request.llm.model, "deny", code);
  parts.denialRecords.write(denialRecord(found, code, status));
  return answer;
}

/** Each matched limit says what happens when the store is away; one "deny" is enough. */
function withoutStore(parts: AdmissionParts, found: Case, error: Error): AdmitAnswer {
  const { request, limits } = found;
  parts.metrics.storeErrors.inc();
  const denying = limits.find(
    ({ mode, failureMode }) => mode === "enforce" && failureMode === "deny",
  );
  const effect = denying === undefined ? "request admitted, nothing reserved" : "request refused";
  const untold = parts.throttle(effect);
  if (untold !== null) {
    parts.log.error({ id: request.id, err: error, untold }, `store failed: ${effect}`);
  }
  if (denying === undefined) return allow(parts, found, null, {}, "store_unavailable");
  parts.metrics.countRequest(request.llm.api, request.llm.model, "deny", "store_unavailable");
  const message =
    `Limit "${denying.limit}" of policy "${denying.policy}" cannot be checked: ` +
    "the store is not available.";
  const headers = { "retry-after": String(STORE_RETRY_SECONDS) };
  return denial(parts.shapes, request.llm.api, "store_unavailable", message, headers).answer;
}

function denialRecord(found: Case, code: string, status: number): UsageRecord {
  const { llm } = found.request;
  const usage = { ...estimatedUsage(llm, 0, 0), source: "none" as const, reason: code };
  const nothing = { costNanoUsd: 0, priced: true };
  return usageRecord(
    { ...exchange(found), outcome: "denied", status },
    usage,
    nothing,
    found.nowMs,
  );
}

/** What stands in the books when the hold ends and nobody ever settled. */
function expiryRecord(found: Case): UsageRecord {
  const { request, expected, nowMs } = found;
  const usage = { ...estimatedUsage(request.llm, expected.inputTokens, 0), reason: "hold_expired" };
  return usageRecord(
    { ...exchange(found), outcome: "truncated", status: 0 },
    usage,
    expected.inputCost,
    nowMs,
  );
}

function exchange({ request, context, payer, nowMs }: Case) {
  const { headers } = context.attributes.request as { headers: Map<string, string> };
  return {
    id: request.id,
    timeMs: nowMs,
    requestId: headers.get("x-request-id") ?? null,
    llm: request.llm,
    modelSent: null,
    payer,
  };
}
