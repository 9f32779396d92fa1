/** Pages of usage records, merged from all shards, newest first. */
import type { UsageRecord } from "../../../contract/usage-record.ts";
import {
  encodeCursor,
  matches,
  maxScanned,
  type RecordPosition,
  type RecordRange,
  rangeOf,
} from "../record-query.ts";
import type { RecordPage, RecordQuery } from "../store.ts";
import { StoreError } from "../store-error.ts";
import type { Link } from "./link.ts";
import type { Shard } from "./shards.ts";

interface Found {
  position: RecordPosition;
  record: UsageRecord | null;
}

const largestChunk = 500;

/** One page; looks at no more than maxScanned records. */
export async function readPage(
  link: Link,
  shards: Shard[],
  query: RecordQuery,
): Promise<RecordPage> {
  const range = rangeOf(query);
  const chunk = Math.min(largestChunk, query.limit + 1);
  const readers = shards.map((shard) => new ShardReader(link, shard, query, range, chunk));
  const records: UsageRecord[] = [];
  let last = "";
  for (let scanned = 0; ; scanned += 1) {
    const next = await newest(readers);
    if (next === null) return { records, next: null };
    if (records.length === query.limit || scanned >= maxScanned) {
      return { records, next: encodeCursor(last) };
    }
    const { position, record } = next.take();
    last = position;
    // null: pruned since its position was read.
    if (record !== null && matches(record, query)) records.push(record);
  }
}

async function newest(readers: ShardReader[]): Promise<ShardReader | null> {
  const waiting = readers.filter((reader) => reader.needsMore());
  if (waiting.length > 0) await Promise.all(waiting.map((reader) => reader.more()));
  let best: ShardReader | null = null;
  for (const reader of readers) {
    if (reader.head !== null && (best?.head == null || reader.head > best.head)) best = reader;
  }
  return best;
}

/** Reads one shard's records in chunks. */
class ShardReader {
  readonly #link: Link;
  readonly #shard: Shard;
  readonly #index: string;
  readonly #from: RecordPosition;
  readonly #chunk: number;
  #before: RecordPosition;
  #found: Found[] = [];
  #at = 0;
  #ended = false;

  constructor(link: Link, shard: Shard, query: RecordQuery, range: RecordRange, chunk: number) {
    this.#link = link;
    this.#shard = shard;
    const { requestId } = query;
    this.#index = requestId === undefined ? shard.keys.records : shard.keys.request(requestId);
    this.#from = range.from;
    this.#before = range.before;
    this.#chunk = chunk;
  }

  /** Position of the next record. */
  get head(): RecordPosition | null {
    return this.#found[this.#at]?.position ?? null;
  }

  needsMore(): boolean {
    return this.head === null && !this.#ended;
  }

  take(): Found {
    const found = this.#found[this.#at] as Found;
    this.#at += 1;
    return found;
  }

  async more(): Promise<void> {
    const [below, from] = [`(${this.#before}`, `[${this.#from}`];
    const positions = await this.#link.lastMembers(this.#index, below, from, this.#chunk);
    this.#ended = positions.length < this.#chunk;
    this.#before = positions.at(-1) ?? this.#before;
    const keys = positions.map(this.#shard.keys.record);
    const values = keys.length === 0 ? [] : await this.#link.getAll(keys);
    this.#found = positions.map((position, index) => ({
      position,
      record: parseRecord(position, values[index] ?? null),
    }));
    this.#at = 0;
  }
}

function parseRecord(position: RecordPosition, json: string | null): UsageRecord | null {
  if (json === null) return null;
  try {
    return JSON.parse(json) as UsageRecord;
  } catch (cause) {
    throw new StoreError("corrupt", `record ${position} in redis is not JSON`, cause);
  }
}
