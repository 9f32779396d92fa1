/** Compares the ledger's counters with what was charged by the usage records. Pure. */
import { parseCounterId } from "../ledger/counter.ts";
import { windowAt } from "../ledger/window.ts";
import { addTo } from "../multi-map.ts";
import type { WindowSum } from "./charge-sums.ts";

/** A counter as Redis keeps it. */
export interface LedgerCounter {
  counterId: string;
  shard: number;
  startMs: number;
  endMs: number;
  used: number;
  held: number;
  limit: number;
  previousUsed: number;
  /** The server's time when it was read. */
  nowMs: number;
}

/** One counter in its window, as the two sides have it. */
export interface Compared {
  counterId: string;
  startMs: number;
  /** null: the ledger has no such counter. */
  counter: LedgerCounter | null;
  ledger: number;
  records: number;
  /** |ledger − records| / the larger of the two, 0 to 1. */
  drift: number;
}

/** Above this a drift is told. */
export const driftToTell = 0.1;

/**
 * Both sides of every counter whose window counts at `nowMs`, those that differ most first.
 * @param sums of all replicas; several for one window add up
 */
export function compare(counters: LedgerCounter[], sums: WindowSum[], nowMs: number): Compared[] {
  const byCounter = new Map<string, WindowSum[]>();
  for (const sum of sums) addTo(byCounter, sum.counterId, sum);
  const compared: Compared[] = [];
  for (const counter of counters) {
    if (counter.endMs <= nowMs) continue;
    const { counterId, startMs, endMs, used } = counter;
    const windows = byCounter.get(counterId) ?? [];
    const inWindow = windows.filter((sum) => startMs <= sum.startMs && sum.startMs < endMs);
    byCounter.delete(counterId);
    compared.push({ ...both(used, total(inWindow)), counterId, startMs, counter });
  }
  for (const [counterId, windows] of byCounter) {
    const { window } = parseCounterId(counterId);
    const live = windows.filter(({ startMs }) => nowMs < windowAt(window, startMs).endMs);
    const records = total(live);
    if (records === 0) continue;
    const startMs = Math.min(...live.map((sum) => sum.startMs));
    compared.push({ ...both(0, records), counterId, startMs, counter: null });
  }
  return compared.sort((a, b) => b.drift - a.drift);
}

function total(sums: WindowSum[]): number {
  return sums.reduce((all, { sum }) => all + sum, 0);
}

function both(ledger: number, records: number) {
  const larger = Math.max(ledger, records);
  return { ledger, records, drift: larger === 0 ? 0 : Math.abs(ledger - records) / larger };
}
