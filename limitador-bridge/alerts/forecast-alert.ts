/** A budget that is on the way to be used up before its period ends, as an alert. Pure. */

import { keyPart } from "../budget/budget-key.ts";
import type { BudgetState } from "../budget/budget-state.ts";
import { periodOf } from "../budget/thresholds.ts";
import { nanoUsdText } from "../nano-usd-text.ts";
import type { Alert } from "./alert.ts";

const DAY_MS = 86_400_000;
/** Of less than a day of spending nobody can tell where it leads. */
const LEAST_ELAPSED_MS = DAY_MS;
const SOON_DAYS = 7;

/** The alert, the same one all through a period; null: there is no cause. */
export function forecastAlert(state: BudgetState, nowMs: number): Alert | null {
  const { forecast, level, name, budget, spentNanoUsd, budgetNanoUsd, resetsAtMs } = state;
  if (forecast === null || nowMs - state.startsAtMs < LEAST_ELAPSED_MS) return null;
  const { daysUntilExhausted: days, exhaustsBeforeReset, atEndNanoUsd } = forecast;
  if (!exhaustsBeforeReset || days === null || days === 0 || days > SOON_DAYS) return null;
  const period = periodOf(resetsAtMs, budget.timeZone);
  const owner = level === "team" ? keyPart(name) : `org/${keyPart(name)}`;
  const channel = budget.thresholds.find(({ notifyChannel }) => notifyChannel !== null);
  return {
    key: `forecast/${owner}/${period}`,
    name: "LLMBudgetForecast",
    severity: "warning",
    summary:
      `${whose(level, name)} is used up in ${days.toFixed(1)} days if spending goes on as so ` +
      `far, before it resets at ${new Date(resetsAtMs).toISOString()}: ` +
      `${nanoUsdText(spentNanoUsd)} of ${nanoUsdText(budgetNanoUsd)} USD are spent, ` +
      `and it would be ${nanoUsdText(atEndNanoUsd)} USD.`,
    channel: channel?.notifyChannel ?? null,
    startsAtMs: nowMs,
    endsAtMs: resetsAtMs,
    labels: { level, [level]: name ?? "", policy: budget.policy, period },
    details: { period, spentNanoUsd, budgetNanoUsd, atEndNanoUsd, daysUntilExhausted: days },
  };
}

function whose(level: BudgetState["level"], name: string | null): string {
  if (name === null) return "The budget of requests of no known team";
  return `The budget of ${level} ${name}`;
}
