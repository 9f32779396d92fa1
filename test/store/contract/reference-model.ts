/**
 * The simplest ledger that can be right: it keeps every charge and hold for ever, and counts anew
 * what is in view. Written apart from the real one, in BigInt, from the store's contract alone.
 * Windows: fixed, sliding, and calendar days of UTC, with carry-over.
 */
import type { Window } from "../../../limitador-bridge/ledger/window.ts";

export interface ModelClaim {
  key: string;
  limit: number;
  window: Window;
  reserve: number;
  onExpiry: number;
  enforced: boolean;
  allowance: number;
  below: number;
  from: number;
}

export interface ModelView {
  limit: number;
  used: number;
  held: number;
}

interface Entry {
  id: string;
  key: string;
  bucketMs: number;
  used: number;
  held: number;
  onExpiry: number;
}

interface Lease {
  parts: number;
  expiresAtMs: number;
  option: number;
  /** What one part holds, where it was reserved. */
  claims: { key: string; bucketMs: number; reserve: number }[];
}

const dayMs = 86_400_000;

export class ReferenceModel {
  readonly #entries: Entry[] = [];
  readonly #state = new Map<string, "held" | "settled" | "expired" | "provisional">();
  readonly #options = new Map<string, number>();
  readonly #expiresAtMs = new Map<string, number>();
  readonly #fixedStarts = new Map<string, number>();
  readonly #leases = new Map<string, Lease>();

  /** Reserves a lease; number of the option that is held, null where none fits. */
  lease(
    id: string,
    parts: number,
    options: ModelClaim[][],
    until: { holdMs: number; nowMs: number },
  ): number | null {
    const { holdMs, nowMs } = until;
    const known = this.#leases.get(id);
    if (known !== undefined) return known.option < options.length ? known.option : 0;
    const whole = options.map((claims) =>
      claims.map((claim) => ({ ...claim, reserve: claim.reserve * parts })),
    );
    const option = this.#firstThatFits(whole, nowMs);
    if (option < 0) return null;
    const claims = (options[option] ?? []).map((claim) => {
      const bucketMs = this.#add("", claim, nowMs, { used: 0, held: claim.reserve * parts });
      return { key: claim.key, bucketMs, reserve: claim.reserve };
    });
    this.#leases.set(id, { parts, expiresAtMs: nowMs + holdMs, option, claims });
    return option;
  }

  /** Leaves a lease no more than so many parts. */
  shrink(id: string, parts: number): void {
    const lease = this.#leases.get(id);
    if (lease === undefined || lease.parts <= parts) return;
    for (const { key, bucketMs, reserve } of lease.claims) {
      const held = -reserve * (lease.parts - parts);
      this.#entries.push({ id: "", key, bucketMs, used: 0, held, onExpiry: 0 });
    }
    lease.parts = parts;
    if (parts === 0) this.#leases.delete(id);
  }

  /** Number of the option that is held; null where none fits. */
  reserve(id: string, options: ModelClaim[][], holdMs: number, nowMs: number): number | null {
    const state = this.#state.get(id);
    if (state !== undefined) {
      const before = state === "settled" ? 0 : (this.#options.get(id) ?? 0);
      return before < options.length ? before : 0;
    }
    const option = this.#firstThatFits(options, nowMs);
    if (option < 0) return null;
    for (const claim of options[option] ?? []) {
      this.#add(id, claim, nowMs, { used: 0, held: claim.reserve });
    }
    this.#state.set(id, "held");
    this.#options.set(id, option);
    this.#expiresAtMs.set(id, nowMs + holdMs);
    return option;
  }

  #firstThatFits(options: ModelClaim[][], nowMs: number): number {
    return options.findIndex((claims) =>
      claims.every((claim) => !claim.enforced || this.#fits(claim, nowMs)),
    );
  }

  #fits({ key, limit, window, ...terms }: ModelClaim, nowMs: number): boolean {
    const view = this.view(key, limit, window, nowMs);
    const taken = view.used + view.held;
    const after = taken + terms.reserve;
    const withinLimit =
      terms.reserve > 0
        ? after <= view.limit || (taken < view.limit && after <= view.limit + terms.allowance)
        : taken < view.limit;
    return withinLimit && after < terms.below && taken >= terms.from;
  }

  /** True where the id was settled before. */
  settle(
    id: string,
    spent: number,
    claims: ModelClaim[],
    nowMs: number,
    { provisional, lease }: { provisional: boolean; lease: string },
  ): boolean {
    const state = this.#state.get(id);
    if (state === "settled" || (provisional && state === "provisional")) return true;
    this.#state.set(id, provisional ? "provisional" : "settled");
    const leased = this.#leases.get(lease);
    if (state === undefined && leased !== undefined) {
      for (const { key, bucketMs } of leased.claims) {
        this.#entries.push({ id, key, bucketMs, used: spent, held: 0, onExpiry: 0 });
      }
      this.shrink(lease, leased.parts - 1);
    } else if (state === undefined) {
      for (const claim of claims) this.#add(id, claim, nowMs, { used: spent, held: 0 });
    }
    for (const entry of this.#entriesOf(id)) Object.assign(entry, { used: spent, held: 0 });
    return false;
  }

  release(id: string): void {
    if (this.#state.get(id) !== "held") return;
    this.#state.delete(id);
    this.#options.delete(id);
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
    const ended = [...this.#leases].filter(([, { expiresAtMs }]) => expiresAtMs <= nowMs);
    for (const [id] of ended) this.shrink(id, 0);
    return [...over, ...ended.map(([id]) => id)];
  }

  view(key: string, limit: number, window: Window, nowMs: number): ModelView {
    const now = this.#bucket(key, window, nowMs);
    if (window.kind === "sliding") {
      const weigh = (field: "used" | "held") => {
        const length = BigInt(window.lengthMs);
        const inView = length - BigInt(nowMs - now);
        const product = BigInt(this.#sum(field, key, now - window.lengthMs)) * inView;
        return this.#sum(field, key, now) + Number((product + length - 1n) / length);
      };
      return { limit, used: weigh("used"), held: weigh("held") };
    }
    const [used, held] = [this.#sum("used", key, now), this.#sum("held", key, now)];
    return { limit: limit + this.#carried(key, limit, window, now), used, held };
  }

  #carried(key: string, limit: number, window: Window, bucketMs: number): number {
    const percent = window.kind === "calendar" ? (window.carryOver?.percent ?? 0) : 0;
    const before = bucketMs - dayMs;
    const counted = this.#entries.some((one) => one.key === key && one.bucketMs === before);
    if (percent === 0 || !counted) return 0;
    const unused = limit - this.#sum("used", key, before) - this.#sum("held", key, before);
    return Math.max(0, Math.floor((unused * percent) / 100));
  }

  #sum(field: "used" | "held", key: string, bucketMs: number): number {
    return this.#entries
      .filter((entry) => entry.key === key && entry.bucketMs === bucketMs)
      .reduce((total, entry) => total + entry[field], 0);
  }

  /** Returns the bucket that is counted in. */
  #add(
    id: string,
    claim: ModelClaim,
    nowMs: number,
    counts: { used: number; held: number },
  ): number {
    const { key, window, onExpiry } = claim;
    const bucketMs = this.#bucket(key, window, nowMs);
    if (window.kind === "fixed") this.#fixedStarts.set(key, bucketMs);
    this.#entries.push({ id, key, bucketMs, onExpiry, ...counts });
    return bucketMs;
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
