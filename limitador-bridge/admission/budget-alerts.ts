/** Alerts of thresholds that a request was made to feel: it was downgraded, or refused. */
import type { BudgetDenial } from "../budget/denial.ts";
import type { BudgetPlan, PlanOption } from "../budget/plan.ts";
import { alertSubjects, thresholdsApplied } from "../budget/thresholds.ts";
import type { CounterView } from "../ledger/store/store.ts";
import type { ThresholdAction } from "../policy/kinds/llm-budget.ts";
import type { AdmissionParts, Case } from "./case.ts";

/** A request runs on a cheaper model, since a budget is nearly used up. */
export function raiseDowngraded(
  parts: AdmissionParts,
  found: Case,
  plan: BudgetPlan,
  { claims }: PlanOption,
  counters: readonly CounterView[],
): void {
  // What the option waits for is the threshold of the budget that is nearly used up.
  const key = claims.find(({ from }) => from !== undefined)?.key;
  raise(parts, found, plan, "alert_and_downgrade", (subject) => subject.key === key, counters);
}

/** A request was refused, since the budget of its team or organization is used up. */
export function raiseRejected(
  parts: AdmissionParts,
  found: Case,
  plan: BudgetPlan,
  { code }: BudgetDenial,
  counters: readonly CounterView[],
): void {
  const levels: Partial<Record<BudgetDenial["code"], string>> = {
    monthly_budget_exceeded: "team",
    organization_budget_exceeded: "organization",
  };
  raise(parts, found, plan, "reject", ({ level }) => level === levels[code], counters);
}

type Subject = ReturnType<typeof alertSubjects>[number];

function raise(
  { grants, onBudgetAlert }: AdmissionParts,
  { nowMs }: Case,
  { match }: BudgetPlan,
  action: ThresholdAction,
  isMeant: (subject: Subject) => boolean,
  counters: readonly CounterView[],
): void {
  const subject = alertSubjects(match, grants.of(match, nowMs)).find(isMeant);
  const view = counters.find(({ key }) => key === subject?.key);
  if (subject === undefined || view === undefined) return;
  const { used: usedNanoUsd, held: heldNanoUsd, resetsAtMs } = view;
  const counter = { usedNanoUsd, heldNanoUsd, resetsAtMs };
  for (const alert of thresholdsApplied(subject, action, counter)) onBudgetAlert(alert);
}
