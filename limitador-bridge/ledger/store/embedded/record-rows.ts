/** Reading and pruning of the usage records in LevelDB. */
import type { ClassicLevel } from "classic-level";
import type { UsageRecord } from "../../../contract/usage-record.ts";
import { encodeCursor, matches, maxScanned, rangeOf, timeKey } from "../record-query.ts";
import type { RecordPage, RecordQuery } from "../store.ts";
import { decodeRecord, recordKey, recordKeys, requestKey } from "./rows.ts";

const readChunk = 500;

/** One page, newest first; looks at no more than maxScanned rows. */
export function readRecords(db: ClassicLevel, query: RecordQuery): Promise<RecordPage> {
  return query.requestId === undefined
    ? scanRecords(db, query)
    : findByRequestId(db, query, query.requestId);
}

async function scanRecords(db: ClassicLevel, query: RecordQuery): Promise<RecordPage> {
  const { before, from } = rangeOf(query);
  const range = { gte: recordKey(from), lt: recordKey(before), reverse: true };
  const iterator = db.iterator({ ...range, limit: maxScanned + 1 });
  const page = new PageBuilder(query);
  try {
    for (;;) {
      const rows = await iterator.nextv(Math.min(readChunk, query.limit + 1));
      if (rows.length === 0) return page.end();
      for (const [key, value] of rows) {
        if (page.isFull()) return page.more();
        page.add(key.slice(2), decodeRecord(key, value));
      }
    }
  } finally {
    await iterator.close();
  }
}

async function findByRequestId(
  db: ClassicLevel,
  query: RecordQuery,
  requestId: string,
): Promise<RecordPage> {
  const { before, from } = rangeOf(query);
  const range = { gte: requestKey(requestId, from), lt: requestKey(requestId, before) };
  const keys = await db.keys({ ...range, reverse: true, limit: maxScanned + 1 }).all();
  const page = new PageBuilder(query);
  const skip = requestKey(requestId, "").length;
  for (const key of keys) {
    if (page.isFull()) return page.more();
    const position = key.slice(skip);
    const value = await db.get(recordKey(position));
    // The record may have been replaced or pruned since the index was read.
    if (value !== undefined) page.add(position, decodeRecord(recordKey(position), value));
  }
  return page.end();
}

class PageBuilder {
  readonly #query: RecordQuery;
  readonly #records: UsageRecord[] = [];
  #scanned = 0;
  #last = "";

  constructor(query: RecordQuery) {
    this.#query = query;
  }

  add(position: string, record: UsageRecord): void {
    this.#scanned += 1;
    this.#last = position;
    if (matches(record, this.#query)) this.#records.push(record);
  }

  isFull(): boolean {
    return this.#records.length === this.#query.limit || this.#scanned >= maxScanned;
  }

  more(): RecordPage {
    return { records: this.#records, next: encodeCursor(this.#last) };
  }

  end(): RecordPage {
    return { records: this.#records, next: null };
  }
}

/** Keys of up to `count` records that began before `timeMs`, the index's included. */
export async function keysBefore(
  db: ClassicLevel,
  timeMs: number,
  count: number,
): Promise<string[]> {
  const range = { gte: recordKey(""), lt: recordKey(timeKey(timeMs)), limit: count };
  const rows = await db.iterator(range).all();
  return rows.flatMap(([key, value]) => {
    const { index } = recordKeys(decodeRecord(key, value));
    return index === null ? [key] : [key, index];
  });
}
