/**
 * Counters and holds of one process, and the life of an exchange on them. No IO and no clock:
 * callers pass the time, and a BookKeeper writes down what changed. Every method is one atomic
 * step, since it never awaits.
 */
import type { UsageRecord } from "../contract/usage-record.ts";
import {
  adjust,
  type CounterSpec,
  type CounterState,
  counterAt,
  counterId,
  fits,
  isOver,
  viewOf,
} from "./counter.ts";
import type {
  CounterView,
  LimitClaim,
  ReserveRequest,
  ReserveResult,
  Settlement,
  SettleResult,
} from "./store/store.ts";

/** A claim while it is held, with the window in which it was admitted. */
export interface HeldClaim extends CounterSpec {
  counterId: string;
  startMs: number;
  reserve: number;
  onExpiry: number;
}

export interface Hold {
  id: string;
  expiresAtMs: number;
  claims: HeldClaim[];
  expiryRecord: UsageRecord;
}

/** What became of a hold; remembered for endedTtlMs. */
export type Ended =
  | { state: "settled"; atMs: number }
  | { state: "expired"; atMs: number; hold: Hold };

/** How long ids are remembered after their settlement or expiry: a day and an hour's margin. */
export const endedTtlMs = 25 * 3_600_000;

/** Remembers what the book itself does not, and is told of every change. */
export interface BookKeeper {
  /** What became of an id, while it is remembered. */
  ended(id: string): Ended | undefined;
  counterChanged(counterId: string): void;
  holdChanged(id: string): void;
  end(id: string, ended: Ended): void;
  /** Keeps a record; `replaces` is the one that it stands for from now on. */
  record(record: UsageRecord, replaces: UsageRecord | null): void;
}

export class Book {
  readonly counters = new Map<string, CounterState>();
  readonly holds = new Map<string, Hold>();
  readonly #keeper: BookKeeper;

  constructor(keeper: BookKeeper) {
    this.#keeper = keeper;
  }

