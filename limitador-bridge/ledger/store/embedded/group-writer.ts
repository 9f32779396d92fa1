/**
 * Writes to LevelDB in order, one batch at a time: what comes while a batch is being written goes
 * together in the next one, so that one fsync serves many callers.
 *
 * LevelDB keeps no order between batches in flight at once, hence one at a time. A batch without
 * `sync` is in the operating system's page cache when it resolves: it survives kill -9 of this
 * process, but not the loss of power. With `sync` it is on disk.
 *
 * What could not be written is tried again, by itself, until it is: nobody else may ask for a
 * write while writing fails.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { ClassicLevel } from "classic-level";
import type { Ended } from "../../hold.ts";
import { StoreError } from "../store-error.ts";
import { encodeEnded, endedKey, pruneRow } from "./rows.ts";

/** After a first failure; each further one is waited for twice as long, up to the most. */
const FIRST_RETRY_MS = 250;
const MOST_RETRY_MS = 1_000;

/** Writes what counters and holds are when a batch is written; undefined: the row is deleted. */
export interface RowSource {
  counter(id: string): { key: string; value: string | undefined };
  hold(id: string): { key: string; value: string | undefined };
}

class Batch {
  readonly counters = new Set<string>();
  readonly holds = new Set<string>();
  /** null: delete. Of several with one key the last counts. */
  rows: [key: string, value: string | null][] = [];
  readonly ended = new Map<string, Ended>();
  readonly written: Promise<void>;
  sync = false;
  awaited = false;
  resolve: () => void = () => {};
  reject: (error: Error) => void = () => {};

  constructor() {
    this.written = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // Whoever awaits it gets the rejection; where nobody does, it must not end the process.
    this.written.catch(() => {});
  }
}

export class GroupWriter {
  readonly #db: ClassicLevel;
  readonly #source: RowSource;
  #pending = new Batch();
  #inFlight: Batch | null = null;
  #writing = false;
  #failure: StoreError | null = null;
  /**
   * A write that failed can leave half a record at the end of LevelDB's log, and what is appended
   * behind that is not read at the next opening.
   */
  #logIsTorn = false;
  #retry: NodeJS.Timeout | undefined;
  #retryMs = FIRST_RETRY_MS;
  #stopped = false;

  constructor(db: ClassicLevel, source: RowSource) {
    this.#db = db;
    this.#source = source;
  }

  counterChanged(id: string): void {
    this.#pending.counters.add(id);
  }

  holdChanged(id: string): void {
    this.#pending.holds.add(id);
  }

  /** Stages one row; null deletes it. */
  put(key: string, value: string | null): void {
    this.#pending.rows.push([key, value]);
  }

  /** Stages what became of an id; a deletion of the same row that is staged too comes before. */
  end(id: string, ended: Ended): void {
    this.#pending.ended.set(id, ended);
  }

  /** What became of an id, as far as it is not yet written. */
  unwrittenEnded(id: string): Ended | undefined {
    return this.#pending.ended.get(id) ?? this.#inFlight?.ended.get(id);
  }

  /** Counters that changed since they were written. */
  unwrittenCounters(): string[] {
    return [...this.#pending.counters, ...(this.#inFlight?.counters ?? [])];
  }

  /** @throws StoreError unavailable after stop(). */
  assertOpen(): void {
    if (this.#stopped) throw new StoreError("unavailable", "embedded store is closed");
  }

  /** @throws StoreError unavailable while writing fails, and after stop(). */
  assertWorking(): void {
    this.assertOpen();
    if (this.#failure !== null) throw this.#failure;
  }

  /** Writes what is staged; nothing can be written after. A second call does nothing. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    clearTimeout(this.#retry);
    await this.commit("sync");
  }

  /**
   * Resolves when all that was staged until now is written.
   * @throws StoreError unavailable where it could not be; it stays staged for the next try.
   */
  commit(durability: "sync" | "process"): Promise<void> {
    const batch = this.#pending;
    batch.sync ||= durability === "sync";
    batch.awaited = true;
    if (!this.#writing) void this.#writeAll();
    return batch.written;
  }

  async #writeAll(): Promise<void> {
    this.#writing = true;
    // All requests that are handled in this turn of the event loop go together.
    await nextTurn();
    while (this.#pending.awaited) {
      const batch = this.#pending;
      this.#inFlight = batch;
      this.#pending = new Batch();
      try {
        await this.#write(batch);
        this.#failure = null;
        this.#retryMs = FIRST_RETRY_MS;
        batch.resolve();
      } catch (cause) {
        this.#logIsTorn = true;
        const why = cause instanceof Error ? cause.message : String(cause);
        this.#failure = new StoreError("unavailable", `embedded store cannot write: ${why}`, cause);
        this.#restage(batch);
        batch.reject(this.#failure);
      }
    }
    this.#inFlight = null;
    this.#writing = false;
    if (this.#failure !== null && !this.#stopped) this.#retryLater();
  }

  /** Writes what is staged after a while, whether or not anybody asks for it. */
  #retryLater(): void {
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.commit("process"), this.#retryMs);
    this.#retry.unref();
    this.#retryMs = Math.min(2 * this.#retryMs, MOST_RETRY_MS);
  }

  /** Opening keeps what is whole, and begins a new log. */
  async #reopen(): Promise<void> {
    await this.#db.close();
    await this.#db.open();
    this.#logIsTorn = false;
  }

  async #write(batch: Batch): Promise<void> {
    if (this.#logIsTorn) await this.#reopen();
    const chained = this.#db.batch();
    const add = (key: string, value: string | null | undefined) => {
      if (value === null || value === undefined) chained.del(key);
      else chained.put(key, value);
    };
    for (const id of batch.counters) {
      const { key, value } = this.#source.counter(id);
      add(key, value);
    }
    for (const id of batch.holds) {
      const { key, value } = this.#source.hold(id);
      add(key, value);
    }
    for (const [key, value] of batch.rows) add(key, value);
    for (const [id, ended] of batch.ended) add(endedKey(id), encodeEnded(ended));
    if (batch.ended.size > 0) {
      const { key, value } = pruneRow(batch.ended);
      add(key, value);
    }
    if (chained.length === 0) await chained.close();
    else await chained.write({ sync: batch.sync });
  }

  /** Puts what could not be written under what has been staged since. */
  #restage(failed: Batch): void {
    const newer = this.#pending;
    for (const id of failed.counters) newer.counters.add(id);
    for (const id of failed.holds) newer.holds.add(id);
    newer.rows = [...failed.rows, ...newer.rows];
    for (const [id, ended] of failed.ended) if (!newer.ended.has(id)) newer.ended.set(id, ended);
    newer.sync ||= failed.sync;
  }
}
