/** The embedded store as rows, to be copied. The service must not have it open. */

import { isOver } from "../counter.ts";
import { endedTtlMs } from "../hold.ts";
import { type OpenedLevel, openLevel } from "./embedded/open-level.ts";
import {
  counterKey,
  decodeEnded,
  decodeRecord,
  encodeCounter,
  encodeEnded,
  encodeHold,
  encodeRecord,
  endedKey,
  holdKey,
  pruneKey,
  rangeOfKind,
  recordKeys,
} from "./embedded/rows.ts";
import type { TransferRow, TransferStore } from "./transfer.ts";

/** @throws StoreError locked, corrupt or unavailable (see openLevel). */
export async function openEmbeddedTransfer(
  path: string,
  nowMs: () => number = Date.now,
): Promise<TransferStore> {
  const opened = await openLevel(path);
  return {
    rows: () => readRows(opened, nowMs()),
    write: (rows) => writeRows(opened, rows),
    close: () => opened.db.close(),
  };
}

async function* readRows(opened: OpenedLevel, nowMs: number): AsyncGenerator<TransferRow> {
  const { db, counters, holds } = opened;
  for (const [id, state] of counters)
    if (!isOver(state, nowMs)) yield { kind: "counter", id, state };
  for (const [id, hold] of holds) yield { kind: "hold", id, hold };
  for await (const [key, value] of db.iterator(rangeOfKind("e"))) {
    const ended = decodeEnded(key, value);
    if (ended.atMs > nowMs - endedTtlMs) yield { kind: "ended", id: key.slice(2), ended };
  }
  for await (const [key, value] of db.iterator(rangeOfKind("r"))) {
    const record = decodeRecord(key, value);
    yield { kind: "record", id: record.id, record };
  }
}

async function writeRows(opened: OpenedLevel, rows: TransferRow[]): Promise<void> {
  const { db, counters, holds } = opened;
  const batch = db.batch();
  for (const row of rows) {
    switch (row.kind) {
      case "counter":
        counters.set(row.id, row.state);
        batch.put(counterKey(row.id), encodeCounter(row.state));
        break;
      case "hold":
        holds.set(row.id, row.hold);
        batch.put(holdKey(row.id), encodeHold(row.hold));
        break;
      case "ended":
        batch.put(endedKey(row.id), encodeEnded(row.ended));
        batch.put(pruneKey(row.ended.atMs, row.id), "");
        break;
      case "record": {
        const { row: key, index } = recordKeys(row.record);
        batch.put(key, encodeRecord(row.record));
        if (index !== null) batch.put(index, "");
      }
    }
  }
  await batch.write({ sync: true });
}
