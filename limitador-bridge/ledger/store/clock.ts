/** Time that never goes back: where the machine's clock is set back, the last time seen holds. */
export class Clock {
  readonly #nowMs: () => number;
  #lastMs: number;

  constructor(nowMs: () => number, startMs = 0) {
    this.#nowMs = nowMs;
    this.#lastMs = startMs;
  }

  nowMs(): number {
    this.#lastMs = Math.max(this.#lastMs, Math.floor(this.#nowMs()));
    return this.#lastMs;
  }

  /** Time seen by somebody else, e.g. before a restart. */
  seen(timeMs: number): void {
    this.#lastMs = Math.max(this.#lastMs, timeMs);
  }
}
