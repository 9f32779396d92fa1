/**
 * A store that may be away (Redis), made so that people get what their policy says and not an
 * outage:
 *   reserve   throws StoreUnavailable in reserveTimeoutMs, and at once while the circuit is open;
 *             the error carries what the local shadow would decide, and the caller's policy says
 *             whether that or a denial is the answer
 *   settle    is journaled on disk where the store is away, and acknowledged; replayed once the
 *             store is back, before decisions go to it again, each id counting once
 *   release, shrink, appendRecord   the same
 * A decision that comes later than its timeout has perhaps been made: where the shadow denied it,
 * it is released. A caller that denies a request after StoreUnavailable calls release as well,
 * which goes out when the decision has ended, and so never before it.
 * A lease is never granted by the shadow, whatever that says: it is given back here at once.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { UsageRecord } from "../../contract/usage-record.ts";
import { dropOldest } from "../../drop-oldest.ts";
import {
  checkId,
  checkParts,
  checkReserve,
  checkSettlement,
  recordTimeMs,
} from "../request-check.ts";
import { AsksUnderWay } from "./resilient/asks-under-way.ts";
import { Breaker } from "./resilient/breaker.ts";
import { Journal, type JournalEntry } from "./resilient/journal.ts";
import { late, Patience } from "./resilient/patience.ts";
import { replayJournal } from "./resilient/replay.ts";
import { Shadow } from "./resilient/shadow.ts";
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
import { NotReplicated, StoreError } from "./store-error.ts";

export interface ResilientOptions {
  /** Folder of the journal; of this process alone. */
  journalPath: string;
  /** A decision is waited for until the store is silent for so long; 40 ms where not given. */
  reserveTimeoutMs?: number;
  /** Longest wait for anything else; 3 s. */
  otherTimeoutMs?: number;
  /** Failures in a row that open the circuit; 5. */
  failuresToOpen?: number;
  /** How often a store that is away is tried; every 500 ms. */
  probeEveryMs?: number;
  /** Decisions asked of the store at one time, before more are refused; 10,000. */
  maxInFlight?: number;
  /** 64 MiB, about 50,000 settlements. */
  maxJournalBytes?: number;
  nowMs?: () => number;
  /** Told when the circuit opens (true) and closes. */
  onCircuit?: (isOpen: boolean) => void;
  /** Told what a person should know. */
  onWarning?: (message: string) => void;
}

export interface StoreStatus {
  circuit: "closed" | "open";
  /** Bytes that wait to be replayed. */
  journaledBytes: number;
  /** Journaled entries that the store was told since this process began. */
  replayedEntries: number;
  inFlight: number;
}

/** Thrown by reserve while the store cannot be asked. */
export class StoreUnavailable extends StoreError {
  /** What the last known counters say. */
  readonly shadow: ReserveResult;

  constructor(message: string, shadow: ReserveResult, cause?: unknown) {
    super("unavailable", message, cause);
    this.name = "StoreUnavailable";
    this.shadow = shadow;
  }
}

const maxNeverAsked = 100_000;
const nearlyReplayedBytes = 256 << 10;

/** @throws StoreError locked or unavailable where the journal cannot be opened. */
export async function openResilient(
  inner: Store,
  options: ResilientOptions,
): Promise<ResilientStore> {
  const maxBytes = options.maxJournalBytes ?? 64 << 20;
  return new ResilientStore(inner, await Journal.open(options.journalPath, maxBytes), options);
}

export class ResilientStore implements Store {
  readonly #inner: Store;
  readonly #journal: Journal;
  readonly #shadow = new Shadow();
  readonly #breaker: Breaker;
  readonly #nowMs: () => number;
  readonly #reserveTimeoutMs: number;
  readonly #otherTimeoutMs: number;
  readonly #maxInFlight: number;
  readonly #warn: (message: string) => void;
  readonly #probe: NodeJS.Timeout;
  readonly #patience = new Patience();
  readonly #heard = () => this.#patience.heard();
  /** Ids that only the shadow knows: there is nothing to release in the store. */
  readonly #neverAsked = new Set<string>();
  readonly #underWay = new AsksUnderWay();
  /** By id, releases that wait for its decision to end. */
  readonly #lateReleases = new Map<string, Promise<void>>();
  #probing: Promise<void> | null = null;
  #inFlight = 0;
  #replayedEntries = 0;
  #closing = false;
  #closed = false;

