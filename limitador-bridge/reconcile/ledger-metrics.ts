/** Prometheus metrics of the ledger's store and of its reconciliation. */
import { Counter, Gauge, type Registry } from "prom-client";

/** What the store says of itself; null: it is in this process and has no connection to lose. */
export interface LedgerState {
  circuit: "closed" | "open";
  journaledBytes: number;
  replayedEntries: number;
}

export interface LedgerMetrics {
  /** Decisions made from the last known counters, since the store could not be asked. */
  decisionsLocal: Counter<"verdict">;
  decisionsShed: Counter;
  recordLogFailures: Counter;
  restored: Counter;
  rebuilds: Counter;
  driftRatio: Gauge<"against">;
  lastReconciled: Gauge;
  /** Says where the store's gauges read from; before, they tell of a store that is there. */
  watch(state: () => LedgerState | null): void;
}

export function createLedgerMetrics(registry: Registry): LedgerMetrics {
  const counter = <L extends string = never>(name: string, help: string, labelNames: L[] = []) =>
    new Counter({ name, help, labelNames, registers: [registry] });
  let state: () => LedgerState | null = () => null;
  storeGauges(registry, () => state());
  return {
    decisionsLocal: counter(
      "tollgate_store_decisions_local_total",
      "Decisions made from the last known counters while the store was away.",
      ["verdict"],
    ),
    decisionsShed: counter(
      "tollgate_store_decisions_shed_total",
      "Requests refused since too many decisions waited for the store.",
    ),
    recordLogFailures: counter(
      "tollgate_record_log_failures_total",
      "Usage records that the local record log could not keep.",
    ),
    restored: counter(
      "tollgate_ledger_restored_total",
      "Charges that the store had lost and got back from the record log.",
    ),
    rebuilds: counter(
      "tollgate_ledger_rebuilds_total",
      "Times that the store had lost something and was rebuilt from the record log.",
    ),
    driftRatio: new Gauge({
      name: "tollgate_ledger_drift_ratio",
      help: "Largest difference of a counter from the usage records or Prometheus, 0 to 1.",
      labelNames: ["against"],
      registers: [registry],
    }),
    lastReconciled: new Gauge({
      name: "tollgate_ledger_reconciled_timestamp_seconds",
      help: "When the ledger was last compared with the usage records.",
      registers: [registry],
    }),
    watch(given) {
      state = given;
    },
  };
}

function storeGauges(registry: Registry, state: () => LedgerState | null): void {
  const gauge = (name: string, help: string, read: (state: LedgerState | null) => number) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read(state()));
      },
    });
  gauge("tollgate_store_up", "1 while the store is used, 0 while its circuit is open.", (now) =>
    now?.circuit === "open" ? 0 : 1,
  );
  gauge("tollgate_store_circuit_open", "1 while the store is left alone.", (now) =>
    now?.circuit === "open" ? 1 : 0,
  );
  gauge(
    "tollgate_store_journal_bytes",
    "Settlements on disk that the store has to be told.",
    (now) => now?.journaledBytes ?? 0,
  );
  const replayed = new Counter({
    name: "tollgate_store_journal_replayed_total",
    help: "Journaled entries that the store was told when it was back.",
    registers: [registry],
    collect() {
      this.reset();
      this.inc(state()?.replayedEntries ?? 0);
    },
  });
  replayed.inc(0);
}
