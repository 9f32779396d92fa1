/**
 * Rows of the embedded store. Keys and values are UTF-8 text; times in keys have 16 digits, so
 * that the order of keys is the order of time.
 *
 *   key                            value
 *   c!<counter id>                 [limit, startMs, endMs, used, held, previousUsed, previousHeld],
 *                                  with carry-over: previousStartMs, previousLimit, percent
 *   e!<id>                         what became of a hold: settled, or expired or provisional with
 *                                  the hold
 *   h!<id>                         a hold: expiresAtMs, option (not 0), claims, expiryRecord; of a
 *                                  lease parts and no expiryRecord
 *   m!format                       "1", the version of this layout
 *   p!<atMs>!<id>                  which e! rows to forget when: that of the id and, as a JSON
 *                                  array, those that ended up to then; empty: it alone
 *   q!<request id>!<timeMs>!<id>   empty; finds records by request id
 *   r!<timeMs>!<id>                a usage record
 */
import type { UsageRecord } from "../../../contract/usage-record.ts";
import { type CounterState, parseCounterId } from "../../counter.ts";
import type { Ended, HeldClaim, Hold } from "../../hold.ts";
import { carryPercent, withCarryOver } from "../../window.ts";
import { positionOf, type RecordPosition, timeKey } from "../record-query.ts";
import { StoreError } from "../store-error.ts";

export const formatKey = "m!format";
export const format = "1";
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
  expiryRecord?: UsageRecord;
}

function holdRow({ expiresAtMs, option, parts, claims, expiryRecord }: Hold): HoldRow {
  return {
    expiresAtMs,
    ...(option > 0 ? { option } : {}),
    ...(parts === null ? {} : { parts }),
    claims: claims.map(({ counterId, limit, startMs, reserve, onExpiry, window }) => {
      const percent = carryPercent(window);
      return [counterId, limit, startMs, reserve, onExpiry, ...(percent > 0 ? [percent] : [])];
    }),
    ...(expiryRecord === null ? {} : { expiryRecord }),
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
  const { expiresAtMs, option = 0, parts = null, expiryRecord = null } = row;
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
  if (expiryRecord !== null) positionOf(expiryRecord);
  else if (parts === null) throw new TypeError("expected expiryRecord");
  return { id, expiresAtMs, option, parts, claims, expiryRecord };
}
type Five = [number, number, number, number, number?];

export function encodeEnded(ended: Ended): string {
  const { state, atMs } = ended;
  return JSON.stringify(
    state === "settled" ? { state, atMs } : { state, atMs, hold: holdRow(ended.hold) },
  );
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
    const { state, atMs, hold } = JSON.parse(value) as {
      state: string;
      atMs: number;
      hold: HoldRow;
    };
    if (!isCount(atMs)) throw new TypeError("expected atMs");
    if (state === "settled") return { state, atMs };
    if (state !== "expired" && state !== "provisional") {
      throw new TypeError("expected settled, expired or provisional");
    }
    return { state, atMs, hold: readHold(key.slice(2), hold) };
  });
}

/** @throws StoreError corrupt, naming the key. */
export function decodeRecord(key: string, value: string): UsageRecord {
  return decode(key, () => {
    const record = JSON.parse(value) as UsageRecord;
    if (recordKey(positionOf(record)) !== key)
      throw new TypeError("expected the record of the key");
    return record;
  });
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
