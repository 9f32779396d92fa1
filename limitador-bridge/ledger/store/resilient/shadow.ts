/**
 * What this process knows of the counters: as the store told them last, and from there on, while
 * the store is away, its own holds and settlements. It decides for one process alone, and so may
 * let through what other processes have spent meanwhile.
 */
import { Book, distinctClaims, type Ended, type HeldClaim } from "../../book.ts";
import { counterId } from "../../counter.ts";
import { type WindowBounds, windowAt } from "../../window.ts";
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
      counterChanged: () => bound(this.#book.counters, maxCounters),
      holdChanged: () => bound(this.#book.holds, maxHolds),
      end: (id, ended) => {
        this.#ended.set(id, ended);
        bound(this.#ended, maxEnded);
      },
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

  expire(nowMs: number): void {
    this.#book.expire(nowMs);
    for (const _slice of this.#book.dropOver(nowMs, maxCounters)) break;
  }

  /** Takes over what the store has answered to a reservation. */
  reserved(request: ReserveRequest, result: ReserveResult, nowMs: number): void {
    const claims = [...distinctClaims(request.claims).values()];
    const held: HeldClaim[] = [];
    result.counters.forEach((view, index) => {
      const claim = claims[index];
      if (claim === undefined) return;
      const { startMs } = this.#learn(claim, view, nowMs);
      held.push({ ...claim, counterId: counterId(claim), startMs });
    });
    if (!result.admitted) return;
    const { id, holdMs, expiryRecord } = request;
    this.#book.holds.set(id, { id, expiresAtMs: nowMs + holdMs, claims: held, expiryRecord });
    bound(this.#book.holds, maxHolds);
  }

  /** Takes over what the store has answered to a settlement. */
  settled(settlement: Settlement, result: SettleResult, nowMs: number): void {
    const claims: LimitClaim[] | HeldClaim[] =
      this.#book.holds.get(settlement.id)?.claims ?? settlement.claims;
    for (const view of result.counters) {
      const claim = claims.find(({ key, unit }) => key === view.key && unit === view.unit);
      if (claim !== undefined) this.#learn(claim, view, nowMs);
    }
    this.#book.holds.delete(settlement.id);
  }

  /** Takes over that the store has released or ended a hold. */
  gone(id: string): void {
    this.#book.holds.delete(id);
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
    const { limit, used, held } = view;
    const id = counterId(claim);
    // Deleted first, so that the map stays in the order of use.
    this.#book.counters.delete(id);
    this.#book.counters.set(id, {
      ...{ key, unit, window, limit, used, held },
      ...{ ...bounds, previousUsed: 0, previousHeld: 0 },
    });
    bound(this.#book.counters, maxCounters);
    return bounds;
  }
}

/** Drops the oldest entries over the number. */
export function bound(held: Map<string, unknown> | Set<string>, max: number): void {
  if (held.size <= max) return;
  const [oldest] = held.keys();
  if (oldest !== undefined) held.delete(oldest);
}
