/**
 * Counters and holds of one process, and the life of an exchange on them. No IO and no clock:
 * callers pass the time, and a BookKeeper writes down what changed. Every method is one atomic
 * step, since it never awaits.
 */
import type { UsageRecord } from "../contract/usage-record.ts";
import { type DistinctClaims, distinctClaims, expiryRecordOf, optionsOf } from "./claims.ts";
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
import { type Ended, type HeldClaim, type Hold, heldBy, heldClaim } from "./hold.ts";
import type {
  CounterView,
  Refusal,
  ReserveRequest,
  ReserveResult,
  Settlement,
  SettleResult,
} from "./store/store.ts";

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

type Lease = Hold & { parts: number };

function isLease(hold: Hold): hold is Lease {
  return hold.parts !== null && hold.parts > 0;
}

export class Book {
  readonly counters = new Map<string, CounterState>();
  readonly holds = new Map<string, Hold>();
  readonly #keeper: BookKeeper;

  constructor(keeper: BookKeeper) {
    this.#keeper = keeper;
  }

  /** Holds every claim of one option or changes nothing; a known id is the same reservation. */
  reserve(request: ReserveRequest, nowMs: number): ReserveResult {
    const options = optionsOf(request);
    const known = this.#optionOf(request.id);
    if (known !== undefined) {
      const option = known < options.length ? known : 0;
      const claims = options[option] as DistinctClaims;
      return { admitted: true, option, counters: this.#views(claims.values(), nowMs) };
    }
    const refusals: Refusal[] = [];
    for (const [option, claims] of options.entries()) {
      const { states, violated } = this.#weigh(claims, request.parts ?? 1, nowMs);
      if (violated.length === 0) {
        const counters = this.#hold(request, { option, claims, states }, nowMs);
        return { admitted: true, option, counters };
      }
      refusals.push({ counters: states.map((state) => viewOf(state, nowMs)), violated });
    }
    return { admitted: false, ...(refusals.at(-1) as Refusal), refusals };
  }

  /** The option that an id was held with; undefined for an id that is not known. */
  #optionOf(id: string): number | undefined {
    const hold = this.holds.get(id);
    if (hold !== undefined) return hold.option;
    const ended = this.#keeper.ended(id);
    if (ended === undefined) return undefined;
    return ended.state === "settled" ? 0 : ended.hold.option;
  }

