/** The ledger of a service: opened, watched, reconciled, and loud about what goes wrong. */
import type { Log } from "../admission/ports.ts";
import type { Alert } from "../alerts/alert.ts";
import { driftAlert, type LedgerDrift, storeAlert } from "../alerts/ledger-alert.ts";
import type { Metrics } from "../metrics.ts";
import type { PeriodicJob } from "../periodic-job.ts";
import { type Ledger, openLedger } from "./open-ledger.ts";
import { type ReconcileJobParts, startReconcileJob } from "./reconcile-job.ts";

export interface ServiceLedgerOptions {
  /** Store URL. */
  store: string;
  journal: string;
  storeTimeoutMs: number;
  /** 0: never. */
  reconcileIntervalMs: number;
  prometheusUrl: string | null;
}

export interface ServiceLedger extends Omit<Ledger, "redis"> {
  /** Says who takes alerts, as often as there is cause; see AlertQueue. */
  tellAlerts(raise: (alert: Alert) => void): void;
}

/** While the store is away, it is told again. */
const TELL_EVERY_MS = 60_000;

/**
 * Opens the store of a service.
 * @throws StoreError as openLedger does.
 */
export async function openServiceLedger(
  options: ServiceLedgerOptions,
  metrics: Metrics,
  log: Log,
): Promise<ServiceLedger> {
  const { ledger: counted } = metrics;
  let raise: (alert: Alert) => void = () => {};
  const ledger = await openLedger(options.store, {
    journal: options.journal,
    decisionTimeoutMs: options.storeTimeoutMs,
    nowMs: Date.now,
    onCircuit(isOpen) {
      if (!isOpen) return log.warn({}, "store is back: the journal is replayed");
      log.error({}, "STORE IS AWAY: policies decide, settlements are journaled");
      raise(storeAlert(Date.now()));
    },
    onWarning: (warning) => log.warn({ warning }, "store"),
    onLost(shards) {
      counted.rebuilds.inc();
      log.error({ shards }, "STORE HAS LOST DATA: it is rebuilt from the record log");
    },
    onRestored(entries) {
      counted.restored.inc(entries);
      log.warn({ entries }, "the store got back what it had lost");
    },
    onExpired: metrics.countExpired,
    onLogFailure(error, entries) {
      counted.recordLogFailures.inc(entries);
      log.error({ err: error, entries }, "record log failed: only the store has these charges");
    },
  });
  metrics.ledger.watch(ledger.state);
  const onDrift = (drift: LedgerDrift) => raise(driftAlert(drift, Date.now()));
  const job = reconcileJob(ledger, options, { onDrift, metrics: counted, log });
  const tell = () => {
    if (ledger.state()?.circuit === "open") raise(storeAlert(Date.now()));
  };
  const again = setInterval(tell, TELL_EVERY_MS);
  again.unref();
  return {
    store: ledger.store,
    state: ledger.state,
    tellAlerts(given) {
      raise = given;
      tell();
    },
    async close() {
      clearInterval(again);
      await job?.stop();
      await ledger.close();
    },
  };
}

/** null: in a store of one process, counters and records are written in one step. */
function reconcileJob(
  { redis, store }: Ledger,
  { reconcileIntervalMs, prometheusUrl }: ServiceLedgerOptions,
  told: Pick<ReconcileJobParts, "onDrift" | "metrics" | "log">,
): PeriodicJob | null {
  if (redis === null) return null;
  const asked = { calls: redis, store, prometheusUrl, intervalMs: reconcileIntervalMs };
  return startReconcileJob({ ...asked, ...told, nowMs: Date.now });
}
