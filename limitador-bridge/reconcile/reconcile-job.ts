/** The scheduled reconciliation: compares and tells; people put right (`tollgate reconcile`). */
import type { Log } from "../admission/ports.ts";
import type { LedgerDrift } from "../alerts/ledger-alert.ts";
import { parseCounterId } from "../ledger/counter.ts";
import type { Store } from "../ledger/store/store.ts";
import { type PeriodicJob, startPeriodicJob } from "../periodic-job.ts";
import { type Compared, driftToTell } from "./compare.ts";
import type { LedgerMetrics } from "./ledger-metrics.ts";
import { comparePrometheus, type TeamDrift } from "./prometheus.ts";
import { compareAll, drifting, type ReconcileCalls } from "./reconcile.ts";

export interface ReconcileJobParts {
  calls: Pick<ReconcileCalls, "counters" | "publishedSums">;
  store: Pick<Store, "records">;
  /** 0: only run() begins one. */
  intervalMs: number;
  prometheusUrl: string | null;
  metrics: LedgerMetrics;
  log: Log;
  /** Told of what drifts more than is let pass, with each run that finds it. */
  onDrift: (drift: LedgerDrift) => void;
  nowMs: () => number;
}

/** Counters told by name in one line of the log. */
const MAX_TOLD = 10;

export function startReconcileJob(parts: ReconcileJobParts): PeriodicJob {
  return startPeriodicJob(() => reconcileOnce(parts), parts.intervalMs);
}

async function reconcileOnce(parts: ReconcileJobParts): Promise<void> {
  const { calls, store, prometheusUrl, metrics, log, nowMs } = parts;
  try {
    const compared = await compareAll(calls);
    metrics.driftRatio.set({ against: "records" }, compared[0]?.drift ?? 0);
    metrics.lastReconciled.set(nowMs() / 1000);
    tellCounters(parts, drifting(compared));
  } catch (error) {
    log.error({ err: error }, "ledger not reconciled");
  }
  if (prometheusUrl === null) return;
  try {
    const teams = await comparePrometheus(prometheusUrl, store, nowMs());
    metrics.driftRatio.set({ against: "prometheus" }, teams[0]?.drift ?? 0);
    tellTeams(parts, teams);
  } catch (error) {
    log.error({ err: error }, "ledger not compared with Prometheus");
  }
}

type Told = Pick<ReconcileJobParts, "log" | "onDrift">;

function tellCounters({ log, onDrift }: Told, wrong: Compared[]): void {
  const [worst] = wrong;
  if (worst === undefined) return;
  const { key } = parseCounterId(worst.counterId);
  onDrift({ against: "records", count: wrong.length, worst: key, drift: worst.drift });
  const counters = wrong
    .slice(0, MAX_TOLD)
    .map(({ counterId, ledger, records }) => ({ counterId, ledger, records }));
  log.error(
    { drifting: wrong.length, counters },
    "ledger and usage records differ: run `tollgate reconcile`",
  );
}

function tellTeams({ log, onDrift }: Told, teams: TeamDrift[]): void {
  const wrong = teams.filter(({ drift }) => drift > driftToTell);
  const [worst] = wrong;
  if (worst === undefined) return;
  const { team, drift } = worst;
  onDrift({ against: "prometheus", count: wrong.length, worst: team, drift });
  log.error({ teams: wrong.slice(0, MAX_TOLD) }, "usage records and Prometheus differ");
}
