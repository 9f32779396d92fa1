/** One reconciliation: what differs, twice in a row, and how it is put right. */
import { setTimeout as sleep } from "node:timers/promises";
import { parseCounterId } from "../ledger/counter.ts";
import { shardByOf } from "../policy/counter-key.ts";
import type { WindowSum } from "./charge-sums.ts";
import { type Compared, compare, driftToTell, type LedgerCounter } from "./compare.ts";
import type { ChargedAmount } from "./log-entry.ts";

export interface ReconcileCalls {
  counters(): Promise<LedgerCounter[]>;
  publishedSums(): Promise<WindowSum[]>;
  correct(charge: ChargedAmount): Promise<void>;
  shardOf(key: string, shardBy: string): number;
}

/** Sums are told four times a second: what was only under way differs no more after this. */
const LOOK_AGAIN_MS = 1_500;

/**
 * Compares all counters. Those that drift are looked at again, since charges may be under way.
 * @param sums in place of what replicas have published
 */
export async function compareAll(
  calls: Pick<ReconcileCalls, "counters" | "publishedSums">,
  sums?: WindowSum[],
): Promise<Compared[]> {
  const look = async () => {
    const charged = sums ?? (await calls.publishedSums());
    const counters = await calls.counters();
    return compare(counters, charged, counters[0]?.nowMs ?? Date.now());
  };
  const first = await look();
  if (first.every(({ drift }) => drift <= driftToTell)) return first;
  await sleep(LOOK_AGAIN_MS);
  return look();
}

/** The counters that drift more than is let pass. */
export function drifting(compared: Compared[]): Compared[] {
  return compared.filter(({ drift }) => drift > driftToTell);
}

/** Charges counters so that they have what the usage records say. */
export async function correctAll(
  calls: Pick<ReconcileCalls, "correct" | "shardOf">,
  wrong: Compared[],
): Promise<void> {
  for (const { counterId, startMs, counter, ledger, records } of wrong) {
    const { key } = parseCounterId(counterId);
    const shard = counter?.shard ?? calls.shardOf(key, shardByOf(key));
    // A counter that is not there gets its limit from the next request.
    const limit = counter?.limit ?? records;
    const amount = records - ledger;
    const how = { startMs, replaced: 0, carryPercent: 0 };
    await calls.correct({ counterId, shard, limit, amount, ...how });
  }
}
