/**
 * What this process knows of the counters: as the store told them last, and from there on, while
 * the store is away, its own holds and settlements. It decides for one process alone, and so may
 * let through what other processes have spent meanwhile.
 */
import { dropOldest } from "../../../drop-oldest.ts";
import { Book } from "../../book.ts";
import { type DistinctClaims, expiryRecordOf, optionsOf } from "../../claims.ts";
import { counterId } from "../../counter.ts";
import type { Ended, HeldClaim, Hold } from "../../hold.ts";
import { carryPercent, type WindowBounds, windowAt } from "../../window.ts";
import type {
  CounterView,
  LimitClaim,
  ReserveRequest,
  ReserveResult,
  Settlement,
  SettleResult,
} from "../store.ts";

const maxCounters = 100_000;
const maxHolds = 100_000;
const maxEnded = 100_000;

export class Shadow {
  readonly #book: Book;
  readonly #ended = new Map<string, Ended>();

  constructor() {
    this.#book = new Book({
      ended: (id) => this.#ended.get(id),
      counterChanged: () => dropOldest(this.#book.counters, maxCounters),
      holdChanged: () => dropOldest(this.#book.holds, maxHolds),
      end: (id, ended) => this.#end(id, ended),
      // Records are journaled, or written by the store itself.
      record: () => {},
    });
  }

  /** Decides by what is known here. */
  reserve(request: ReserveRequest, nowMs: number): ReserveResult {
    return this.#book.reserve(request, nowMs);
  }

  settle(settlement: Settlement, nowMs: number): SettleResult {
    return this.#book.settle(settlement, nowMs);
  }

  release(id: string): void {
    this.#book.release(id);
  }

  shrink(id: string, parts: number): void {
    this.#book.shrink(id, parts);
  }

  expire(nowMs: number): void {
    // There are never more, so that the first slice is all.
    this.#book.expire(nowMs, maxHolds).next();
    this.#book.dropOver(nowMs, maxCounters).next();
  }

  /** Takes over what the store has answered to a reservation. */
  reserved(request: ReserveRequest, result: ReserveResult, nowMs: number): void {
    const options = optionsOf(request);
    if (!result.admitted) {
      for (const [option, { counters }] of result.refusals.entries()) {
        this.#learnAll(options[option], counters, nowMs);
      }
      return;
    }
    const { id, holdMs, parts = null } = request;
    const { option, counters } = result;
    const claims = this.#learnAll(options[option], counters, nowMs);
    const expiryRecord = parts === null ? expiryRecordOf(request, option) : null;
    const hold = { id, expiresAtMs: nowMs + holdMs, option, parts, claims, expiryRecord };
    this.#book.holds.set(id, hold);
    dropOldest(this.#book.holds, maxHolds);
  }

  /** Takes over counters told in the order of their claims. */
  #learnAll(
    option: DistinctClaims | undefined,
    counters: CounterView[],
    nowMs: number,
  ): HeldClaim[] {
    const claims = [...(option?.values() ?? [])];
    return counters.flatMap((view, index) => {
      const claim = claims[index];
      if (claim === undefined) return [];
      const { startMs } = this.#learn(claim, view, nowMs);
      return [{ ...claim, counterId: counterId(claim), startMs }];
    });
  }

  /** Takes over what the store has answered to a settlement. */
  settled(settlement: Settlement, result: SettleResult, nowMs: number): void {
    const { id, amounts, record, provisional } = settlement;
    const own = this.#book.holds.get(id);
    const hold = own ?? (result.duplicate ? undefined : this.#takePart(settlement.lease));
    const claims: LimitClaim[] | HeldClaim[] = hold?.claims ?? settlement.claims;
    for (const view of result.counters) {
      const claim = claims.find(({ key, unit }) => key === view.key && unit === view.unit);
      if (claim !== undefined) this.#learn(claim, view, nowMs);
    }
    this.#book.holds.delete(id);
    if (provisional === true && hold !== undefined) {
      const charged = hold.claims.map((one) => ({ ...one, onExpiry: amounts[one.unit] }));
      const kept = { ...hold, id, parts: null, claims: charged, expiryRecord: record };
      this.#end(id, { state: "provisional", atMs: nowMs, hold: kept });
    } else if (provisional !== true && this.#ended.has(id)) {
      this.#end(id, { state: "settled", atMs: nowMs });
    }
  }

  /** Takes over that the store has charged one part of a lease; the lease as it was before. */
  #takePart(id: string | undefined): Hold | undefined {
    const lease = id === undefined ? undefined : this.#book.holds.get(id);
    const parts = lease?.parts ?? 0;
    if (lease === undefined || parts === 0) return undefined;
    if (parts === 1) this.#book.holds.delete(lease.id);
    else this.#book.holds.set(lease.id, { ...lease, parts: parts - 1 });
    return lease;
  }

  #end(id: string, ended: Ended): void {
    this.#ended.set(id, ended);
    dropOldest(this.#ended, maxEnded);
  }

  /** Takes over that the store has released or ended a hold. */
  gone(id: string): void {
    const isLease = this.#book.holds.get(id)?.parts != null;
    // Of a lease, much may be given back with nobody asking for these counters after.
    if (isLease) this.#book.release(id);
    else this.#book.holds.delete(id);
  }

  #learn(
    claim: Pick<LimitClaim, "key" | "unit" | "limit" | "window">,
    view: CounterView,
    nowMs: number,
  ): WindowBounds {
    const { key, unit, window } = claim;
    // The view does not tell a sliding window's buckets apart: all counts as the newest.
    const bounds =
      window.kind === "fixed"
        ? { startMs: view.resetsAtMs - window.lengthMs, endMs: view.resetsAtMs }
        : windowAt(window, nowMs);
    const { startMs, endMs } = bounds;
    const { used, held } = view;
    const { limit } = claim;
    const id = counterId(claim);
    // Deleted first, so that the map stays in the order of use.
    this.#book.counters.delete(id);
    this.#book.counters.set(id, {
      key,
      unit,
      window,
      limit,
      startMs,
      endMs,
      used,
      held,
      previousUsed: 0,
      previousHeld: 0,
      previousStartMs: 0,
      previousLimit: limitThatLeft(view.limit - limit, carryPercent(window)),
    });
    dropOldest(this.#book.counters, maxCounters);
    return bounds;
  }
}

/** The least limit of which, unused, `percent` % are what the store has carried over. */
function limitThatLeft(carried: number, percent: number): number {
  if (percent === 0 || carried <= 0) return 0;
  const rest = carried % percent;
  return ((carried - rest) / percent) * 100 + Math.ceil((rest * 100) / percent);
}
