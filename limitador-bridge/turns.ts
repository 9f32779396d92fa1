/** Lets those with much to compute take turns with everything else that waits. */
import { setImmediate as nextTurn } from "node:timers/promises";

/**
 * Makes a function that resolves for one caller in each turn of the event loop, in the order of
 * their calls: between two of them whatever has come in is served.
 */
export function createTurns(): () => Promise<void> {
  let last: Promise<unknown> = Promise.resolve();
  return async () => {
    const mine = last.then(() => nextTurn());
    last = mine;
    await mine;
  };
}

/** Gives the items in slices of `size`, each in another turn of the event loop. */
export async function* inSlices<T>(items: readonly T[], size: number): AsyncGenerator<T[]> {
  for (let from = 0; from < items.length; from += size) {
    if (from > 0) await nextTurn();
    yield items.slice(from, from + size);
  }
}
