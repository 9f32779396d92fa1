/** The ledger of a service: opened, watched, reconciled, and loud about what goes wrong. */
import type { Log } from "../admission/ports.ts";
import type { Metrics } from "../metrics.ts";
import { type Ledger, openLedger } from "./open-ledger.ts";
import { type ReconcileJob, startReconcileJob } from "./reconcile-job.ts";

export interface ServiceLedgerOptions {
  /** Store URL. */
  store: string;
  journal: string;
  storeTimeoutMs: number;
  /** 0: never. */
  reconcileIntervalMs: number;
  prometheusUrl: string | null;
}

/**
 * Opens the store of a service.
 * @throws StoreError as openLedger does.
 */
export async function openServiceLedger(
  options: ServiceLedgerOptions,
  metrics: Metrics,
  log: Log,
): Promise<Omit<Ledger, "redis">> {
  const { ledger: counted } = metrics;
  const ledger = await openLedger(options.store, {
    journal: options.journal,
    decisionTimeoutMs: options.storeTimeoutMs,
    nowMs: Date.now,
    onCircuit(isOpen) {
      if (isOpen) log.error({}, "STORE IS AWAY: policies decide, settlements are journaled");
      else log.warn({}, "store is back: the journal is replayed");
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
    onLogFailure(error, entries) {
      counted.recordLogFailures.inc(entries);
      log.error({ err: error, entries }, "record log failed: only the store has these charges");
    },
  });
  metrics.ledger.watch(ledger.state);
  const job = reconcileJob(ledger, options, metrics, log);
  return {
    store: ledger.store,
    state: ledger.state,
    async close() {
      await job?.stop();
      await ledger.close();
    },
  };
}

/** null: in a store of one process, counters and records are written in one step. */
function reconcileJob(
  { redis, store }: Ledger,
  { reconcileIntervalMs, prometheusUrl }: ServiceLedgerOptions,
  metrics: Metrics,
  log: Log,
): ReconcileJob | null {
  if (redis === null) return null;
  const intervalMs = reconcileIntervalMs;
  const parts = { calls: redis, store, intervalMs, prometheusUrl, metrics: metrics.ledger, log };
  return startReconcileJob({ ...parts, nowMs: Date.now });
}
