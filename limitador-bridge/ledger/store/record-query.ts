/**
 * What every store's records() has in common: the order of records, the cursor and the filters.
 *
 * Records are ordered by their time, then their id. A cursor is the position of the last record
 * looked at; a page may be empty and still have a next one, since one call looks at no more than
 * maxScanned records.
 */
import type { UsageRecord } from "../../contract/usage-record.ts";
import { recordTimeMs } from "../request-check.ts";
import type { RecordQuery } from "./store.ts";
import { invalidInput } from "./store-error.ts";

export const maxScanned = 10_000;
const maxPageLength = 1000;
/** How long records are kept where the caller does not say: 400 days. */
export const defaultRetentionMs = 400 * 86_400_000;

/** Sortable as text: `<time, 16 digits>!<id>`. */
export type RecordPosition = string;

export function timeKey(timeMs: number): string {
  return String(timeMs).padStart(16, "0");
}

export function positionOf(record: UsageRecord): RecordPosition {
  return `${timeKey(recordTimeMs(record))}!${record.id}`;
}

/** Where a query begins (excluded) and ends (included), newest first. */
export interface RecordRange {
  before: RecordPosition;
  from: RecordPosition;
}

/**
 * The range that a query looks at: sinceMs ≤ time < untilMs, after the cursor.
 * @throws StoreError invalid_input for a bad limit, time or cursor.
 */
export function rangeOf(query: RecordQuery): RecordRange {
  const { limit, sinceMs = 0, untilMs = Number.MAX_SAFE_INTEGER } = query;
  if (!Number.isInteger(limit) || limit < 1 || limit > maxPageLength) {
    throw invalidInput(`limit ${limit}: expected 1 to ${maxPageLength}`);
  }
  for (const time of [sinceMs, untilMs]) {
    if (!Number.isSafeInteger(time) || time < 0) {
      throw invalidInput(`time ${time}: expected ms since 1970`);
    }
  }
  const until = timeKey(untilMs);
  const cursor = query.cursor === undefined ? until : decodeCursor(query.cursor);
  const [before = until] = [cursor, until].sort();
  return { before, from: timeKey(sinceMs) };
}

export function encodeCursor(position: RecordPosition): string {
  return Buffer.from(position, "utf8").toString("base64url");
}

function decodeCursor(cursor: string): RecordPosition {
  const position = Buffer.from(cursor, "base64url").toString("utf8");
  if (!/^\d{16}!/.test(position)) throw invalidInput("cursor: not one that a page gave");
  return position;
}

/** True where the record passes the query's filters; its time is not looked at. */
export function matches(record: UsageRecord, query: RecordQuery): boolean {
  const { requestId, user, team, app, model } = query;
  return (
    (requestId === undefined || record.requestId === requestId) &&
    (user === undefined || record.user === user) &&
    (team === undefined || record.team === team) &&
    (app === undefined || record.app === app) &&
    (model === undefined || (record.model ?? record.requestedModel) === model)
  );
}
