/**
 * The server's time, as far as this process knows it. Scripts take the time by themselves; this
 * one only serves to tell them which calendar periods are near.
 */
export class ServerClock {
  readonly #given: (() => number) | undefined;
  #offsetMs = 0;

  /** @param given tests: the time that scripts take in place of the server's */
  constructor(given?: () => number) {
    this.#given = given;
  }

  nowMs(): number {
    return this.#given?.() ?? Date.now() + this.#offsetMs;
  }

  /** The first argument of scripts. */
  override(): string {
    return this.#given === undefined ? "" : String(this.#given());
  }

  /** Learns from the time in a reply. */
  told(serverMs: number): void {
    if (this.#given === undefined) this.#offsetMs = serverMs - Date.now();
  }
}
