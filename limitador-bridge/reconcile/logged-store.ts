/**
 * A Redis store whose charges are also kept in the record log of this process (see Recovery). A
 * settlement is acknowledged when both have it.
 */
import type { UsageRecord } from "../contract/usage-record.ts";
import { dropOldest } from "../drop-oldest.ts";
import type {
  CounterView,
  RecordPage,
  RecordQuery,
  ReserveRequest,
  ReserveResult,
  Settlement,
  SettleResult,
  Store,
} from "../ledger/store/store.ts";
import { settledEntry, type Unlogged } from "./log-entry.ts";
import type { RecordLog } from "./record-log.ts";
import type { Recovery } from "./recovery.ts";

export interface LoggedStoreOptions {
  inner: Store;
  log: Pick<RecordLog, "append">;
  recovery: Recovery;
  /** What a hold that expired was charged; null where the store knows of none. */
  expiredEntry: (id: string) => Promise<Unlogged | null>;
  /** Told the record of each hold that expired. */
  onExpired?: (record: UsageRecord) => void;
  /** Told when the log cannot keep entries: the store alone has them. */
  onLogFailure: (error: Error, entries: number) => void;
}

const maxRecent = 100_000;

export class LoggedStore implements Store {
  readonly #given: LoggedStoreOptions;
  /** Ids logged lately, to tell a settlement sent twice from one that was not logged. */
  readonly #recent = new Set<string>();

  constructor(options: LoggedStoreOptions) {
    this.#given = options;
  }

  async reserve(request: ReserveRequest): Promise<ReserveResult> {
    await this.#ready();
    return this.#given.inner.reserve(request);
  }

  async settle(settlements: Settlement[]): Promise<SettleResult[]> {
    await this.#ready();
    const results = await this.#given.inner.settle(settlements);
    const entries: Unlogged[] = [];
    results.forEach((result, index) => {
      // Known to the store, not to this log: perhaps this process was killed between the two.
      const known = result.duplicate && this.#recent.has(result.id);
      if (!known) entries.push(settledEntry(settlements[index] as Settlement, result));
    });
    await this.#keep(entries);
    return results;
  }

  async release(id: string): Promise<void> {
    await this.#ready();
    await this.#given.inner.release(id);
  }

  async shrink(id: string, parts: number): Promise<void> {
    await this.#ready();
    await this.#given.inner.shrink(id, parts);
  }

  async expire(): Promise<string[]> {
    await this.#ready();
    const ids = await this.#given.inner.expire();
    const found = await Promise.all(ids.map((id) => this.#given.expiredEntry(id)));
    const entries = found.filter((entry) => entry !== null);
    for (const { record } of entries) this.#given.onExpired?.(record);
    await this.#keep(entries);
    return ids;
  }

  async appendRecord(record: UsageRecord): Promise<void> {
    await this.#ready();
    await this.#given.inner.appendRecord(record);
    await this.#keep([{ kind: "record", id: record.id, record, charges: [] }]);
  }

  counters(prefix: string, limit: number): Promise<CounterView[]> {
    return this.#given.inner.counters(prefix, limit);
  }

  records(query: RecordQuery): Promise<RecordPage> {
    return this.#given.inner.records(query);
  }

  async ping(): Promise<void> {
    await this.#given.inner.ping();
    await this.#ready();
  }

  close(): Promise<void> {
    return this.#given.inner.close();
  }

  async #ready(): Promise<void> {
    if (!this.#given.recovery.isReady) await this.#given.recovery.ready();
  }

  async #keep(entries: Unlogged[]): Promise<void> {
    if (entries.length === 0) return;
    try {
      this.#given.recovery.logged(await this.#given.log.append(entries));
      for (const { id } of entries) {
        this.#recent.add(id);
        dropOldest(this.#recent, maxRecent);
      }
    } catch (error) {
      this.#given.onLogFailure(error as Error, entries.length);
    }
  }
}
