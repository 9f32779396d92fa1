/** Entries of the record log: a usage record, and what it charged to which counters. Pure. */
import type { UsageRecord } from "../contract/usage-record.ts";
import { parseCounterId } from "../ledger/counter.ts";
import type { Amounts, Charge, Settlement, SettleResult } from "../ledger/store/store.ts";

export interface ChargedAmount extends Charge {
  amount: number;
}

/**
 * settled   a settlement; `again`: the store knew it before, perhaps from here before a crash
 * expired   the estimate charged where a hold ended unsettled; a settlement may still replace it
 * record    a record that no counter is charged for
 */
export type Unlogged =
  | {
      kind: "settled";
      again?: true;
      /** May still be replaced by a settlement that is not provisional. */
      provisional?: true;
      amounts: Amounts;
      record: UsageRecord;
      id: string;
      charges: ChargedAmount[];
    }
  | { kind: "expired"; id: string; record: UsageRecord; charges: ChargedAmount[] }
  | { kind: "record"; id: string; record: UsageRecord; charges: ChargedAmount[] };

/** `at`: ms since 1970 by this process's clock; later than all entries before. */
export type LogEntry = { at: number } & Unlogged;

/** What is logged of a settlement that the store has answered. */
export function settledEntry(settlement: Settlement, result: SettleResult): Unlogged {
  const { id, amounts, record, provisional } = settlement;
  return {
    kind: "settled",
    ...(result.duplicate ? { again: true } : {}),
    ...(provisional ? { provisional: true } : {}),
    id,
    amounts,
    record,
    charges: (result.charges ?? []).map((charge) => ({
      ...charge,
      amount: amounts[parseCounterId(charge.counterId).unit],
    })),
  };
}

/** Reads a line of a log; null where it is none. */
export function parseEntry(line: string): LogEntry | null {
  try {
    const entry = JSON.parse(line) as LogEntry;
    const isEntry =
      Number.isSafeInteger(entry.at) &&
      ["settled", "expired", "record"].includes(entry.kind) &&
      typeof entry.id === "string" &&
      typeof entry.record === "object" &&
      Array.isArray(entry.charges);
    return isEntry ? entry : null;
  } catch {
    return null;
  }
}