  constructor(inner: Store, journal: Journal, options: ResilientOptions) {
    this.#inner = inner;
    this.#journal = journal;
    this.#nowMs = options.nowMs ?? Date.now;
    this.#reserveTimeoutMs = options.reserveTimeoutMs ?? 40;
    this.#otherTimeoutMs = options.otherTimeoutMs ?? 3000;
    this.#maxInFlight = options.maxInFlight ?? 10_000;
    this.#warn = options.onWarning ?? (() => {});
    this.#breaker = new Breaker(options.failuresToOpen ?? 5, (isOpen) => {
      this.#warn(isOpen ? "store is away: circuit open" : "store is back: circuit closed");
      options.onCircuit?.(isOpen);
    });
    this.#probe = setInterval(() => this.#probeOnce(), options.probeEveryMs ?? 500);
    this.#probe.unref();
    this.#probeOnce();
  }

  status(): StoreStatus {
    return {
      circuit: this.#breaker.isOpen ? "open" : "closed",
      journaledBytes: this.#journal.bytes,
      replayedEntries: this.#replayedEntries,
      inFlight: this.#inFlight,
    };
  }

  async reserve(request: ReserveRequest): Promise<ReserveResult> {
    checkReserve(request);
    if (this.#breaker.isOpen) {
      // Asked before, with other claims, it may be held.
      if (this.#underWay.ended(request.id) === undefined) this.#neverAsked.add(request.id);
      dropOldest(this.#neverAsked, maxNeverAsked);
      throw this.#unavailable(request, "circuit open");
    }
    if (this.#inFlight >= this.#maxInFlight) {
      throw new StoreError("overloaded", `store: ${this.#inFlight} decisions are waiting`);
    }
    this.#neverAsked.delete(request.id);
    this.#inFlight += 1;
    const asked = this.#inner.reserve(request).finally(() => {
      this.#inFlight -= 1;
    });
    this.#underWay.add(request.id, asked);
    asked.then(this.#heard, () => {});
    let result: ReserveResult | typeof late;
    try {
      result = await this.#patience.within(asked, this.#reserveTimeoutMs);
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      this.#breaker.failed();
      throw this.#failed(request, asked, error.message, error);
    }
    if (result === late) {
      if (this.#patience.isNewFailure(this.#reserveTimeoutMs)) this.#breaker.failed();
      throw this.#failed(request, asked, `no answer in ${this.#reserveTimeoutMs} ms`);
    }
    this.#breaker.succeeded();
    this.#shadow.reserved(request, result, this.#nowMs());
    return result;
  }

  #failed(
    request: ReserveRequest,
    asked: Promise<ReserveResult>,
    why: string,
    cause?: unknown,
  ): StoreUnavailable {
    const error = this.#unavailable(request, why, cause);
    if (!error.shadow.admitted || isLease(request)) this.#giveBack(request.id, asked);
    return error;
  }

  #unavailable(request: ReserveRequest, why: string, cause?: unknown): StoreUnavailable {
    const shadow = this.#shadow.reserve(request, this.#nowMs());
    if (isLease(request)) this.#shadow.release(request.id);
    return new StoreUnavailable(`store is away: ${why}`, shadow, cause);
  }

  /** Releases what the store may have held, with no answer or a late one, and nobody uses. */
  #giveBack(id: string, asked: Promise<ReserveResult>): void {
    const release = () => this.release(id);
    asked
      .then(({ admitted }) => (admitted ? release() : undefined), release)
      .catch((error: Error) => this.#warn(`reservation ${id} not released: ${error.message}`));
  }

  async settle(settlements: Settlement[]): Promise<SettleResult[]> {
    for (const settlement of settlements) checkSettlement(settlement);
    const results = await this.#orJournal(
      () => this.#inner.settle(settlements),
      settlements.map((settlement) => ({ settle: settlement })),
    );
    const nowMs = this.#nowMs();
    if (results === null) return settlements.map((one) => this.#shadow.settle(one, nowMs));
    results.forEach((result, index) => {
      this.#shadow.settled(settlements[index] as Settlement, result, nowMs);
    });
    return results;
  }

  async release(id: string): Promise<void> {
    checkId(id);
    const asked = this.#underWay.ended(id);
    if (this.#neverAsked.delete(id)) this.#shadow.release(id);
    else if (asked === undefined) await this.#releaseNow(id);
    else await this.#releaseAfter(asked, id);
  }

  /** Gives back here at once, and in the store when the decision has ended. */
  async #releaseAfter(asked: Promise<void>, id: string): Promise<void> {
    this.#shadow.release(id);
    const isMine = () => this.#lateReleases.get(id) === release;
    // Where it is not mine any more a later release does it, or the journal has it.
    const release: Promise<void> = asked
      .then(() => (isMine() ? this.#releaseNow(id) : undefined))
      .finally(() => {
        if (isMine()) this.#lateReleases.delete(id);
      });
    this.#lateReleases.set(id, release);
    await release;
  }

  async #releaseNow(id: string): Promise<void> {
    const done = await this.#orJournal(() => this.#inner.release(id), [{ release: id }]);
    if (done === null) this.#shadow.release(id);
    else this.#shadow.gone(id);
  }

  async shrink(id: string, parts: number): Promise<void> {
    checkId(id);
    checkParts(parts);
    if (!this.#neverAsked.has(id)) {
      await this.#orJournal(() => this.#inner.shrink(id, parts), [{ shrink: { id, parts } }]);
    }
    this.#shadow.shrink(id, parts);
  }

  async appendRecord(record: UsageRecord): Promise<void> {
    recordTimeMs(record);
    await this.#orJournal(() => this.#inner.appendRecord(record), [{ record }]);
  }

  /** Asks the store; where it is away the entries are journaled and null comes back. */
  async #orJournal<T>(ask: () => Promise<T>, entries: JournalEntry[]): Promise<T | null> {
    if (!this.#breaker.isOpen) {
      try {
        const result = await this.#timed(ask());
        this.#breaker.succeeded();
        return result;
      } catch (error) {
        if (!isUnavailable(error)) throw error;
        // The store decides by what it was told, so that decisions may go on to be its own.
        if (!(error instanceof NotReplicated)) this.#breaker.failed();
      }
    }
    if (this.#closed) throw new StoreError("unavailable", "store is closed");
    await this.#journal.append(entries);
    return null;
  }

  async expire(): Promise<string[]> {
    if (this.#breaker.isOpen) {
      this.#shadow.expire(this.#nowMs());
      return [];
    }
    const expired = await this.#timed(this.#inner.expire());
    for (const id of expired) this.#shadow.gone(id);
    return expired;
  }

  counters(prefix: string, limit: number): Promise<CounterView[]> {
    return this.#timed(this.#inner.counters(prefix, limit));
  }

  records(query: RecordQuery): Promise<RecordPage> {
    return this.#timed(this.#inner.records(query));
  }

  ping(): Promise<void> {
    return this.#timed(this.#inner.ping());
  }

  /** What is journaled stays on disk for the next process. */
  async close(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    clearInterval(this.#probe);
    await this.#probing;
    await this.#endReleases();
    this.#closed = true;
    await this.#journal.close();
    await this.#inner.close();
  }

  /** What decisions that do not end are to be released from waits on disk. */
  async #endReleases(): Promise<void> {
    const waiting = Promise.allSettled([...this.#lateReleases.values()]);
    if ((await within(waiting, this.#otherTimeoutMs)) !== late) return;
    const ids = [...this.#lateReleases.keys()];
    this.#lateReleases.clear();
    await this.#journal.append(ids.map((id) => ({ release: id }))).catch((error: Error) => {
      this.#warn(`reservations ${ids.join(", ")} not released: ${error.message}`);
    });
  }

  #probeOnce(): void {
    if (this.#probing !== null || (!this.#breaker.isOpen && this.#journal.isEmpty)) return;
    this.#probing = this.#recover()
      .catch((error: Error) => {
        if (!isUnavailable(error)) this.#warn(`replay: ${error.message}`);
      })
      .finally(() => {
        this.#probing = null;
      });
  }

  async #recover(): Promise<void> {
    await this.#timed(this.#inner.ping());
    const count = (entries: number) => {
      this.#replayedEntries += entries;
    };
    const replay = () => replayJournal(this.#journal, this.#inner, this.#warn, count);
    // While the circuit is open more is journaled: what is left is small at some time.
    do await replay();
    while (!this.#journal.isEmpty && this.#journal.bytes > nearlyReplayedBytes);
    this.#breaker.close();
    await replay();
  }

  async #timed<T>(asked: Promise<T>): Promise<T> {
    asked.then(this.#heard, () => {});
    const result = await within(asked, this.#otherTimeoutMs);
    if (result !== late) return result;
    throw new StoreError("unavailable", `store: no answer in ${this.#otherTimeoutMs} ms`);
  }
}

function isLease({ parts }: ReserveRequest): boolean {
  return parts !== undefined;
}

function isUnavailable(error: unknown): error is StoreError {
  return error instanceof StoreError && error.code === "unavailable";
}

/** The answer, or `late` where it has not come in time. */
async function within<T>(asked: Promise<T>, timeoutMs: number): Promise<T | typeof late> {
  asked.catch(() => {});
  let timer: NodeJS.Timeout | undefined;
  const timeUp = new Promise<typeof late>((resolve) => {
    // After a pause of this process the answer may wait in the socket: that is read before the
    // next turn.
    timer = setTimeout(() => nextTurn().then(() => resolve(late)), timeoutMs);
  });
  try {
    return await Promise.race([asked, timeUp]);
  } finally {
    clearTimeout(timer);
  }
}
