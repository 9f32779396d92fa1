/** Every way of refusing a request. */
import { budgetHeaders } from "../budget/answer.ts";
import type { BudgetDenial } from "../budget/denial.ts";
import type { BudgetPlan } from "../budget/plan.ts";
import type { AdmitAnswer } from "../contract/filter.ts";
import type { CounterView } from "../ledger/store/store.ts";
import type { EvaluationError, MatchedLimit } from "../policy/policy-set.ts";
import { type AdmissionParts, type Case, denialRecord, type RecordedCase } from "./case.ts";
import { denial, type Reason } from "./denial.ts";
import {
  deniedMessage,
  isEnforced,
  type LimitState,
  limitStates,
  rateLimitHeaders,
  secondsUntil,
} from "./limit-text.ts";

/** Every 429 says when to come back; when somebody defines a budget is not known. */
const RETRY_UNKNOWN_SECONDS = "3600";

/** What a budget refuses with. */
export interface BudgetRefusal {
  denial: BudgetDenial;
  /** null: refused before anything was planned. */
  plan: BudgetPlan | null;
  counters: readonly CounterView[];
  /** Limits of policies that count the request too. */
  limits?: MatchedLimit[];
}

/**
 * A limit is reached.
 * @param counters of limits and budgets alike, as the store told them
 */
export function refuseLimit(
  parts: AdmissionParts,
  found: Case,
  violated: LimitState[],
  counters: readonly CounterView[],
): AdmitAnswer {
  // To come back before the last of them resets would be in vain.
  const [last] = violated.toSorted((a, b) => b.view.resetsAtMs - a.view.resetsAtMs);
  if (last === undefined) throw new Error("the store refused a request and named no limit");
  const key = last.view.key.toWellFormed();
  const claims = found.options.at(-1)?.claims ?? [];
  const reserve = claims.find((claim) => claim.key.toWellFormed() === key)?.reserve ?? 0;
  return refuse(parts, found, "limit_exceeded", deniedMessage(last, reserve), {
    ...retryAfter(last.view.resetsAtMs, found.nowMs),
    ...rateLimitHeaders([last], found.nowMs),
    ...(found.plan === null ? {} : budgetHeaders(found.plan, null, counters)),
  });
}

/** A budget is used up, or does not let the request through. */
export function refuseBudget(
  parts: AdmissionParts,
  found: RecordedCase,
  { denial: budgetDenial, plan, counters, limits = [] }: BudgetRefusal,
): AdmitAnswer {
  const { code, status, message, resetsAtMs } = budgetDenial;
  parts.metrics.budget.countRejected(found.payer.team, code);
  return refuse(parts, found, budgetDenial, message, {
    ...(resetsAtMs === null ? {} : retryAfter(resetsAtMs, found.nowMs)),
    ...(resetsAtMs === null && status === 429 ? { "retry-after": RETRY_UNKNOWN_SECONDS } : {}),
    ...(plan === null ? {} : budgetHeaders(plan, null, counters)),
    ...rateLimitHeaders(limitStates(limits, counters).filter(isEnforced), found.nowMs),
  });
}

function retryAfter(resetsAtMs: number, nowMs: number): Record<string, string> {
  return { "retry-after": String(Math.max(1, secondsUntil(resetsAtMs, nowMs))) };
}

/** An expression failed, and its policy denies then. */
export function refuseEvaluation(
  parts: AdmissionParts,
  found: RecordedCase,
  error: EvaluationError,
): AdmitAnswer {
  const message =
    `Policy "${error.policy}", limit "${error.limit}" could not be evaluated ` +
    `for this request: ${error.expression}`;
  return refuse(parts, found, "policy_evaluation_failed", message, {});
}

/** Such a request (a counter value beyond all bounds) must not pass as if the store were away. */
export function refuseInput(parts: AdmissionParts, found: Case, error: Error): AdmitAnswer {
  parts.log.warn({ id: found.request.id, reason: error.message }, "limits cannot count a request");
  const message = `The limits cannot count this request: ${error.message}`;
  return refuse(parts, found, "policy_evaluation_failed", message, {});
}

/** @param limit one that counts money */
export function refusePrice(
  parts: AdmissionParts,
  found: Case,
  { policy, limit }: MatchedLimit,
): AdmitAnswer {
  const model = found.request.llm.model;
  const what =
    model === null ? "The request names no model" : `Model "${model}" has no known price`;
  const message = `${what}, and limit "${limit}" of policy "${policy}" counts money.`;
  return refuse(parts, found, "price_unknown", message, {});
}

/** Refuses, and keeps a record of it. */
function refuse(
  parts: AdmissionParts,
  found: RecordedCase,
  reason: Reason,
  message: string,
  headers: Record<string, string>,
): AdmitAnswer {
  const { request } = found;
  const { answer, code, status } = denial(parts.shapes, request.llm.api, reason, message, headers);
  parts.metrics.countRequest(request.llm.api, request.llm.model, "deny", code);
  parts.denialRecords.write(denialRecord(found, code, status));
  return answer;
}
