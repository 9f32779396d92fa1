/**
 * The durable store of one process: counters and holds in memory, every change written through to
 * LevelDB. Two processes cannot open one folder.
 *
 * What is promised when a call resolves:
 *   settle, expire, close   on disk (fsync), also after loss of power
 *   reserve, release,       in the operating system's page cache: after kill -9 of the process the
 *   shrink, appendRecord    hold is there and the budget cannot be overspent by it. After loss of
 *                           power the hold may be gone; its settlement is charged all the same.
 *
 * A call that throws because nothing can be written leaves nothing held; what was settled stays
 * so and is written later, and whoever settles it again is told of it as of the first time.
 *
 * Ids that were settled are remembered in LevelDB and not in memory, since in 25 hours there may
 * be many millions; looking one up takes about a microsecond.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { ClassicLevel } from "classic-level";
import type { UsageRecord } from "../../contract/usage-record.ts";
import { dropOldest } from "../../drop-oldest.ts";
import { Book, type BookKeeper } from "../book.ts";
import { type Ended, endedTtlMs, type Hold } from "../hold.ts";
import {
  checkId,
  checkParts,
  checkReserve,
  checkSettlement,
  recordTimeMs,
} from "../request-check.ts";
import { Clock } from "./clock.ts";
import { counterIds } from "./embedded/counter-ids.ts";
import { GroupWriter } from "./embedded/group-writer.ts";
import { type OpenedLevel, openLevel } from "./embedded/open-level.ts";
import { keysBefore, readRecords } from "./embedded/record-rows.ts";
import {
  counterKey,
  decodeEnded,
  decodePruneRow,
  encodeCounter,
  encodeHold,
  encodeRecord,
  endedKey,
  holdKey,
  rangeOfKind,
  recordKeys,
} from "./embedded/rows.ts";
import { defaultRetentionMs, timeKey } from "./record-query.ts";
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
import { StoreError } from "./store-error.ts";

export interface EmbeddedStoreOptions {
  nowMs?: () => number;
  recordRetentionMs?: number;
  /** Told the record of each hold that expired, once it is on disk. */
  onExpired?: (record: UsageRecord) => void;
}

const dropSlice = 2000;
const expireSlice = 500;
/** Rows that one call of expire() forgets at most; the rest waits for the next call. */
const maxPruned = 20_000;
const pruneSlice = 500;
/** Settlements whose write failed, of which the newest are remembered. */
const maxUnacknowledged = 10_000;

/**
 * Opens the store in a folder, which is made where it is missing.
 * @throws StoreError locked, corrupt or unavailable (see openLevel).
 */
export async function openEmbeddedStore(
  path: string,
  options: EmbeddedStoreOptions = {},
): Promise<EmbeddedStore> {
  return new EmbeddedStore(await openLevel(path), options);
}

export class EmbeddedStore implements Store {
  readonly #clock: Clock;
  readonly #book: Book;
  readonly #db: ClassicLevel;
  readonly #writer: GroupWriter;
  readonly #recordRetentionMs: number;
  readonly #onExpired: (record: UsageRecord) => void;
  /** By id, what was settled by calls that threw, and the record that each replaced. */
  readonly #unacknowledged = new Map<string, UsageRecord | undefined>();
  /** Holds that expired and that nobody was told of yet. */
  #untold: Hold[] = [];

