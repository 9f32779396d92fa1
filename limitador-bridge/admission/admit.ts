/** The decision on one request: match, estimate, plan, reserve, answer. */
import type { MatchOutcome } from "../budget/budget-index.ts";
import { exceeded } from "../budget/denial.ts";
import type { AdmitAnswer, AdmitRequest } from "../contract/filter.ts";
import { type CountedInput, countInput } from "../estimate/counted-input.ts";
import type { Refusal, ReserveResult } from "../ledger/store/store.ts";
import { StoreError } from "../ledger/store/store-error.ts";
import { matchRequest } from "../policy/match-memo.ts";
import type { EvaluationError, MatchedLimit } from "../policy/policy-set.ts";
import { judgeUnknownModel } from "../pricing/unknown-model.ts";
import { isUnbilled } from "../usage/unbilled.ts";
import { allow, allowUnreserved, runAnswer } from "./allow.ts";
import { raiseRejected } from "./budget-alerts.ts";
import { planCase } from "./budget-request.ts";
import {
  type AdmissionParts,
  type Case,
  expiryRecord,
  firstOption,
  providerFor,
  type RecordedCase,
} from "./case.ts";
import { limitStates } from "./limit-text.ts";
import { caseOptions, refusalOf } from "./options.ts";
import { cappedOption } from "./output-cap.ts";
import { refuseBudget, refuseEvaluation, refuseInput, refuseLimit, refusePrice } from "./refuse.ts";
import { holdMsOf } from "./reservation.ts";
import { localDecision, withoutStore } from "./store-away.ts";

/** Decides on a request and, where it is admitted, holds what it may use. */
export async function admit(parts: AdmissionParts, request: AdmitRequest): Promise<AdmitAnswer> {
  const nowMs = parts.nowMs();
  const policies = parts.policies();
  const { attributes, llm } = request;
  const { context, payer, likeness, limits, errors } = matchRequest(policies, attributes, llm);
  const matched = policies.budgets.match(payer);
  const counted = isCounted(matched) ? await countedInput(parts, request) : null;
  const known: RecordedCase = { request, context, payer, nowMs, counted };
  const isRenewal = request.renew !== undefined;
  const refusing = reportErrors(parts, errors);
  if (refusing !== undefined) {
    return isRenewal ? NO_LEASE : refuseEvaluation(parts, known, refusing);
  }
  const planned = planCase(parts, known, matched);
  if (planned.kind === "deny") {
    if (isRenewal) return NO_LEASE;
    return refuseBudget(parts, known, { denial: planned.denial, plan: null, counters: [] });
  }
  const plan = planned.kind === "plan" ? planned.plan : null;
  const { ratios } = parts;
  const prices = parts.prices();
  const providerOf = (model: string | null) => providerFor(context, model);
  const options = caseOptions({ llm, providerOf, limits, plan, prices, ratios, counted, nowMs });
  const found = { request, context, payer, likeness, limits, plan, options, counted, nowMs };
  const money = unpricedMoney(found);
  if (isRenewal) return money === undefined ? renew(parts, found) : NO_LEASE;
  return money === undefined ? reserve(parts, found) : refusePrice(parts, found, money);
}

/** Whether the payer's budget wants the prompt counted. */
function isCounted(matched: MatchOutcome): boolean {
  return matched.kind === "budget" && matched.match.budget.inputEstimate === "tokenizer";
}

/** Null: it could not be counted, and is estimated. */
async function countedInput(
  { tokens, ratios }: AdmissionParts,
  { llm }: AdmitRequest,
): Promise<CountedInput | null> {
  if (tokens === undefined) return null;
  return countInput(tokens, llm, ratios.inputBytesPerToken(llm.model));
}

/** What a worker is told whose lease is not renewed: its requests ask again. */
const NO_LEASE: AdmitAnswer = {
  verdict: "allow",
  reservation: null,
  requestHeaders: {},
  responseHeaders: {},
};

