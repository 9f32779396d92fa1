/**
 * How long an answer of the store is waited for: until the store has been silent for a while. A
 * store that answers others is slow, not away, and is waited for longer, up to a bound.
 *
 * Silence is counted in slices of time with a turn of the event loop after each: when this process
 * itself could not run (many requests at once, a paused machine), the time that went by is one
 * slice, and an answer that waits in the socket is read before the next one.
 */
import { setImmediate as nextTurn } from "node:timers/promises";

export const late = Symbol("late");

const slices = 2;
/** Slices in which this process could not run, which say nothing of the store, are let pass. */
const mostStarved = 4;
/** The longest wait for a store that answers others, in silences. */
const longestSilences = 12;

interface Wait {
  over: boolean;
  timer: NodeJS.Timeout | undefined;
}

export class Patience {
  #answers = 0;
  #failedAtMs = Number.NEGATIVE_INFINITY;

  /** Tells that the store has answered something. */
  heard(): void {
    this.#answers += 1;
  }

  /**
   * True once in each silence: what many asked at one time and got no answer to is one failure of
   * the store, not many in a row.
   */
  isNewFailure(silenceMs: number): boolean {
    const nowMs = performance.now();
    if (nowMs - this.#failedAtMs < silenceMs / 2) return false;
    this.#failedAtMs = nowMs;
    return true;
  }

  /** The answer, or `late` where the store was silent for `silenceMs`, or it took too long. */
  async within<T>(asked: Promise<T>, silenceMs: number): Promise<T | typeof late> {
    asked.catch(() => {});
    const wait: Wait = { over: false, timer: undefined };
    try {
      return await Promise.race([asked, this.#silence(silenceMs, wait)]);
    } finally {
      wait.over = true;
      clearTimeout(wait.timer);
    }
  }

  /** Resolves when the store has been silent; never where the wait is over before. */
  #silence(silenceMs: number, wait: Wait): Promise<typeof late> {
    const sliceMs = silenceMs / slices;
    const untilMs = performance.now() + longestSilences * silenceMs;
    let answers = this.#answers;
    let silent = 0;
    let starved = 0;
    return new Promise((resolve) => {
      const waitOn = () => {
        const begunMs = performance.now();
        wait.timer = setTimeout(async () => {
          await nextTurn();
          if (wait.over) return;
          const nowMs = performance.now();
          if (this.#answers !== answers) silent = 0;
          else if (nowMs - begunMs > 2 * sliceMs && starved < mostStarved) starved += 1;
          else silent += 1;
          answers = this.#answers;
          if (silent >= slices || nowMs >= untilMs) resolve(late);
          else waitOn();
        }, sliceMs);
      };
      waitOn();
    });
  }
}
