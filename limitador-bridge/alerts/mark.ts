/** Who is the first to tell of something. */
import { dropOldest } from "../drop-oldest.ts";

/**
 * Marks a key for so long.
 * @returns true for the one caller, of all replicas, that marked it first
 */
export type Mark = (key: string, ttlMs: number) => Promise<boolean>;

const MAX_KEYS = 10_000;

/** Marks of one process. Past 10,000 keys the oldest are forgotten. */
export class MemoryMarks {
  readonly #untilMs = new Map<string, number>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** As Mark, at once. */
  mark(key: string, ttlMs: number): boolean {
    const nowMs = this.#nowMs();
    if ((this.#untilMs.get(key) ?? 0) > nowMs) return false;
    this.#untilMs.delete(key);
    this.#untilMs.set(key, nowMs + ttlMs);
    dropOldest(this.#untilMs, MAX_KEYS);
    return true;
  }
}
