/** Tells the store what was journaled while it was away. */
import type { Settlement, Store } from "../store.ts";
import { StoreError } from "../store-error.ts";
import type { Journal, ReplayLine } from "./journal.ts";

const chunk = 100;

/**
 * Replays the journal; what the store refuses for good is set aside with a warning.
 * @param replayed told how many entries the store has taken
 * @throws StoreError unavailable where the store goes away again; the rest stays journaled.
 */
export function replayJournal(
  journal: Journal,
  store: Store,
  warn: (message: string) => void,
  replayed: (entries: number) => void = () => {},
): Promise<void> {
  return journal.replay(chunk, async (lines) => {
    if (await settledTogether(store, lines)) return replayed(lines.length);
    for (const line of lines) {
      try {
        await replayOne(store, line);
        replayed(1);
      } catch (error) {
        if (!(error instanceof Error) || isAway(error)) throw error;
        warn(`journal: refused, see refused.jsonl: ${error.message}`);
        await journal.refuse(line, error.message);
      }
    }
  });
}

/** Settles a chunk of settlements in one call; false where that is not all, or one is refused. */
async function settledTogether(store: Store, lines: ReplayLine[]): Promise<boolean> {
  const settlements: Settlement[] = [];
  for (const line of lines) {
    if (!("entry" in line) || !("settle" in line.entry)) return false;
    settlements.push(line.entry.settle);
  }
  try {
    await store.settle(settlements);
    return true;
  } catch (error) {
    if (isAway(error)) throw error;
    return false;
  }
}

async function replayOne(store: Store, line: ReplayLine): Promise<void> {
  if ("unreadable" in line) throw new StoreError("corrupt", "line is not JSON");
  const { entry } = line;
  if ("settle" in entry) await store.settle([entry.settle]);
  else if ("release" in entry) await store.release(entry.release);
  else if ("shrink" in entry) await store.shrink(entry.shrink.id, entry.shrink.parts);
  else await store.appendRecord(entry.record);
}

function isAway(error: unknown): boolean {
  return error instanceof StoreError && error.code === "unavailable";
}
