/** Reads what apps spent before the service began, so that a restart does not forget the usual. */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Store } from "../ledger/store/store.ts";
import { REMEMBERED_MS, type SpendHours } from "./spend-hours.ts";

/** Small, so that requests that come meanwhile hardly wait. */
const PAGE_LENGTH = 200;
const MAX_RECORDS = 100_000;

/**
 * Adds the records of the last week, the newest 100,000 of them.
 * @param isOver true: nobody needs it any more
 * @throws what the store throws
 */
export async function readSpendHistory(
  store: Pick<Store, "records">,
  hours: SpendHours,
  nowMs: number,
  isOver: () => boolean,
): Promise<void> {
  let cursor: string | null = null;
  let read = 0;
  do {
    const page: Awaited<ReturnType<Store["records"]>> = await store.records({
      sinceMs: nowMs - REMEMBERED_MS,
      limit: PAGE_LENGTH,
      ...(cursor === null ? {} : { cursor }),
    });
    // What is unusual in them was told when it was new.
    for (const record of page.records) hours.add(record);
    read += page.records.length;
    cursor = page.next;
    await nextTurn();
  } while (cursor !== null && read < MAX_RECORDS && !isOver());
}
