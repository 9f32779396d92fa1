/** A store in this process's memory: for trying out and for tests. A restart forgets all. */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { UsageRecord } from "../../contract/usage-record.ts";
import { Book, type BookKeeper } from "../book.ts";
import { type Ended, endedTtlMs } from "../hold.ts";
import {
  checkId,
  checkParts,
  checkReserve,
  checkSettlement,
  recordTimeMs,
} from "../request-check.ts";
import { Clock } from "./clock.ts";
import { RecordList } from "./record-list.ts";
import { defaultRetentionMs } from "./record-query.ts";
import type {
  CounterView,
  RecordPage,
  RecordQuery,
  ReserveRequest,
  ReserveResult,
  Settlement,
  SettleResult,
  Store,
} from "./store.ts";

export interface MemoryStoreOptions {
  nowMs?: () => number;
  recordRetentionMs?: number;
  /** The newest so many records are kept. */
  maxRecords?: number;
  /** Told the record of each hold that expired. */
  onExpired?: (record: UsageRecord) => void;
}

const dropSlice = 2000;
const expireSlice = 500;

export class MemoryStore implements Store {
  readonly #clock: Clock;
  readonly #book: Book;
  readonly #ended = new Map<string, Ended>();
  readonly #records: RecordList;
  readonly #recordRetentionMs: number;
  readonly #onExpired: (record: UsageRecord) => void;

  constructor(options: MemoryStoreOptions = {}) {
    this.#clock = new Clock(options.nowMs ?? Date.now);
    this.#recordRetentionMs = options.recordRetentionMs ?? defaultRetentionMs;
    this.#onExpired = options.onExpired ?? (() => {});
    this.#records = new RecordList(options.maxRecords ?? 200_000);
    const keeper: BookKeeper = {
      ended: (id) => this.#ended.get(id),
      counterChanged: () => {},
      holdChanged: () => {},
      end: (id, ended) => {
        // Deleted first, so that the map stays in the order of time.
        this.#ended.delete(id);
        this.#ended.set(id, ended);
      },
      record: (record, replaces) => this.#records.add(record, replaces),
    };
    this.#book = new Book(keeper);
  }

  async reserve(request: ReserveRequest): Promise<ReserveResult> {
    checkReserve(request);
    return this.#book.reserve(request, this.#clock.nowMs());
  }

  async settle(settlements: Settlement[]): Promise<SettleResult[]> {
    for (const settlement of settlements) checkSettlement(settlement);
    const nowMs = this.#clock.nowMs();
    return settlements.map((settlement) => this.#book.settle(settlement, nowMs));
  }

  async release(id: string): Promise<void> {
    this.#book.release(id);
  }

  async shrink(id: string, parts: number): Promise<void> {
    checkId(id);
    checkParts(parts);
    this.#book.shrink(id, parts);
  }

  async expire(): Promise<string[]> {
    const nowMs = this.#clock.nowMs();
    const expired: string[] = [];
    for (const holds of this.#book.expire(nowMs, expireSlice)) {
      for (const { id, expiryRecord } of holds) {
        expired.push(id);
        if (expiryRecord !== null) this.#onExpired(expiryRecord);
      }
      await nextTurn();
    }
    for (const [id, ended] of this.#ended) {
      if (ended.atMs > nowMs - endedTtlMs) break;
      this.#ended.delete(id);
    }
    this.#records.dropBefore(Math.max(0, nowMs - this.#recordRetentionMs));
    for (const _slice of this.#book.dropOver(nowMs, dropSlice)) await nextTurn();
    return expired;
  }

  async appendRecord(record: UsageRecord): Promise<void> {
    recordTimeMs(record);
    this.#records.add(record, null);
  }

  async counters(prefix: string, limit: number): Promise<CounterView[]> {
    return this.#book.views(prefix, limit, this.#clock.nowMs());
  }

  async records(query: RecordQuery): Promise<RecordPage> {
    return this.#records.page(query);
  }

  async ping(): Promise<void> {}

  async close(): Promise<void> {}
}
