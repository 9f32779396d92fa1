/** Looks every few minutes at what each budget has spent, and where that is heading. */
import type { Log } from "../admission/ports.ts";
import type { BudgetState } from "../budget/budget-state.ts";
import { thresholdsCrossed } from "../budget/thresholds.ts";
import { type PeriodicJob, startPeriodicJob } from "../periodic-job.ts";
import type { Alert } from "./alert.ts";
import { budgetAlert } from "./budget-alert.ts";
import { forecastAlert } from "./forecast-alert.ts";

const INTERVAL_MS = 300_000;

export interface ForecastParts {
  /** @throws what the store throws */
  read: () => Promise<BudgetState[]>;
  /** Takes an alert as often as there is cause; see AlertQueue. */
  raise: (alert: Alert) => void;
  log: Log;
  nowMs: () => number;
  intervalMs?: number;
}

/** Begins. A store that is away is asked again the next time. */
export function startForecastJob(parts: ForecastParts): PeriodicJob {
  const { read, raise, log, nowMs, intervalMs = INTERVAL_MS } = parts;
  const look = async () => {
    try {
      for (const state of await read()) {
        for (const alert of alertsOf(state, nowMs())) raise(alert);
      }
    } catch (error) {
      log.warn({ err: error }, "budgets not read: no forecast");
    }
  };
  return startPeriodicJob(look, intervalMs);
}

/**
 * The forecast, and the thresholds that no charge tells of: a budget was lowered, a grant has
 * ended, a threshold was added.
 */
function alertsOf(state: BudgetState, nowMs: number): Alert[] {
  const { spentNanoUsd: afterNanoUsd, resetsAtMs } = state;
  const change = { beforeNanoUsd: 0, afterNanoUsd, resetsAtMs };
  // Of a budget of 0 USD every threshold is reached, which is no news where nobody spends.
  const reached = afterNanoUsd > 0 ? thresholdsCrossed(state, change) : [];
  const forecast = forecastAlert(state, nowMs);
  return [
    ...reached.map((threshold) => budgetAlert(threshold, nowMs)),
    ...(forecast === null ? [] : [forecast]),
  ];
}
