/**
 * How many requests the next lease should be for. One that was used up soon is followed by one
 * twice as large, one that lasted long by one half as large. Traffic too thin to be worth a lease
 * gets none: each of its requests asks. No clock: callers pass the time.
 */

/** Asks within a second that are worth a lease. */
const WORTH_ASKS = 8;
const ASKING_MS = 1_000;
/** A worker's calls that were under way when its lease was granted ask for no other. */
const UNDER_WAY_MS = 20;
const FIRST_PARTS = 16;
const MOST_PARTS = 8_192;
/** Smaller leases cost more than they save. */
export const FEWEST_PARTS = 8;
const MAX_KEYS = 10_000;
/** A lease is for requests of up to this many bytes, or the next power of two. */
const LEAST_BYTES = 1_024;

/** Of the largest of some requests. */
interface Sizes {
  inputBytes: number;
  maxOutputTokens: number;
}

interface Demand {
  /** Begin of the second in which `asks` are counted. */
  sinceMs: number;
  asks: number;
  /** Of the last lease; 0: none lately. */
  parts: number;
  grantedAtMs: number;
  /** Of the requests that asked in that second, and in the last one before it that had asks. */
  largest: Sizes;
  formerLargest: Sizes;
}

const NO_SIZES: Sizes = { inputBytes: LEAST_BYTES, maxOutputTokens: 0 };

/** What one request that asks tells of the requests like it. */
export interface Ask {
  /** The same for all requests that one lease may be for. */
  key: string;
  inputBytes: number;
  /** null: not told. */
  maxOutputTokens: number | null;
  /** The worker asks for nothing but the next lease. */
  isRenewal: boolean;
}

/** A lease that is wanted. */
export interface Wanted {
  parts: number;
  maxInputBytes: number;
  maxOutputTokens: number | null;
}

export class LeaseDemand {
  readonly #validMs: number;
  readonly #known = new Map<string, Demand>();

  /** @param validMs how long a lease is valid */
  constructor(validMs: number) {
    this.#validMs = validMs;
  }

  /** The lease that the asking worker should get; null: none. */
  wanted(ask: Ask, nowMs: number): Wanted | null {
    const demand = this.#of(ask, nowMs);
    const parts = this.#parts(demand, ask.isRenewal, nowMs);
    if (parts < FEWEST_PARTS) return null;
    const { inputBytes, maxOutputTokens } = larger(demand.largest, demand.formerLargest);
    return {
      parts,
      maxInputBytes: nextPowerOfTwo(inputBytes),
      maxOutputTokens: ask.maxOutputTokens === null ? null : maxOutputTokens,
    };
  }

  /** Notes a lease that was granted. */
  granted(key: string, parts: number, nowMs: number): void {
    const demand = this.#known.get(key);
    if (demand !== undefined) Object.assign(demand, { parts, grantedAtMs: nowMs });
  }

  #of(ask: Ask, nowMs: number): Demand {
    const { key, inputBytes } = ask;
    const own = larger(NO_SIZES, { inputBytes, maxOutputTokens: ask.maxOutputTokens ?? 0 });
    const known = this.#known.get(key);
    if (known === undefined || nowMs - Math.max(known.sinceMs, known.grantedAtMs) > this.#longMs) {
      this.#known.delete(key);
      const made = { sinceMs: nowMs, asks: 1, parts: 0, grantedAtMs: Number.NEGATIVE_INFINITY };
      const demand = { ...made, largest: own, formerLargest: NO_SIZES };
      this.#known.set(key, demand);
      this.#forgetOldest();
      return demand;
    }
    if (nowMs - known.sinceMs > ASKING_MS) {
      // One large request must not make all leases to come so large that there is no room for any.
      const { largest } = known;
      Object.assign(known, { sinceMs: nowMs, asks: 0, largest: NO_SIZES, formerLargest: largest });
    }
    known.asks += 1;
    known.largest = larger(known.largest, own);
    return known;
  }

  #parts({ parts, grantedAtMs, asks }: Demand, isRenewal: boolean, nowMs: number): number {
    const lastedMs = nowMs - grantedAtMs;
    if (parts === 0 || lastedMs > this.#longMs) return asks >= WORTH_ASKS ? FIRST_PARTS : 0;
    if (!isRenewal && lastedMs < UNDER_WAY_MS) return 0;
    if (lastedMs < this.#validMs / 2) return Math.min(parts * 2, MOST_PARTS);
    return lastedMs <= this.#validMs ? parts : Math.floor(parts / 2);
  }

  /** After this long a lease says nothing of the traffic of now. */
  get #longMs(): number {
    return 2 * this.#validMs;
  }

  #forgetOldest(): void {
    if (this.#known.size <= MAX_KEYS) return;
    for (const key of this.#known.keys()) {
      this.#known.delete(key);
      return;
    }
  }
}

function larger(one: Sizes, other: Sizes): Sizes {
  return {
    inputBytes: Math.max(one.inputBytes, other.inputBytes),
    maxOutputTokens: Math.max(one.maxOutputTokens, other.maxOutputTokens),
  };
}

function nextPowerOfTwo(bytes: number): number {
  return 2 ** Math.ceil(Math.log2(bytes));
}