  constructor({ db, counters, holds }: OpenedLevel, options: EmbeddedStoreOptions) {
    this.#db = db;
    this.#clock = new Clock(options.nowMs ?? Date.now);
    this.#recordRetentionMs = options.recordRetentionMs ?? defaultRetentionMs;
    this.#onExpired = options.onExpired ?? (() => {});
    this.#book = new Book(this.#keeper());
    for (const [id, state] of counters) {
      this.#book.counters.set(id, state);
      this.#clock.seen(state.startMs);
    }
    for (const [id, hold] of holds) this.#book.holds.set(id, hold);
    this.#writer = new GroupWriter(db, {
      counter: (id) => {
        const state = this.#book.counters.get(id);
        return { key: counterKey(id), value: state && encodeCounter(state) };
      },
      hold: (id) => {
        const hold = this.#book.holds.get(id);
        return { key: holdKey(id), value: hold && encodeHold(hold) };
      },
    });
  }

  #keeper(): BookKeeper {
    return {
      ended: (id) => this.#ended(id),
      counterChanged: (id) => this.#writer.counterChanged(id),
      holdChanged: (id) => this.#writer.holdChanged(id),
      end: (id, ended) => this.#writer.end(id, ended),
      record: (record, replaces) => this.#putRecord(record, replaces),
    };
  }

  #ended(id: string): Ended | undefined {
    const unwritten = this.#writer.unwrittenEnded(id);
    if (unwritten !== undefined) return unwritten;
    const value = this.#db.getSync(endedKey(id));
    return value === undefined ? undefined : decodeEnded(endedKey(id), value);
  }

  #putRecord(record: UsageRecord, replaces: UsageRecord | null): void {
    if (replaces !== null) {
      const { row, index } = recordKeys(replaces);
      this.#writer.put(row, null);
      if (index !== null) this.#writer.put(index, null);
    }
    const { row, index } = recordKeys(record);
    this.#writer.put(row, encodeRecord(record));
    if (index !== null) this.#writer.put(index, "");
  }

  async reserve(request: ReserveRequest): Promise<ReserveResult> {
    checkReserve(request);
    this.#writer.assertWorking();
    const isNew = !this.#book.holds.has(request.id);
    const result = this.#book.reserve(request, this.#clock.nowMs());
    if (!result.admitted) return result;
    try {
      await this.#writer.commit("process");
    } catch (error) {
      // Nobody is told that it is held, so that nobody would give it back.
      if (isNew) this.#book.release(request.id);
      throw error;
    }
    return result;
  }

  async settle(settlements: Settlement[]): Promise<SettleResult[]> {
    for (const settlement of settlements) checkSettlement(settlement);
    this.#writer.assertWorking();
    const nowMs = this.#clock.nowMs();
    const results = settlements.map((settlement) => this.#book.settle(settlement, nowMs));
    try {
      // Also where all are duplicates: the first of them may not be on disk yet.
      await this.#writer.commit("sync");
    } catch (error) {
      for (const { id, duplicate, replaced } of results) {
        if (!duplicate) this.#unacknowledged.set(id, replaced);
      }
      dropOldest(this.#unacknowledged, maxUnacknowledged);
      throw error;
    }
    return results.map((result) => this.#acknowledged(result));
  }

  /** The result; of what was settled before by a call that threw alone, that call's. */
  #acknowledged(result: SettleResult): SettleResult {
    const { id, counters } = result;
    const replaced = this.#unacknowledged.get(id);
    if (!this.#unacknowledged.delete(id) || !result.duplicate) return result;
    return { id, duplicate: false, counters, ...(replaced === undefined ? {} : { replaced }) };
  }

  async release(id: string): Promise<void> {
    this.#writer.assertOpen();
    this.#book.release(id);
    this.#writer.assertWorking();
    await this.#writer.commit("process");
  }

  async shrink(id: string, parts: number): Promise<void> {
    checkId(id);
    checkParts(parts);
    this.#writer.assertOpen();
    this.#book.shrink(id, parts);
    this.#writer.assertWorking();
    await this.#writer.commit("process");
  }

  async expire(): Promise<string[]> {
    this.#writer.assertWorking();
    const nowMs = this.#clock.nowMs();
    for (const holds of this.#book.expire(nowMs, expireSlice)) {
      this.#untold.push(...holds);
      await this.#writer.commit("sync");
    }
    for (const _slice of this.#book.dropOver(nowMs, dropSlice)) await nextTurn();
    await this.#pruneEnded(nowMs - endedTtlMs);
    await this.#pruneRecords(nowMs - this.#recordRetentionMs);
    return this.#tellExpired();
  }

  /** Also of holds that expired in an earlier call, which could not write and threw. */
  #tellExpired(): string[] {
    const told = this.#untold;
    this.#untold = [];
    for (const { expiryRecord } of told) if (expiryRecord !== null) this.#onExpired(expiryRecord);
    return told.map(({ id }) => id);
  }

  /** Forgets ids that were settled or expired up to `untilMs`. */
  async #pruneEnded(untilMs: number): Promise<void> {
    if (untilMs < 0) return;
    for (let pruned = 0; pruned < maxPruned; ) {
      const { keys, ids } = await this.#dueEnded(untilMs);
      for (const id of ids) {
        const ended = this.#ended(id);
        // An id that expired and was settled later is due twice.
        if (ended !== undefined && ended.atMs <= untilMs) this.#writer.put(endedKey(id), null);
      }
      for (const key of keys) this.#writer.put(key, null);
      await this.#writer.commit("process");
      if (ids.length < pruneSlice) return;
      pruned += ids.length;
    }
  }

  /** Rows of what ended up to `untilMs`, the oldest; as many as have `pruneSlice` ids. */
  async #dueEnded(untilMs: number): Promise<{ keys: string[]; ids: string[] }> {
    const { gte } = rangeOfKind("p");
    const due: { keys: string[]; ids: string[] } = { keys: [], ids: [] };
    for await (const [key, value] of this.#db.iterator({ gte, lt: `p!${timeKey(untilMs + 1)}` })) {
      due.keys.push(key);
      due.ids.push(...decodePruneRow(key, value));
      if (due.ids.length >= pruneSlice) break;
    }
    return due;
  }

  /** Deletes records of requests that began before `beforeMs`. */
  async #pruneRecords(beforeMs: number): Promise<void> {
    if (beforeMs < 0) return;
    for (let pruned = 0; pruned < maxPruned; pruned += pruneSlice) {
      const keys = await keysBefore(this.#db, beforeMs, pruneSlice);
      for (const key of keys) this.#writer.put(key, null);
      await this.#writer.commit("process");
      if (keys.length < pruneSlice) return;
    }
  }

  async appendRecord(record: UsageRecord): Promise<void> {
    recordTimeMs(record);
    this.#writer.assertWorking();
    this.#putRecord(record, null);
    await this.#writer.commit("process");
  }

  async counters(prefix: string, limit: number): Promise<CounterView[]> {
    const nowMs = this.#clock.nowMs();
    try {
      const ids = await counterIds(this.#db, {
        prefix,
        limit,
        unwritten: this.#writer.unwrittenCounters(),
        isLive: (id) => this.#book.isLive(id, nowMs),
      });
      return this.#book.viewsOf(ids, limit, nowMs);
    } catch (cause) {
      if (this.#db.status === "open") throw cause;
      // After a failed write it is closed and opened again; all is in memory, too.
      return this.#book.views(prefix, limit, nowMs);
    }
  }

  async records(query: RecordQuery): Promise<RecordPage> {
    this.#writer.assertOpen();
    try {
      return await readRecords(this.#db, query);
    } catch (cause) {
      // After a failed write it is closed and opened again.
      if (this.#db.status === "open") throw cause;
      throw new StoreError("unavailable", "embedded store is not open at the moment", cause);
    }
  }

  /** Writes a row, so that a full disk is noticed; an earlier failure ends where that works. */
  async ping(): Promise<void> {
    this.#writer.assertOpen();
    this.#writer.put("m!ping", "");
    await this.#writer.commit("process");
  }

  async close(): Promise<void> {
    try {
      await this.#writer.stop();
    } finally {
      await this.#db.close();
    }
  }
}
