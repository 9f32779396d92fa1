/** Looks every few minutes at where the spending of each budget is heading. */
import type { Log } from "../admission/ports.ts";
import type { BudgetState } from "../budget/budget-state.ts";
import { type PeriodicJob, startPeriodicJob } from "../periodic-job.ts";
import type { Alert } from "./alert.ts";
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
        const alert = forecastAlert(state, nowMs());
        if (alert !== null) raise(alert);
      }
    } catch (error) {
      log.warn({ err: error }, "budgets not read: no forecast");
    }
  };
  return startPeriodicJob(look, intervalMs);
}