  /** Holds every claim or changes nothing; a known id is the same reservation again. */
  reserve(request: ReserveRequest, nowMs: number): ReserveResult {
    const claims = distinctClaims(request.claims);
    if (this.holds.has(request.id) || this.#keeper.ended(request.id) !== undefined) {
      return { admitted: true, counters: this.#views(claims.values(), nowMs) };
    }
    const states = new Map<string, CounterState>();
    const violated: CounterView[] = [];
    for (const [id, claim] of claims) {
      const state = counterAt(this.counters.get(id), claim, nowMs);
      states.set(id, state);
      if (claim.enforced && !fits(state, claim.reserve, nowMs)) violated.push(viewOf(state, nowMs));
    }
    if (violated.length > 0) {
      const counters = [...states.values()].map((state) => viewOf(state, nowMs));
      return { admitted: false, counters, violated };
    }
    return { admitted: true, counters: this.#hold(request, claims, states, nowMs) };
  }

  #hold(
    request: ReserveRequest,
    claims: Map<string, LimitClaim>,
    states: Map<string, CounterState>,
    nowMs: number,
  ): CounterView[] {
    const held: HeldClaim[] = [];
    const views: CounterView[] = [];
    for (const [id, state] of states) {
      const { key, unit, limit, window, reserve, onExpiry } = claims.get(id) as LimitClaim;
      const { startMs } = state;
      const after = adjust(state, startMs, { used: 0, held: reserve });
      this.#put(id, after);
      held.push({ counterId: id, key, unit, limit, window, startMs, reserve, onExpiry });
      views.push(viewOf(after, nowMs));
    }
    const { id, holdMs, expiryRecord } = request;
    this.holds.set(id, { id, expiresAtMs: nowMs + holdMs, claims: held, expiryRecord });
    this.#keeper.holdChanged(id);
    return views;
  }

  /** Replaces the hold, or the charge of its expiry, by the truth; once for each id. */
  settle(settlement: Settlement, nowMs: number): SettleResult {
    const { id, amounts, record } = settlement;
    const hold = this.holds.get(id);
    if (hold !== undefined) {
      for (const claim of hold.claims) {
        this.#adjust(claim, { used: amounts[claim.unit], held: -claim.reserve });
      }
      this.#dropHold(id);
      return this.#settled(id, record, null, this.#views(hold.claims, nowMs), nowMs);
    }
    const ended = this.#keeper.ended(id);
    if (ended?.state === "settled") {
      const counters = this.#views(distinctClaims(settlement.claims).values(), nowMs);
      return { id, duplicate: true, counters };
    }
    if (ended?.state === "expired") {
      for (const claim of ended.hold.claims) {
        this.#adjust(claim, { used: amounts[claim.unit] - claim.onExpiry, held: 0 });
      }
      const counters = this.#views(ended.hold.claims, nowMs);
      return this.#settled(id, record, ended.hold.expiryRecord, counters, nowMs);
    }
    return this.#settled(id, record, null, this.#charge(settlement, nowMs), nowMs);
  }

  /** Gives a hold back without a charge. */
  release(id: string): void {
    const hold = this.holds.get(id);
    if (hold === undefined) return;
    for (const claim of hold.claims) this.#adjust(claim, { used: 0, held: -claim.reserve });
    this.#dropHold(id);
  }

  /** Ends the holds that are over at `nowMs`; returns their ids, the oldest first. */
  expire(nowMs: number): string[] {
    const over = [...this.holds.values()].filter((hold) => hold.expiresAtMs <= nowMs);
    over.sort((a, b) => a.expiresAtMs - b.expiresAtMs);
    for (const hold of over) {
      for (const claim of hold.claims) {
        this.#adjust(claim, { used: claim.onExpiry, held: -claim.reserve });
      }
      this.#dropHold(hold.id);
      this.#keeper.end(hold.id, { state: "expired", atMs: nowMs, hold });
      this.#keeper.record(hold.expiryRecord, null);
    }
    return over.map((hold) => hold.id);
  }

  /**
   * Drops counters whose window is over, so that users seen once take no memory. Yields after
   * every `sliceSize` counters, for the caller to let others run.
   */
  *dropOver(nowMs: number, sliceSize: number): Generator<void> {
    let seen = 0;
    for (const [id, state] of this.counters) {
      if (isOver(state, nowMs)) {
        this.counters.delete(id);
        this.#keeper.counterChanged(id);
      }
      seen += 1;
      if (seen % sliceSize === 0) yield;
    }
  }

  /** Counters in their current window whose key begins with `prefix`, in the order of keys. */
  views(prefix: string, limit: number, nowMs: number): CounterView[] {
    const found = [...this.counters].filter(
      ([id, state]) => id.startsWith(prefix) && !isOver(state, nowMs),
    );
    found.sort(([a], [b]) => (a < b ? -1 : 1));
    return found.slice(0, limit).map(([, state]) => viewOf(counterAt(state, state, nowMs), nowMs));
  }

  #charge(settlement: Settlement, nowMs: number): CounterView[] {
    const views: CounterView[] = [];
    for (const [id, claim] of distinctClaims(settlement.claims)) {
      const state = counterAt(this.counters.get(id), claim, nowMs);
      const after = adjust(state, state.startMs, { used: settlement.amounts[claim.unit], held: 0 });
      this.#put(id, after);
      views.push(viewOf(after, nowMs));
    }
    return views;
  }

  #settled(
    id: string,
    record: UsageRecord,
    replaces: UsageRecord | null,
    counters: CounterView[],
    nowMs: number,
  ): SettleResult {
    this.#keeper.end(id, { state: "settled", atMs: nowMs });
    this.#keeper.record(record, replaces);
    return { id, duplicate: false, counters };
  }

  #adjust(claim: HeldClaim, change: { used: number; held: number }): void {
    const state = this.counters.get(claim.counterId);
    if (state === undefined) return;
    const after = adjust(state, claim.startMs, change);
    if (after !== state) this.#put(claim.counterId, after);
  }

  #put(id: string, state: CounterState): void {
    this.counters.set(id, state);
    this.#keeper.counterChanged(id);
  }

  #dropHold(id: string): void {
    this.holds.delete(id);
    this.#keeper.holdChanged(id);
  }

  #views(specs: Iterable<CounterSpec>, nowMs: number): CounterView[] {
    const views: CounterView[] = [];
    for (const spec of specs) {
      views.push(viewOf(counterAt(this.counters.get(counterId(spec)), spec, nowMs), nowMs));
    }
    return views;
  }
}

/**
 * Claims by counter. Claims on one counter are one claim, the strictest: it is counted once.
 */
export function distinctClaims(claims: LimitClaim[]): Map<string, LimitClaim> {
  const distinct = new Map<string, LimitClaim>();
  for (const claim of claims) {
    const id = counterId(claim);
    const other = distinct.get(id);
    distinct.set(id, other === undefined ? claim : strictest(other, claim));
  }
  return distinct;
}

function strictest(a: LimitClaim, b: LimitClaim): LimitClaim {
  return {
    ...a,
    limit: Math.min(a.limit, b.limit),
    reserve: Math.max(a.reserve, b.reserve),
    onExpiry: Math.max(a.onExpiry, b.onExpiry),
    enforced: a.enforced || b.enforced,
  };
}
