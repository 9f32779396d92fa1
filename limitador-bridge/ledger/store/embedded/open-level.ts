/** Opens the LevelDB folder of the embedded store and reads what has to be in memory. */
import { mkdir } from "node:fs/promises";
import { ClassicLevel } from "classic-level";
import type { CounterState } from "../../counter.ts";
import type { Hold } from "../../hold.ts";
import { StoreError } from "../store-error.ts";
import {
  decodeCounter,
  decodeHold,
  format,
  formatKey,
  type RowKind,
  rangeOfKind,
  readableFormats,
  rowKinds,
} from "./rows.ts";

const readChunk = 1000;
const MIB = 1 << 20;
/**
 * Rows are written once and hardly ever read: with larger tables there is far less to merge, which
 * took a fifth of a settlement's CPU. An opening reads at most the write buffer's log again.
 */
const LEVEL = { writeBufferSize: 32 * MIB, maxFileSize: 8 * MIB, cacheSize: 32 * MIB };

export interface OpenedLevel {
  db: ClassicLevel;
  /** By counter id. */
  counters: Map<string, CounterState>;
  holds: Map<string, Hold>;
}

/**
 * Opens (or makes) the folder.
 * @throws StoreError locked: another process has it open; corrupt: a row cannot be read, or the
 * layout is not known; unavailable: the folder cannot be used.
 */
export async function openLevel(path: string): Promise<OpenedLevel> {
  const db = new ClassicLevel(path, LEVEL);
  try {
    await mkdir(path, { recursive: true });
    await db.open();
  } catch (error) {
    throw openError(path, error);
  }
  try {
    await checkFormat(db);
    await checkKinds(db);
    const counters = await readAll(db, "c", decodeCounter);
    const holds = await readAll(db, "h", decodeHold);
    return { db, counters, holds };
  } catch (error) {
    await db.close();
    throw error instanceof StoreError ? error : openError(path, error);
  }
}

function openError(path: string, error: unknown): StoreError {
  const cause = (error as { cause?: unknown }).cause ?? error;
  const { code, message } = cause as { code?: string; message: string };
  if (code === "LEVEL_LOCKED") {
    const why = "is open in another process; one embedded store serves one process";
    return new StoreError("locked", `embedded store ${path} ${why}`, cause);
  }
  const kind = code === "LEVEL_CORRUPTION" ? "corrupt" : "unavailable";
  return new StoreError(kind, `embedded store ${path} cannot be opened: ${message}`, cause);
}

async function checkFormat(db: ClassicLevel): Promise<void> {
  const found = await db.get(formatKey);
  if (found === format) return;
  const [anyKey] = await db.keys({ limit: 1 }).all();
  const isNew = found === undefined && anyKey === undefined;
  const isReadable = found !== undefined && readableFormats.includes(found);
  if (isNew || isReadable) return db.put(formatKey, format, { sync: true });
  const what = found === undefined ? "is missing" : `is ${JSON.stringify(found)}`;
  throw new StoreError("corrupt", `row "${formatKey}" ${what}, expected "${format}"`);
}

/** Looks between the known kinds of rows, where no key may be. */
async function checkKinds(db: ClassicLevel): Promise<void> {
  let from = "";
  for (const kind of [...rowKinds, null]) {
    const range = kind === null ? null : rangeOfKind(kind);
    const between = range === null ? { gte: from } : { gte: from, lt: range.gte };
    const [unknown] = await db.keys({ ...between, limit: 1 }).all();
    if (unknown !== undefined) {
      throw new StoreError("corrupt", `row ${JSON.stringify(unknown)} is of no known kind`);
    }
    from = range?.lt ?? "";
  }
}

async function readAll<T>(
  db: ClassicLevel,
  kind: RowKind,
  decode: (key: string, value: string) => T,
): Promise<Map<string, T>> {
  const all = new Map<string, T>();
  const iterator = db.iterator(rangeOfKind(kind));
  try {
    for (;;) {
      const rows = await iterator.nextv(readChunk);
      if (rows.length === 0) return all;
      for (const [key, value] of rows) all.set(key.slice(2), decode(key, value));
    }
  } finally {
    await iterator.close();
  }
}
