/** A budget's threshold as an alert. Pure. */
import { usdText } from "../budget/amount.ts";
import type { BudgetAlert } from "../budget/thresholds.ts";
import type { ThresholdAction } from "../policy/kinds/llm-budget.ts";
import type { Alert, Severity } from "./alert.ts";

const SEVERITIES: Record<ThresholdAction, Severity> = {
  alert: "info",
  alert_and_downgrade: "warning",
  reject: "critical",
};

/** What is told when a threshold is reached. */
export function budgetAlert(reached: BudgetAlert, nowMs: number): Alert {
  const { level, name, policy, percent, action, period, usedNanoUsd, budgetNanoUsd } = reached;
  return {
    key: reached.dedupeKey,
    name: "LLMBudgetThreshold",
    severity: SEVERITIES[action],
    summary: summaryOf(reached),
    channel: reached.notifyChannel,
    startsAtMs: nowMs,
    endsAtMs: reached.resetsAtMs,
    labels: { level, [level]: name ?? "", policy, percent: String(percent), action, period },
    details: { percent, action, period, usedNanoUsd, budgetNanoUsd },
  };
}

function summaryOf(reached: BudgetAlert): string {
  const { level, name, percent, action, period, usedNanoUsd, budgetNanoUsd } = reached;
  const unknown = "Requests of no known team have";
  const who = level === "organization" ? `Organization ${name} has` : `Team ${name} has`;
  const spent = `${usdText(usedNanoUsd)} of ${usdText(budgetNanoUsd)} USD are spent`;
  const resets = new Date(reached.resetsAtMs).toISOString();
  const effects: Record<ThresholdAction, string> = {
    alert: `The budget resets at ${resets}.`,
    alert_and_downgrade: `Requests go to a cheaper model until ${resets}.`,
    reject: `Requests are refused until ${resets}.`,
  };
  const subject = name === null ? unknown : who;
  return `${subject} reached ${percent} % of the budget of ${period}: ${spent}. ${effects[action]}`;
}
