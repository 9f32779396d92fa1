/**
 * Circuit breaker: after so many failures in a row the store is left alone, until a probe that
 * runs apart from the traffic finds that it works.
 */
export class Breaker {
  readonly #failuresToOpen: number;
  readonly #changed: (isOpen: boolean) => void;
  #failures = 0;
  #isOpen = false;

  constructor(failuresToOpen: number, changed: (isOpen: boolean) => void) {
    this.#failuresToOpen = failuresToOpen;
    this.#changed = changed;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  failed(): void {
    this.#failures += 1;
    if (this.#isOpen || this.#failures < this.#failuresToOpen) return;
    this.#isOpen = true;
    this.#changed(true);
  }

  close(): void {
    this.#failures = 0;
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#changed(false);
  }
}
