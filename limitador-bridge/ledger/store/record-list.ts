/** Usage records in memory, ordered by time; the oldest go when there are too many. */
import type { UsageRecord } from "../../contract/usage-record.ts";
import {
  encodeCursor,
  matches,
  maxScanned,
  positionOf,
  type RecordPosition,
  rangeOf,
  timeKey,
} from "./record-query.ts";
import type { RecordPage, RecordQuery } from "./store.ts";

interface Entry {
  position: RecordPosition;
  record: UsageRecord;
}

export class RecordList {
  /** Oldest first: new records mostly belong at the end. */
  readonly #entries: Entry[] = [];
  readonly #maxLength: number;

  constructor(maxLength: number) {
    this.#maxLength = maxLength;
  }

  /** Adds a record, in place of `replaces` or of one with the same time and id. */
  add(record: UsageRecord, replaces: UsageRecord | null): void {
    if (replaces !== null) this.#remove(positionOf(replaces));
    const position = positionOf(record);
    const index = this.#indexOf(position);
    const same = this.#entries[index]?.position === position;
    this.#entries.splice(index, same ? 1 : 0, { position, record });
    // In steps, since each moves the whole list.
    const spare = Math.ceil(this.#maxLength / 10);
    if (this.#entries.length >= this.#maxLength + spare) this.#entries.splice(0, spare);
  }

  page(query: RecordQuery): RecordPage {
    const { before, from } = rangeOf(query);
    const records: UsageRecord[] = [];
    const start = this.#indexOf(before) - 1;
    const end = Math.max(this.#indexOf(from), start - maxScanned + 1);
    for (let index = start; index >= end; index -= 1) {
      const { position, record } = this.#entries[index] as Entry;
      if (matches(record, query)) records.push(record);
      const more = index > 0 && (this.#entries[index - 1] as Entry).position >= from;
      if (more && (records.length === query.limit || index === end)) {
        return { records, next: encodeCursor(position) };
      }
      if (records.length === query.limit) break;
    }
    return { records, next: null };
  }

  /** Drops what began before `timeMs`. */
  dropBefore(timeMs: number): void {
    const count = this.#indexOf(timeKey(timeMs));
    if (count > 0) this.#entries.splice(0, count);
  }

  #remove(position: RecordPosition): void {
    const index = this.#indexOf(position);
    if (this.#entries[index]?.position === position) this.#entries.splice(index, 1);
  }

  /** Index of the first entry at or after the position. */
  #indexOf(position: RecordPosition): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#entries[middle] as Entry).position < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
