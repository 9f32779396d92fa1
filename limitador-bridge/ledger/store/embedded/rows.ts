/**
 * Rows of the embedded store. Keys and values are UTF-8 text; times in keys have 16 digits, so
 * that the order of keys is the order of time.
 *
 *   key                            value
 *   c!<counter id>                 [limit, startMs, endMs, used, held, previousUsed, previousHeld],
 *                                  with carry-over: previousStartMs, previousLimit, percent
 *   e!<id>                         what became of a hold: settled, by the time of that alone, or
 *                                  expired or provisional with the hold
 *   h!<id>                         a hold: expiresAtMs, option (not 0), claims, expiryRecord; of a
 *                                  lease parts and no expiryRecord
 *   m!format                       "2", the version of this layout; in that of version 1, which is
 *                                  read as well, records and what is settled were objects
 *   p!<atMs>!<id>                  which e! rows to forget when: that of the id and, as a JSON
 *                                  array, those that ended up to then; empty: it alone
 *   q!<request id>!<timeMs>!<id>   empty; finds records by request id
 *   r!<timeMs>!<id>                a usage record (compact-record.ts)
 */
import type { UsageRecord } from "../../../contract/usage-record.ts";
import { type CounterState, parseCounterId } from "../../counter.ts";
import type { Ended, HeldClaim, Hold } from "../../hold.ts";
import { carryPercent, withCarryOver } from "../../window.ts";
import { positionOf, type RecordPosition, timeKey } from "../record-query.ts";
import { StoreError } from "../store-error.ts";
import { type CompactRecord, compactRecord, readCompactRecord } from "./compact-record.ts";

export const formatKey = "m!format";
export const format = "2";
/** Also read, and written on in the newest. */
export const readableFormats: readonly string[] = ["1", format];
/** First characters of all keys, in their order. */
export const rowKinds = ["c", "e", "h", "m", "p", "q", "r"] as const;
export type RowKind = (typeof rowKinds)[number];

/** All keys of one kind: gte `c!`, lt `c"`. */
export function rangeOfKind(kind: RowKind): { gte: string; lt: string } {
  return { gte: `${kind}!`, lt: `${kind}"` };
}

export const counterKey = (counterId: string) => `c!${counterId}`;
export const endedKey = (id: string) => `e!${id}`;
export const holdKey = (id: string) => `h!${id}`;
export const pruneKey = (atMs: number, id: string) => `p!${timeKey(atMs)}!${id}`;
export const recordKey = (position: RecordPosition) => `r!${position}`;
export const requestKey = (requestId: string, position: RecordPosition) =>
  `q!${requestId}!${position}`;

/** The keys under which a record is found. */
export function recordKeys(record: UsageRecord): { row: string; index: string | null } {
  const position = positionOf(record);
  const index = record.requestId === null ? null : requestKey(record.requestId, position);
  return { row: recordKey(position), index };
}

export function encodeCounter(state: CounterState): string {
  const { limit, startMs, endMs, used, held, previousUsed, previousHeld } = state;
  const { previousStartMs, previousLimit, window } = state;
  const percent = carryPercent(window);
  const carry = percent > 0 || previousStartMs > 0 ? [previousStartMs, previousLimit, percent] : [];
  const numbers = [limit, startMs, endMs, used, held, previousUsed, previousHeld, ...carry];
  return JSON.stringify(numbers);
}

/** @throws StoreError corrupt, naming the key. */
export function decodeCounter(key: string, value: string): CounterState {
  return decode(key, () => {
    const numbers: unknown = JSON.parse(value);
    const fits = Array.isArray(numbers) && (numbers.length === 7 || numbers.length === 10);
    if (!fits || !numbers.every(isCount)) throw new TypeError("expected seven or ten integers");
    const [limit, startMs, endMs, used, held, previousUsed, previousHeld] = numbers as Seven;
    const [previousStartMs = 0, previousLimit = 0, percent = 0] = numbers.slice(7);
    const { window, ...names } = parseCounterId(key.slice(2));
    return {
      ...{ ...names, window: withCarryOver(window, percent), limit, startMs, endMs, used, held },
      ...{ previousUsed, previousHeld, previousStartMs, previousLimit },
    };
  });
}
type Seven = [number, number, number, number, number, number, number];

/**
 * A hold as it stands in a row: a claim as [counter id, limit, startMs, reserve, onExpiry], and
 * the percentage where it carries over.
 */
interface HoldRow {
  expiresAtMs: number;
  option?: number;
  parts?: number;
  claims: [string, ...number[]][];
  expiryRecord?: CompactRecord | UsageRecord;
}