/** Decides on nothing but the next lease. */
async function renew(parts: AdmissionParts, found: Case): Promise<AdmitAnswer> {
  const option = firstOption(found);
  const answer = runAnswer(parts, found, option, []);
  const granted = await parts.leases?.grant(parts, found, answer, null);
  if (granted === null || granted === undefined) return NO_LEASE;
  const now: Case = { ...found, nowMs: parts.nowMs() };
  return { ...runAnswer(parts, now, option, granted.counters), lease: granted.lease };
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

/** A limit that counts money, where there is no price; a budget has a rule of its own for that. */
function unpricedMoney(found: Case): MatchedLimit | undefined {
  const hasRule = found.plan?.match.budget.mode === "enforce";
  if (hasRule || isUnbilled(found.request.llm)) return undefined;
  if (firstOption(found).expected.worstCost.priced) return undefined;
  // The price that a limit names for such models would have been taken by now.
  const verdict = judgeUnknownModel(found.limits, () => null);
  return verdict.rule === "deny" ? verdict.limit : undefined;
}

/** What the store, or what stands in for it, decided. */
interface Decision {
  result: ReserveResult;
  /** Why it is not the store's; "" where it is. */
  reason: string;
}

async function reserve(parts: AdmissionParts, found: Case): Promise<AdmitAnswer> {
  const decided = await decide(parts, found);
  if ("answer" in decided) return decided.answer;
  const { result, reason } = decided;
  // A window that begins now is not longer than it is because the store looked at its clock later.
  const now: Case = { ...found, nowMs: parts.nowMs() };
  if (result.admitted) {
    const option = found.options[result.option] ?? firstOption(found);
    const answer = allow(parts, now, { option, counters: result.counters, reason });
    if (result.option !== 0 || reason !== "") return answer;
    const granted = await parts.leases?.grant(parts, now, answer, result.counters);
    return granted === null || granted === undefined ? answer : { ...answer, lease: granted.lease };
  }
  return (await reserveLess(parts, now, result.refusals)) ?? refuse(parts, now, result.refusals);
}

/** Asks the store; an answer where there is nothing more to decide. */
async function decide(
  parts: AdmissionParts,
  found: Case,
): Promise<Decision | { answer: AdmitAnswer }> {
  const [claims = [], ...alternatives] = found.options.map((option) => option.claims);
  try {
    const result = await parts.store.reserve({
      id: found.request.id,
      claims,
      ...(alternatives.length === 0 ? {} : { alternatives }),
      holdMs: holdMsOf(found.limits, parts.holdMs),
      expiryRecord: expiryRecord(found, firstOption(found)),
      expiryRecordOf: (option) => expiryRecord(found, found.options[option] ?? firstOption(found)),
    });
    return { result, reason: "" };
  } catch (error) {
    if (error instanceof StoreError && error.code === "invalid_input") {
      return { answer: refuseInput(parts, found, error) };
    }
    const local = localDecision(parts, found, error);
    if (local !== null) return { result: local, reason: "store_unavailable" };
    const refusal = withoutStore(parts, found, error as Error);
    return { answer: refusal ?? allowUnreserved(parts, found) };
  }
}

/** Once more with less output, where policies ask for that; null: it does not help. */
async function reserveLess(
  parts: AdmissionParts,
  found: Case,
  refusals: readonly Refusal[],
): Promise<AdmitAnswer | null> {
  const option = cappedOption(parts, found, refusals.at(-1)?.counters ?? []);
  if (option === null) return null;
  const decided = await decide(parts, { ...found, options: [option] });
  if ("answer" in decided) return decided.answer;
  const { result, reason } = decided;
  if (!result.admitted) return null;
  return allow(parts, found, { option, counters: result.counters, reason });
}

function refuse(parts: AdmissionParts, found: Case, refusals: readonly Refusal[]): AdmitAnswer {
  const { plan, limits, options } = found;
  const refused = refusalOf(options, refusals);
  const denial = plan === null ? null : exceeded(plan, refused);
  if (plan === null || denial === null) {
    const counters = [...refused.counters, ...refused.violated];
    return refuseLimit(parts, found, limitStates(limits, refused.violated), counters);
  }
  raiseRejected(parts, found, plan, denial, refused.counters);
  return refuseBudget(parts, found, { denial, plan, limits, counters: refused.counters });
}
