/** Copies all that one store has into another: counters, holds, ended ids and usage records. */
import type { UsageRecord } from "../../contract/usage-record.ts";
import type { CounterState } from "../counter.ts";
import type { Ended, Hold } from "../hold.ts";
import { StoreError } from "./store-error.ts";

export type TransferRow =
  | { kind: "counter"; id: string; state: CounterState }
  | { kind: "hold"; id: string; hold: Hold }
  | { kind: "ended"; id: string; ended: Ended }
  | { kind: "record"; id: string; record: UsageRecord };

/** A store as rows; nobody else may use it meanwhile. */
export interface TransferStore {
  /** Rows that still matter; counters first. */
  rows(): AsyncIterable<TransferRow>;
  /** Writes rows over those with the same ids. Durable when close() resolves. */
  write(rows: TransferRow[]): Promise<void>;
  close(): Promise<void>;
}

/** What was copied, and sums that tell whether all of it arrived. */
export interface Tally {
  counters: number;
  /** Of all counters together, in tokens, requests and nano-USD. */
  used: bigint;
  held: bigint;
  holds: number;
  ended: number;
  records: number;
  costNanoUsd: bigint;
}

const batchLength = 200;

/** Counts rows. @param only names of the rows that count (rowName); all where not given */
async function tally(rows: AsyncIterable<TransferRow>, only?: ReadonlySet<string>): Promise<Tally> {
  const sums = noTally();
  for await (const row of rows) {
    if (only === undefined || only.has(rowName(row))) add(sums, row);
  }
  return sums;
}

/**
 * Copies every row, and reads them again.
 * @param options.dryRun only counts
 * @param options.force also where `to` has something; rows of `from` are written over it
 * @returns what was copied
 * @throws StoreError invalid_input where `to` is not empty, corrupt where not all arrived.
 */
export async function copyStore(
  from: TransferStore,
  to: TransferStore,
  options: { dryRun: boolean; force: boolean },
): Promise<Tally> {
  const isEmpty = await hasNone(to.rows());
  if (!isEmpty && !options.force) {
    throw new StoreError("invalid_input", "TO is not empty: expected an empty store, or --force");
  }
  const copied = noTally();
  const names = new Set<string>();
  let batch: TransferRow[] = [];
  for await (const row of from.rows()) {
    add(copied, row);
    if (!isEmpty) names.add(rowName(row));
    batch.push(row);
    if (batch.length < batchLength) continue;
    if (!options.dryRun) await to.write(batch);
    batch = [];
  }
  if (options.dryRun) return copied;
  await to.write(batch);
  const arrived = await tally(to.rows(), isEmpty ? undefined : names);
  const wrong = differing(copied, arrived);
  if (wrong.length === 0) return copied;
  throw new StoreError("corrupt", `not all arrived in TO: ${wrong.join(", ")}`);
}

/** `used: 5 copied, 4 found` for each sum that differs. */
function differing(copied: Tally, arrived: Tally): string[] {
  return (Object.keys(copied) as (keyof Tally)[])
    .filter((name) => copied[name] !== arrived[name])
    .map((name) => `${name}: ${copied[name]} copied, ${arrived[name]} found`);
}

function noTally(): Tally {
  return { counters: 0, used: 0n, held: 0n, holds: 0, ended: 0, records: 0, costNanoUsd: 0n };
}

function rowName({ kind, id }: TransferRow): string {
  return `${kind} ${id}`;
}

function add(sums: Tally, row: TransferRow): void {
  switch (row.kind) {
    case "counter":
      sums.counters += 1;
      sums.used += BigInt(row.state.used) + BigInt(row.state.previousUsed);
      sums.held += BigInt(row.state.held) + BigInt(row.state.previousHeld);
      return;
    case "hold":
      sums.holds += 1;
      return;
    case "ended":
      sums.ended += 1;
      return;
    case "record":
      sums.records += 1;
      sums.costNanoUsd += BigInt(row.record.costNanoUsd);
  }
}

async function hasNone(rows: AsyncIterable<TransferRow>): Promise<boolean> {
  for await (const _row of rows) return false;
  return true;
}
