/** Which alert thresholds of a budget a change of its spending crosses. Pure. */
import type { LlmBudget, Threshold, ThresholdAction } from "../policy/kinds/llm-budget.ts";
import { percentDown, percentUp, sumOf } from "./amount.ts";
import type { BudgetMatch } from "./budget-index.ts";
import { keyPart } from "./budget-key.ts";
import { type BudgetLimit, type Grants, totals } from "./budget-limits.ts";

/** Of a threshold: from here on requests fail to fit because of what others took. */
const NEAR_PERCENT = 95;
const NOBODY = { team: null, app: null, user: null, task: null };

/** A budget with thresholds. */
export interface AlertBudget {
  level: "organization" | "team";
  /** The team or organization; null: payers whose team is not known. */
  name: string | null;
  budget: LlmBudget;
  budgetNanoUsd: number;
}

/** A budget with thresholds, and the counter that they look at. */
export interface AlertSubject extends AlertBudget {
  /** Key of the counter. */
  key: string;
}

/** A threshold that is reached, as alerts tell it. */
export interface BudgetAlert {
  level: AlertSubject["level"];
  name: string | null;
  /** namespace/name of the LLMBudget. */
  policy: string;
  percent: number;
  action: ThresholdAction;
  /** "shadow": nothing is done. */
  mode: LlmBudget["mode"];
  /** false: the budget names no model to go to; an organization's teams name their own. */
  mayDowngrade: boolean;
  notifyChannel: string | null;
  usedNanoUsd: number;
  budgetNanoUsd: number;
  /** Month of the budget's time zone, e.g. 2026-11. */
  period: string;
  resetsAtMs: number;
  /** The same for one threshold in one period, on every replica: an alert is sent once. */
  dedupeKey: string;
}

/** Spending on one counter, nano-USD. */
export interface SpendChange {
  beforeNanoUsd: number;
  afterNanoUsd: number;
  /** End of the counter's window. */
  resetsAtMs: number;
}

/** The budgets whose thresholds a match may cross, the organization's first. */
export function alertSubjects(match: BudgetMatch, grants: Grants = {}): AlertSubject[] {
  return totals(match, NOBODY, grants).map(
    ({ level, name, key, budgetNanoUsd }: BudgetLimit): AlertSubject => {
      const isTeam = level === "team";
      const budget = isTeam ? match.budget : (match.organization ?? match.budget);
      return { level: isTeam ? "team" : "organization", name, budget, key, budgetNanoUsd };
    },
  );
}

/** The thresholds that were not reached before and are now, ascending. */
export function thresholdsCrossed(subject: AlertBudget, change: SpendChange): BudgetAlert[] {
  const { beforeNanoUsd, afterNanoUsd, resetsAtMs } = change;
  return subject.budget.thresholds.flatMap((threshold) => {
    const reachedNanoUsd = percentUp(subject.budgetNanoUsd, threshold.percent);
    if (beforeNanoUsd >= reachedNanoUsd || afterNanoUsd < reachedNanoUsd) return [];
    return [alertOf(subject, threshold, afterNanoUsd, resetsAtMs)];
  });
}

/**
 * The threshold whose action was just done to a request, and those below it, ascending. What is
 * held counts for that, so it may come before the spending itself crosses; the alerts are the same.
 * None where the budget is far from the threshold: a single large request was refused or moved to a
 * cheaper model then, which says nothing of the team, and the alert is still to come.
 */
export function thresholdsApplied(
  subject: AlertSubject,
  action: ThresholdAction,
  counter: { usedNanoUsd: number; heldNanoUsd: number; resetsAtMs: number },
): BudgetAlert[] {
  const { budget, budgetNanoUsd } = subject;
  const applied = budget.thresholds.find((threshold) => threshold.action === action);
  if (applied === undefined) return [];
  const { usedNanoUsd, heldNanoUsd, resetsAtMs } = counter;
  const near = percentDown(percentUp(budgetNanoUsd, applied.percent), NEAR_PERCENT);
  if (sumOf(usedNanoUsd, heldNanoUsd) < near) return [];
  return budget.thresholds
    .filter(({ percent }) => percent <= applied.percent)
    .map((threshold) => alertOf(subject, threshold, usedNanoUsd, resetsAtMs));
}

function alertOf(
  { level, name, budget, budgetNanoUsd }: AlertBudget,
  { percent, action, notifyChannel }: Threshold,
  usedNanoUsd: number,
  resetsAtMs: number,
): BudgetAlert {
  const period = periodOf(resetsAtMs, budget.timeZone);
  const owner = level === "team" ? keyPart(name) : `org/${keyPart(name)}`;
  return {
    level,
    name,
    policy: budget.policy,
    percent,
    action,
    mode: budget.mode,
    mayDowngrade: level === "organization" || namesModel(budget),
    notifyChannel,
    usedNanoUsd,
    budgetNanoUsd,
    period,
    resetsAtMs,
    dedupeKey: `alert/${owner}/${period}/${percent}`,
  };
}

/** See downgradeOf in routing.ts; whether it is cheaper depends on the request. */
function namesModel({ costRouting, defaultModel, cheapModel }: LlmBudget): boolean {
  return costRouting !== null || defaultModel !== null || cheapModel !== null;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** The calendar month that ends at a time, as 2026-11. */
export function periodOf(resetsAtMs: number, timeZone: string): string {
  let format = formats.get(timeZone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat("en-US", {
      calendar: "gregory",
      numberingSystem: "latn",
      timeZone,
      year: "numeric",
      month: "2-digit",
    });
    formats.set(timeZone, format);
  }
  const parts = new Map(
    format.formatToParts(resetsAtMs - 1).map(({ type, value }) => [type, value]),
  );
  return `${parts.get("year")}-${parts.get("month")}`;
}
