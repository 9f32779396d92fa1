/** What an admitted request is told, and what is counted of it. */
import { budgetHeaders, headerText } from "../budget/answer.ts";
import type { AdmitAnswer } from "../contract/filter.ts";
import type { CounterView } from "../ledger/store/store.ts";
import { raiseDowngraded } from "./budget-alerts.ts";
import { type AdmissionParts, type Case, type CaseOption, firstOption } from "./case.ts";
import { isEnforced, limitStates, rateLimitHeaders } from "./limit-text.ts";
import { type OutputParts, outputTerms } from "./output-terms.ts";

/** Where another model runs than the client named: for Envoy's routes to match on. */
const MODEL_HEADER = "x-tollgate-model";

/** What the store holds for a request. */
export interface Taken {
  option: CaseOption;
  counters: readonly CounterView[];
  /** Why it was not the store that decided; "" where it was. */
  reason: string;
}

/** The answer to a request that was reserved. */
export function allow(parts: AdmissionParts, found: Case, taken: Taken): AdmitAnswer {
  const { request, plan } = found;
  const { option, counters, reason } = taken;
  if (plan !== null && option.budget?.why === "budget_pressure") {
    raiseDowngraded(parts, found, plan, option.budget, counters);
  }
  count(parts, found, option, reason);
  const answer = runAnswer(parts, found, option, counters);
  answer.reservation = request.id;
  return answer;
}

/** What a request that runs as `option` is told, with nothing reserved and nothing counted. */
export function runAnswer(
  parts: OutputParts,
  found: Case,
  option: CaseOption,
  counters: readonly CounterView[],
): AdmitAnswer {
  const { limits, plan, nowMs } = found;
  const enforced = limitStates(limits, counters).filter(isEnforced);
  const headers = rateLimitHeaders(enforced, nowMs);
  if (plan !== null && option.budget !== null) {
    Object.assign(headers, budgetHeaders(plan, option.budget, counters));
  }
  const answer = Object.assign(answerOf(option), outputTerms(parts, found, option));
  answer.responseHeaders = headers;
  return answer;
}

/** The answer while the store is away: the request runs, and is charged when it is settled. */
export function allowUnreserved(parts: AdmissionParts, found: Case): AdmitAnswer {
  const option = firstOption(found);
  count(parts, found, option, "store_unavailable");
  return answerOf(option);
}

function count(
  { metrics }: AdmissionParts,
  { request: { llm }, payer }: Case,
  { expected, budget }: CaseOption,
  reason: string,
): void {
  metrics.countRequest(llm.api, llm.model, "allow", reason);
  if (budget !== null) metrics.budget.countRouting(budget.why);
  const { priced, costNanoUsd } = expected.worstCost;
  if (!priced) return;
  const model = budget === null ? llm.model : budget.model;
  metrics.budget.countEstimate({ team: payer.team, app: payer.app, model }, costNanoUsd);
}

function answerOf({ budget }: CaseOption): AdmitAnswer {
  const answer: AdmitAnswer = {
    verdict: "allow",
    reservation: null,
    requestHeaders: {},
    responseHeaders: {},
  };
  if (budget?.changed !== true || budget.model === null) return answer;
  const { model } = budget;
  return { ...answer, model, requestHeaders: { [MODEL_HEADER]: headerText(model) } };
}
