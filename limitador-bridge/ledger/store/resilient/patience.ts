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
/** The longest wait for a store that answers others, in silences. */
const longestSilences = 12;

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
    let timer: NodeJS.Timeout | undefined;
    const timeUp = new Promise<typeof late>((resolve) => {
      let silent = 0;
      let left = slices * longestSilences;
      let answers = this.#answers;
      const wait = () => {
        timer = setTimeout(async () => {
          await nextTurn();
          silent = this.#answers === answers ? silent + 1 : 0;
          answers = this.#answers;
          left -= 1;
          if (silent >= slices || left <= 0) resolve(late);
          else if (timer !== undefined) wait();
        }, silenceMs / slices);
      };
      wait();
    });
    try {
      return await Promise.race([asked, timeUp]);
    } finally {
      clearTimeout(timer);
      timer = undefined;
    }
  }
}