  /** The counters of claims as they are, and those in which an enforced claim does not fit. */
  #weigh(claims: DistinctClaims, parts: number, nowMs: number) {
    const states: CounterState[] = [];
    const violated: CounterView[] = [];
    for (const [id, claim] of claims) {
      const state = counterAt(this.counters.get(id), claim, nowMs);
      states.push(state);
      const terms = { ...claim, reserve: claim.reserve * parts };
      if (claim.enforced && !fits(state, terms, nowMs)) violated.push(viewOf(state, nowMs));
    }
    return { states, violated };
  }

  #hold(
    request: ReserveRequest,
    taken: { option: number; claims: DistinctClaims; states: CounterState[] },
    nowMs: number,
  ): CounterView[] {
    const { id, holdMs } = request;
    const { option, states } = taken;
    const parts = request.parts ?? null;
    const claims = [...taken.claims].map(([counterId, claim], index): HeldClaim => {
      const state = states[index] as CounterState;
      const after = adjust(state, state.startMs, { used: 0, held: claim.reserve * (parts ?? 1) });
      states[index] = after;
      this.#put(counterId, after);
      return heldClaim(counterId, claim, state.startMs, claim);
    });
    const expiryRecord = parts === null ? expiryRecordOf(request, option) : null;
    this.#putHold({ id, expiresAtMs: nowMs + holdMs, option, parts, claims, expiryRecord });
    return states.map((state) => viewOf(state, nowMs));
  }

  /** Replaces hold, part of a lease or charge of an expiry by the truth; once for each id. */
  settle(settlement: Settlement, nowMs: number): SettleResult {
    const { id, amounts, claims } = settlement;
    const hold = this.holds.get(id);
    if (hold !== undefined) {
      for (const claim of hold.claims) {
        this.#adjust(claim, { used: amounts[claim.unit], held: -heldBy(hold, claim) });
      }
      this.#dropHold(id);
      return this.#settled(settlement, hold, null, nowMs);
    }
    const ended = this.#keeper.ended(id);
    if (ended === undefined) {
      const charged = this.#chargePart(settlement, nowMs) ?? this.#charge(settlement, nowMs);
      return this.#settled(settlement, charged, null, nowMs);
    }
    const again = settlement.provisional === true && ended.state === "provisional";
    if (ended.state === "settled" || again) {
      const counters = this.#views(distinctClaims(claims).values(), nowMs);
      return { id, duplicate: true, counters };
    }
    for (const claim of ended.hold.claims) {
      this.#adjust(claim, { used: amounts[claim.unit] - claim.onExpiry, held: 0 });
    }
    return this.#settled(settlement, ended.hold, ended.hold.expiryRecord, nowMs);
  }

  /** Gives a hold back without a charge. */
  release(id: string): void {
    const hold = this.holds.get(id);
    if (hold === undefined) return;
    this.#giveBack(hold);
    this.#dropHold(id);
  }

  /** Leaves a lease no more than so many parts. */
  shrink(id: string, parts: number): void {
    const lease = this.#leaseOf(id);
    if (lease === undefined || lease.parts <= parts) return;
    this.#giveBack({ ...lease, parts: lease.parts - parts });
    this.#putHold({ ...lease, parts });
  }

  #giveBack(hold: Hold): void {
    for (const claim of hold.claims) this.#adjust(claim, { used: 0, held: -heldBy(hold, claim) });
  }

  #leaseOf(id: string): Lease | undefined {
    const hold = this.holds.get(id);
    return hold !== undefined && isLease(hold) ? hold : undefined;
  }

  /**
   * Ends the holds that are over at `nowMs`, the oldest first. Yields every `sliceSize` of them,
   * for the caller to let others run; what changes meanwhile is left for the next call.
   */
  *expire(nowMs: number, sliceSize: number): Generator<Hold[]> {
    const over = [...this.holds.values()].filter((hold) => hold.expiresAtMs <= nowMs);
    over.sort((a, b) => a.expiresAtMs - b.expiresAtMs);
    for (let from = 0; from < over.length; from += sliceSize) {
      const slice = over.slice(from, from + sliceSize);
      const still = slice.filter((hold) => this.holds.get(hold.id) === hold);
      for (const hold of still) this.#expire(hold, nowMs);
      yield still;
    }
  }

  #expire(hold: Hold, nowMs: number): void {
    const { id, claims, expiryRecord } = hold;
    this.#giveBack(hold);
    this.#dropHold(id);
    if (expiryRecord === null) return;
    for (const claim of claims) this.#adjust(claim, { used: claim.onExpiry, held: 0 });
    this.#keeper.end(id, { state: "expired", atMs: nowMs, hold });
    this.#keeper.record(expiryRecord, null);
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

  /** Counters in their current window whose id begins with `prefix`, in the order of ids. */
  views(prefix: string, limit: number, nowMs: number): CounterView[] {
    const ids = [...this.counters.keys()].filter((id) => id.startsWith(prefix));
    return this.viewsOf(ids.sort(), limit, nowMs);
  }

  /** The first `limit` of these counters that are in a current window. */
  viewsOf(ids: Iterable<string>, limit: number, nowMs: number): CounterView[] {
    const views: CounterView[] = [];
    for (const id of ids) {
      if (views.length === limit) break;
      const state = this.#live(id, nowMs);
      if (state !== undefined) views.push(viewOf(counterAt(state, state, nowMs), nowMs));
    }
    return views;
  }

  isLive(counterId: string, nowMs: number): boolean {
    return this.#live(counterId, nowMs) !== undefined;
  }

  #live(counterId: string, nowMs: number): CounterState | undefined {
    const state = this.counters.get(counterId);
    return state === undefined || isOver(state, nowMs) ? undefined : state;
  }

  /** Charges a settlement in the place of one part of its lease; undefined where there is none. */
  #chargePart({ id, amounts, lease, record }: Settlement, nowMs: number): Hold | undefined {
    const hold = lease === undefined ? undefined : this.#leaseOf(lease);
    if (hold === undefined) return undefined;
    const { claims } = hold;
    for (const claim of claims) {
      this.#adjust(claim, { used: amounts[claim.unit], held: -claim.reserve });
    }
    this.#putHold({ ...hold, parts: hold.parts - 1 });
    return { id, expiresAtMs: nowMs, option: 0, parts: null, claims, expiryRecord: record };
  }

  /** Charges a settlement that nothing was held for. */
  #charge({ id, amounts, claims, record }: Settlement, nowMs: number): Hold {
    const charged = [...distinctClaims(claims)].map(([counterId, claim]): HeldClaim => {
      const state = counterAt(this.counters.get(counterId), claim, nowMs);
      const amount = amounts[claim.unit];
      this.#put(counterId, adjust(state, state.startMs, { used: amount, held: 0 }));
      return heldClaim(counterId, claim, state.startMs, { reserve: 0, onExpiry: amount });
    });
    return {
      id,
      expiresAtMs: nowMs,
      option: 0,
      parts: null,
      claims: charged,
      expiryRecord: record,
    };
  }

  #settled(
    { id, amounts, record, provisional }: Settlement,
    hold: Hold,
    replaces: UsageRecord | null,
    nowMs: number,
  ): SettleResult {
    const counters = hold.claims.map((claim) => this.#view(claim.counterId, claim, nowMs));
    if (provisional === true) {
      const claims = hold.claims.map((claim) => {
        return { ...claim, reserve: 0, onExpiry: amounts[claim.unit] };
      });
      const charged = { ...hold, parts: null, claims, expiryRecord: record };
      this.#keeper.end(id, { state: "provisional", atMs: nowMs, hold: charged });
    } else {
      this.#keeper.end(id, { state: "settled", atMs: nowMs });
    }
    this.#keeper.record(record, replaces);
    return { id, duplicate: false, counters, ...(replaces === null ? {} : { replaced: replaces }) };
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

  /** A lease with no part left is no more. */
  #putHold(hold: Hold): void {
    if (hold.parts === 0) this.holds.delete(hold.id);
    else this.holds.set(hold.id, hold);
    this.#keeper.holdChanged(hold.id);
  }

  #dropHold(id: string): void {
    this.holds.delete(id);
    this.#keeper.holdChanged(id);
  }

  #views(specs: Iterable<CounterSpec>, nowMs: number): CounterView[] {
    const views: CounterView[] = [];
    for (const spec of specs) views.push(this.#view(counterId(spec), spec, nowMs));
    return views;
  }

  #view(id: string, spec: CounterSpec, nowMs: number): CounterView {
    return viewOf(counterAt(this.counters.get(id), spec, nowMs), nowMs);
  }
}
