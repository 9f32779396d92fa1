/** A budget's threshold as an alert. Pure. */

import { percentDown } from "../budget/amount.ts";
import type { BudgetAlert } from "../budget/thresholds.ts";
import { nanoUsdText } from "../nano-usd-text.ts";
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
  const { mode } = reached;
  return {
    key: reached.dedupeKey,
    name: "LLMBudgetThreshold",
    severity: SEVERITIES[action],
    summary: summaryOf(reached),
    channel: reached.notifyChannel,
    startsAtMs: nowMs,
    endsAtMs: reached.resetsAtMs,
    labels: { level, [level]: name ?? "", policy, percent: String(percent), action, period },
    details: { percent, action, mode, period, usedNanoUsd, budgetNanoUsd },
  };
}

function summaryOf(reached: BudgetAlert): string {
  const { level, name, percent, period, usedNanoUsd, budgetNanoUsd } = reached;
  const unknown = "Requests of no known team have";
  const who = level === "organization" ? `Organization ${name} has` : `Team ${name} has`;
  const spent = `${nanoUsdText(usedNanoUsd)} of ${nanoUsdText(budgetNanoUsd)} USD are spent`;
  const subject = name === null ? unknown : who;
  const isSpent = usedNanoUsd >= percentDown(budgetNanoUsd, percent);
  const counted = isSpent ? "" : ", counting what is held for requests under way";
  const share = `${percent} % of the budget of ${period}${counted}`;
  return `${subject} reached ${share}: ${spent}. ${effectOf(reached)}`;
}

/** What happens now, or would if the budget were not in shadow mode. */
function effectOf({ action, mode, mayDowngrade, resetsAtMs }: BudgetAlert): string {
  const resets = new Date(resetsAtMs).toISOString();
  const isShadow = mode === "shadow";
  const nothing = isShadow ? " (mode: shadow, so that nothing is changed)." : ".";
  if (action === "reject") {
    return `Requests ${isShadow ? "would be" : "are"} refused until ${resets}${nothing}`;
  }
  if (action === "alert") return `The budget resets at ${resets}.`;
  if (!mayDowngrade) return `The budget names no cheaper model to go to, and resets at ${resets}.`;
  const go = isShadow ? "would go" : "go";
  return `Requests ${go} to a cheaper model, where there is one, until ${resets}${nothing}`;
}
