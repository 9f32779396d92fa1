/** Writes the usage records of denials beside the request's way: a denial never waits for disk. */
import type { UsageRecord } from "../contract/usage-record.ts";
import type { Store } from "../ledger/store/store.ts";
import type { Metrics } from "../metrics.ts";
import type { Log } from "./ports.ts";

const MAX_PENDING = 10_000;

export interface DenialRecords {
  /** Starts to write the record. Never throws; what cannot be written is counted and logged. */
  write(record: UsageRecord): void;
  /** Resolves when all that was begun is written or given up. */
  flush(): Promise<void>;
}

export function createDenialRecords(
  store: Pick<Store, "appendRecord">,
  metrics: Metrics,
  log: Log,
  maxPending: number = MAX_PENDING,
): DenialRecords {
  const pending = new Set<Promise<void>>();
  const drop = (record: UsageRecord, why: string) => {
    metrics.droppedDenialRecords.inc();
    log.warn({ id: record.id, why }, "usage record of a denial not written");
  };
  const append = async (record: UsageRecord) => {
    try {
      await store.appendRecord(record);
      metrics.countRecord(record);
    } catch (error) {
      metrics.storeErrors.inc();
      drop(record, (error as Error).message);
    }
  };
  return {
    write(record) {
      if (pending.size >= maxPending) {
        drop(record, `${maxPending} records of denials are waiting to be written`);
        return;
      }
      const written = append(record).finally(() => pending.delete(written));
      pending.add(written);
    },
    async flush() {
      while (pending.size > 0) await Promise.all(pending);
    },
  };
}
