/** What an object's status should say, and what has to be written for that. Pure. */

import { sumOf } from "../budget/amount.ts";
import { nanoUsdText } from "../nano-usd-text.ts";
import type { PolicyProblem } from "../policy/policy-set.ts";
import type { ClusterObject } from "./cluster-object.ts";
import type { BudgetEntry, PolicyEntry } from "./service-answer.ts";

/** metav1.Condition: at most 32768 characters. */
const MAX_MESSAGE_LENGTH = 32_768;
const ACCEPTED = "Accepted";

interface Condition {
  type: string;
  status: string;
  reason: string;
  message: string;
  lastTransitionTime: string;
  observedGeneration?: number;
}

/** Of a budget, or of all that one object gives (one for each team, where it is for "*"). */
export interface Spending {
  currentSpendUSD: number;
  budgetUtilization: number;
}

/**
 * What was spent under a budget: the sum, and how far the fullest is used up.
 * @param entries of GET /v1/budgets that belong to the object; none: nothing is spent yet
 */
export function spendingOf(entries: readonly BudgetEntry[]): Spending {
  const spentNanoUsd = entries.reduce((sum, entry) => sumOf(sum, entry.spentNanoUsd), 0);
  return {
    currentSpendUSD: Number(nanoUsdText(spentNanoUsd)),
    budgetUtilization: Math.max(0, ...entries.map(({ utilization }) => utilization)),
  };
}

function problemsText(problems: readonly PolicyProblem[]): string {
  const texts = problems.map(({ field, message }) =>
    field === "" ? message : `${field}: ${message}`,
  );
  return texts.join("\n").slice(0, MAX_MESSAGE_LENGTH);
}

function verdictOf({ accepted, inForce, problems, warnings = [] }: PolicyEntry) {
  if (accepted) {
    const message = warnings.length === 0 ? "in force" : `in force, but ${problemsText(warnings)}`;
    return { status: "True", reason: "Accepted", message };
  }
  const reason = inForce ? "LastGoodInForce" : "Invalid";
  return { status: "False", reason, message: problemsText(problems) };
}

function conditionsOf({ status }: ClusterObject): Condition[] {
  return Array.isArray(status?.conditions) ? (status.conditions as Condition[]) : [];
}

function acceptedCondition(object: ClusterObject, entry: PolicyEntry, now: string): Condition {
  const { generation } = object.metadata;
  const verdict = verdictOf(entry);
  const last = conditionsOf(object).find(({ type }) => type === ACCEPTED);
  return {
    type: ACCEPTED,
    ...verdict,
    lastTransitionTime: last?.status === verdict.status ? last.lastTransitionTime : now,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
  };
}

/** Whether every field is there with just this value; order of members is of no matter. */
function has(actual: unknown, wanted: unknown): boolean {
  if (typeof wanted !== "object" || wanted === null) return actual === wanted;
  if (typeof actual !== "object" || actual === null) return false;
  return Object.entries(wanted).every(([key, value]) =>
    has((actual as Record<string, unknown>)[key], value),
  );
}

/**
 * The merge patch (RFC 7386) of the status subresource; null where nothing has changed. A list is
 * replaced as a whole by that, so conditions of others are sent along.
 * @param spending null: the object is no budget, or what was spent is not known
 * @param now RFC 3339
 */
export function statusPatch(
  object: ClusterObject,
  entry: PolicyEntry,
  spending: Spending | null,
  now: string,
): { status: Record<string, unknown> } | null {
  const { generation } = object.metadata;
  const condition = acceptedCondition(object, entry, now);
  const others = conditionsOf(object).filter(({ type }) => type !== ACCEPTED);
  const wanted = {
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    conditions: [...others, condition],
  };
  const isSpendingNew = spending !== null && !has(object.status, spending);
  const isVerdictNew =
    !has(object.status, { observedGeneration: wanted.observedGeneration }) ||
    !conditionsOf(object).some((present) => has(present, condition));
  if (!isSpendingNew && !isVerdictNew) return null;
  return {
    status: {
      ...(isVerdictNew ? wanted : {}),
      ...(isSpendingNew ? { ...spending, lastUpdated: now } : {}),
    },
  };
}
