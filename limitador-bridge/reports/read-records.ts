/** Reads all usage records of a period out of a store, a page at a time. */
import type { UsageRecord } from "../contract/usage-record.ts";
import type { Store } from "../ledger/store/store.ts";
import type { Period } from "./period.ts";

const PAGE_LENGTH = 1000;

/**
 * Every record whose request began in the period, newest first; one page is in memory.
 * @throws what the store throws
 */
export async function* recordsOf(
  store: Pick<Store, "records">,
  { fromMs, toMs }: Period,
): AsyncGenerator<UsageRecord[]> {
  let cursor: string | null = null;
  do {
    const page = await store.records({
      sinceMs: fromMs,
      untilMs: toMs,
      limit: PAGE_LENGTH,
      ...(cursor === null ? {} : { cursor }),
    });
    yield page.records;
    cursor = page.next;
  } while (cursor !== null);
}
