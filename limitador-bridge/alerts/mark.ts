/** Who is the first to tell of something, and whether it was told. */
import { dropOldest } from "../drop-oldest.ts";

/** What all replicas know of alerts. */
export interface AlertMarks {
  /**
   * Takes an alert for so long, to send it in that time.
   * @returns "ours" for the one caller, of all replicas, that took it; "taken" to the others until
   * then; "done": it was sent
   * @throws where that cannot be told
   */
  begin(key: string, ttlMs: number): Promise<"ours" | "taken" | "done">;
  /** Marks an alert as sent for so long. @throws where it cannot be marked */
  end(key: string, ttlMs: number): Promise<void>;
}

const MAX_KEYS = 10_000;

/** Marks of one process. Past 10,000 keys the oldest are forgotten. */
export class MemoryMarks {
  readonly #untilMs = new Map<string, number>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Marks a key for so long. Returns false where it is marked, and changes nothing then. */
  mark(key: string, ttlMs: number): boolean {
    if ((this.#untilMs.get(key) ?? 0) > this.#nowMs()) return false;
    this.set(key, ttlMs);
    return true;
  }

  /** Marks a key for so long from now, marked or not. */
  set(key: string, ttlMs: number): void {
    this.#untilMs.delete(key);
    this.#untilMs.set(key, this.#nowMs() + ttlMs);
    dropOldest(this.#untilMs, MAX_KEYS);
  }
}