function holdRow({ id, expiresAtMs, option, parts, claims, expiryRecord }: Hold): HoldRow {
  return {
    expiresAtMs,
    ...(option > 0 ? { option } : {}),
    ...(parts === null ? {} : { parts }),
    claims: claims.map(({ counterId, limit, startMs, reserve, onExpiry, window }) => {
      const percent = carryPercent(window);
      return [counterId, limit, startMs, reserve, onExpiry, ...(percent > 0 ? [percent] : [])];
    }),
    ...(expiryRecord === null ? {} : { expiryRecord: compactRecord(expiryRecord, id) }),
  };
}

export function encodeHold(hold: Hold): string {
  return JSON.stringify(holdRow(hold));
}

/** @throws StoreError corrupt, naming the key. */
export function decodeHold(key: string, value: string): Hold {
  return decode(key, () => readHold(key.slice(2), JSON.parse(value)));
}

function readHold(id: string, row: HoldRow): Hold {
  const { expiresAtMs, option = 0, parts = null } = row;
  if (!isCount(expiresAtMs)) throw new TypeError("expected expiresAtMs");
  if (!isCount(option)) throw new TypeError("expected option");
  if (parts !== null && (!isCount(parts) || parts === 0)) throw new TypeError("expected parts");
  const claims = row.claims.map(([counterId, ...numbers]): HeldClaim => {
    const [limit, startMs, reserve, onExpiry, percent = 0] = numbers as Five;
    if (![4, 5].includes(numbers.length) || !numbers.every(isCount)) {
      throw new TypeError("expected a claim");
    }
    const { window, ...names } = parseCounterId(counterId);
    const claimed = { counterId, ...names, window: withCarryOver(window, percent) };
    return { ...claimed, limit, startMs, reserve, onExpiry };
  });
  const expiryRecord = row.expiryRecord === undefined ? null : readRecord(row.expiryRecord, id);
  if (expiryRecord !== null) positionOf(expiryRecord);
  else if (parts === null) throw new TypeError("expected expiryRecord");
  return { id, expiresAtMs, option, parts, claims, expiryRecord };
}
type Five = [number, number, number, number, number?];

interface EndedRow {
  state: string;
  atMs: number;
  /** Of one that expired, or was settled provisionally. */
  hold?: HoldRow;
}

export function encodeEnded(ended: Ended): string {
  const { state, atMs } = ended;
  if (state === "settled") return String(atMs);
  return JSON.stringify({ state, atMs, hold: holdRow(ended.hold) });
}

/** One row for all that ended together, under the time of the last; there must be one. */
export function pruneRow(ended: ReadonlyMap<string, Ended>): { key: string; value: string } {
  const [first = "", ...others] = ended.keys();
  let lastMs = 0;
  for (const { atMs } of ended.values()) lastMs = Math.max(lastMs, atMs);
  return {
    key: pruneKey(lastMs, first),
    value: others.length === 0 ? "" : JSON.stringify(others),
  };
}

/** @throws StoreError corrupt, naming the key. */
export function decodePruneRow(key: string, value: string): string[] {
  const first = key.slice(pruneKey(0, "").length);
  if (value === "") return [first];
  return decode(key, () => {
    const others: unknown = JSON.parse(value);
    const areIds = Array.isArray(others) && others.every((id) => typeof id === "string");
    if (!areIds) throw new TypeError("expected an array of ids");
    return [first, ...others];
  });
}

/** @throws StoreError corrupt, naming the key. */
export function decodeEnded(key: string, value: string): Ended {
  return decode(key, () => {
    const row = JSON.parse(value) as number | EndedRow;
    const { state, atMs, hold } = typeof row === "number" ? settledAt(row) : row;
    if (!isCount(atMs)) throw new TypeError("expected atMs");
    if (state === "settled") return { state, atMs };
    if (state !== "expired" && state !== "provisional") {
      throw new TypeError("expected settled, expired or provisional");
    }
    return { state, atMs, hold: readHold(key.slice(2), hold as HoldRow) };
  });
}

function settledAt(atMs: number): EndedRow {
  return { state: "settled", atMs };
}

/** A record by the id that its row's key has. */
export function encodeRecord(record: UsageRecord): string {
  return JSON.stringify(compactRecord(record, record.id));
}

/** @throws StoreError corrupt, naming the key. */
export function decodeRecord(key: string, value: string): UsageRecord {
  return decode(key, () => {
    const id = key.slice(recordKey(timeKey(0)).length + 1);
    const record = readRecord(JSON.parse(value), id);
    if (recordKey(positionOf(record)) !== key)
      throw new TypeError("expected the record of the key");
    return record;
  });
}

function readRecord(row: CompactRecord | UsageRecord, id: string): UsageRecord {
  return Array.isArray(row) ? readCompactRecord(row, id) : row;
}

function decode<T>(key: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new StoreError("corrupt", `row ${JSON.stringify(key)} cannot be read: ${why}`, cause);
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
