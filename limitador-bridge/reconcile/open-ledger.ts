/**
 * Opens the ledger's store for a service. One on Redis gets, around it, a record log on this
 * machine's disk from which it is rebuilt, and around both what decides and journals while Redis
 * is away:
 *
 *   ResilientStore ─► LoggedStore ─► RedisStore
 *        journal         record log
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { UsageRecord } from "../contract/usage-record.ts";
import { openStore } from "../ledger/store/open-store.ts";
import { parseRedisUrl, type RedisUrl } from "../ledger/store/redis/redis-url.ts";
import { openResilient, type ResilientStore } from "../ledger/store/resilient.ts";
import type { Store } from "../ledger/store/store.ts";
import { ChargeSums } from "./charge-sums.ts";
import type { LedgerState } from "./ledger-metrics.ts";
import { LoggedStore } from "./logged-store.ts";
import { RecordLog } from "./record-log.ts";
import { Recovery } from "./recovery.ts";
import type { RedisRecovery } from "./redis-recovery.ts";

export interface LedgerOptions {
  /** Folder of this process alone; used for Redis only. */
  journal: string;
  /** Longest wait for a decision of Redis. */
  decisionTimeoutMs: number;
  nowMs: () => number;
  onCircuit: (isOpen: boolean) => void;
  onWarning: (message: string) => void;
  /** Redis has lost data, and is rebuilt. */
  onLost: (shards: number) => void;
  onRestored: (entries: number) => void;
  onLogFailure: (error: Error, entries: number) => void;
  /** Told the record of each hold that this process found expired, once it is written. */
  onExpired?: (record: UsageRecord) => void;
}

export interface Ledger {
  store: Store;
  /** null: a store in this process, which has no connection to lose. */
  state(): LedgerState | null;
  /** What reconciliation looks at; null: counters and records are written in one step. */
  redis: RedisRecovery | null;
  close(): Promise<void>;
}

const CHECK_EVERY_MS = 250;
const PRUNE_EVERY_MS = 3_600_000;

/**
 * Opens the store.
 * @throws StoreError as openStore does; with Redis only where the journal cannot be used.
 */
export async function openLedger(url: string, options: LedgerOptions): Promise<Ledger> {
  if (!url.startsWith("redis")) {
    const { onWarning, onExpired = () => {} } = options;
    const store = await openStore(url, { onWarning, onExpired });
    return { store, state: () => null, redis: null, close: () => store.close() };
  }
  const parsed = parseRedisUrl(url);
  const folder = join(options.journal, storeName(parsed));
  // Their client takes long to load, and most ledgers have none.
  const [{ RedisStore }, { RedisRecovery }] = await Promise.all([
    import("../ledger/store/redis.ts"),
    import("./redis-recovery.ts"),
  ]);
  const inner = new RedisStore(url, { onWarning: options.onWarning });
  let recovery: Recovery | undefined;
  const calls = new RedisRecovery(parsed, {
    onWarning: options.onWarning,
    onCutOff: () => recovery?.suspect(),
  });
  try {
    const log = await RecordLog.open(join(folder, "records"), { nowMs: options.nowMs });
    recovery = newRecovery(calls, log, options);
    const logged = new LoggedStore({
      inner,
      log,
      recovery,
      expiredEntry: (id) => calls.expiredEntry(id),
      ...(options.onExpired === undefined ? {} : { onExpired: options.onExpired }),
      onLogFailure: options.onLogFailure,
    });
    const { onCircuit, onWarning, decisionTimeoutMs } = options;
    const store = await openResilient(logged, {
      journalPath: folder,
      reserveTimeoutMs: decisionTimeoutMs,
      onCircuit,
      onWarning,
    });
    return { ...watched(store, { log, recovery, calls, onWarning }), redis: calls };
  } catch (error) {
    await Promise.all([inner.close(), calls.close()]);
    throw error;
  }
}

function newRecovery(calls: RedisRecovery, log: RecordLog, options: LedgerOptions): Recovery {
  const { nowMs, onLost, onRestored, onWarning } = options;
  const sums = new ChargeSums();
  return new Recovery({ calls, log, sums, nowMs, onLost, onRestored, onWarning });
}

/** Checks and prunes from time to time, until it is closed. */
function watched(
  store: ResilientStore,
  parts: {
    log: RecordLog;
    recovery: Recovery;
    calls: RedisRecovery;
    onWarning: (message: string) => void;
  },
): Omit<Ledger, "redis"> {
  const { log, recovery, calls, onWarning } = parts;
  const told = (what: string) => (error: Error) => onWarning(`${what}: ${error.message}`);
  // While the store is away, the circuit breaker is who tells of it.
  const check = setInterval(() => recovery.check().catch(() => {}), CHECK_EVERY_MS);
  const prune = setInterval(
    () =>
      log.prune().then((dropped) => {
        if (dropped.length > 0) onWarning(`record log is full, dropped: ${dropped.join(", ")}`);
      }, told("record log not pruned")),
    PRUNE_EVERY_MS,
  );
  check.unref();
  prune.unref();
  recovery.loadSums().catch(told("record log cannot be read"));
  return {
    store,
    state: () => store.status(),
    async close() {
      clearInterval(check);
      clearInterval(prune);
      await recovery.check().catch(() => {});
      await store.close();
      await log.close();
      await calls.close();
    },
  };
}

/** A folder name for the data that a url names: what is kept for one store is not told another. */
function storeName({ kind, addresses, db, masterName, prefix }: RedisUrl): string {
  const [first] = addresses;
  const identity = JSON.stringify([kind, addresses, db, masterName ?? "", prefix]);
  const hash = createHash("sha256").update(identity).digest("hex").slice(0, 8);
  return `${first?.host}-${first?.port}-${hash}`.replace(/[^\w.-]/g, "_");
}
