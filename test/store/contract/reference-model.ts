/**
 * The simplest ledger that can be right: it keeps every charge and hold for ever, and counts anew
 * what is in view. Written apart from the real one, in BigInt, from the store's contract alone.
 * Windows: fixed, sliding, and calendar days of UTC.
 */
import type { Window } from "../../../limitador-bridge/ledger/window.ts";

export interface ModelClaim {
  key: string;
  limit: number;
  window: Window;
  reserve: number;
  onExpiry: number;
  enforced: boolean;
}

interface Entry {
  id: string;
  key: string;
  bucketMs: number;
  used: number;
  held: number;
  onExpiry: number;
}

const dayMs = 86_400_000;

export class ReferenceModel {
  readonly #entries: Entry[] = [];
  readonly #state = new Map<string, "held" | "settled" | "expired">();
  readonly #expiresAtMs = new Map<string, number>();
  readonly #fixedStarts = new Map<string, number>();

  reserve(id: string, claims: ModelClaim[], holdMs: number, nowMs: number): boolean {
    if (this.#state.has(id)) return true;
    const blocked = claims.some((claim) => {
      const { used, held } = this.view(claim.key, claim.window, nowMs);
      const taken = used + held;
      const fits = claim.reserve > 0 ? taken + claim.reserve <= claim.limit : taken < claim.limit;
      return claim.enforced && !fits;
    });
    if (blocked) return false;
    for (const claim of claims) this.#add(id, claim, nowMs, { used: 0, held: claim.reserve });
    this.#state.set(id, "held");
    this.#expiresAtMs.set(id, nowMs + holdMs);
    return true;
  }

  /** True where the id was settled before. */
  settle(id: string, spent: number, claims: ModelClaim[], nowMs: number): boolean {
    const state = this.#state.get(id);
    if (state === "settled") return true;
    this.#state.set(id, "settled");
    if (state === undefined) {
      for (const claim of claims) this.#add(id, claim, nowMs, { used: spent, held: 0 });
    }
    for (const entry of this.#entriesOf(id)) Object.assign(entry, { used: spent, held: 0 });
    return false;
  }

  release(id: string): void {
    if (this.#state.get(id) !== "held") return;
    this.#state.delete(id);
    for (const entry of this.#entriesOf(id)) Object.assign(entry, { id: "", held: 0 });
  }

  expire(nowMs: number): string[] {
    const over = [...this.#state]
      .filter(([id, state]) => state === "held" && (this.#expiresAtMs.get(id) ?? 0) <= nowMs)
      .map(([id]) => id);
    for (const id of over) {
      this.#state.set(id, "expired");
      for (const entry of this.#entriesOf(id)) {
        Object.assign(entry, { used: entry.onExpiry, held: 0 });
      }
    }
    return over;
  }

  view(key: string, window: Window, nowMs: number): { used: number; held: number } {
    const of = (field: "used" | "held", bucketMs: number) =>
      this.#entries
        .filter((entry) => entry.key === key && entry.bucketMs === bucketMs)
        .reduce((total, entry) => total + entry[field], 0);
    const now = this.#bucket(key, window, nowMs);
    if (window.kind !== "sliding") return { used: of("used", now), held: of("held", now) };
    const weigh = (field: "used" | "held") => {
      const length = BigInt(window.lengthMs);
      const inView = length - BigInt(nowMs - now);
      const product = BigInt(of(field, now - window.lengthMs)) * inView;
      return of(field, now) + Number((product + length - 1n) / length);
    };
    return { used: weigh("used"), held: weigh("held") };
  }

  #add(id: string, claim: ModelClaim, nowMs: number, counts: { used: number; held: number }) {
    const { key, window, onExpiry } = claim;
    const bucketMs = this.#bucket(key, window, nowMs);
    if (window.kind === "fixed") this.#fixedStarts.set(key, bucketMs);
    this.#entries.push({ id, key, bucketMs, onExpiry, ...counts });
  }

  #bucket(key: string, window: Window, nowMs: number): number {
    if (window.kind === "calendar") return nowMs - (nowMs % dayMs);
    if (window.kind === "sliding") return nowMs - (nowMs % window.lengthMs);
    const started = this.#fixedStarts.get(key) ?? Number.NEGATIVE_INFINITY;
    return nowMs < started + window.lengthMs ? started : nowMs;
  }

  #entriesOf(id: string): Entry[] {
    return this.#entries.filter((entry) => entry.id === id);
  }
}
