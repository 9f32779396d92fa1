/** Load from a few users, and what the ledger has to say of it afterwards. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, vi } from "vitest";
import type { UsageRecord } from "../../limitador-bridge/contract/usage-record.ts";
import { allRecords, type Limit, limitsOf, until, untilToldAll } from "./redis-stack.ts";
import { ask } from "./traffic.ts";

const USERS = ["ann", "bob", "cid"];

export interface Answered {
  requestId: string;
  /** 0: the connection broke. */
  status: number;
}

/** Requests one after the other from a few users, until it is stopped. */
export function startLoad(proxyUrl: string) {
  const answered: Answered[] = [];
  let running = true;
  const work = async (user: string) => {
    while (running) {
      const asked = await ask(proxyUrl, { user }).catch(() => null);
      if (asked !== null) {
        const { requestId, reply } = asked;
        answered.push({ requestId, status: reply.ended === "complete" ? reply.status : 0 });
      }
      await sleep(10);
    }
  };
  const users = Promise.all(USERS.map(work));
  return {
    answered,
    /** Waits for so many more answers of status 200. */
    async passed(count: number): Promise<void> {
      const passed = () => answered.filter(({ status }) => status === 200).length;
      const enough = passed() + count;
      await until(`${count} more requests`, 60_000, async () => passed() >= enough);
    },
    async stop(): Promise<void> {
      running = false;
      await users;
    },
  };
}

/** Waits until every service has told all, and no hold is left. */
export async function untilSettled(apiUrls: string[]): Promise<void> {
  for (const url of apiUrls) await untilToldAll(url, 60_000);
  await until("no hold is left", 60_000, async () => {
    const limits = await Promise.all(apiUrls.map(limitsOf));
    return limits.flat().every(({ held }) => held === 0);
  });
}

/**
 * Waits until the ledger has, of each user and in each unit, the sum of the usage records: the
 * filter may still tell of exchanges for which nothing was held.
 */
export async function expectLedgerIsRecords(apiUrl: string, rates: number): Promise<UsageRecord[]> {
  const compare = async () => {
    const records = await allRecords(apiUrl);
    const limits = await limitsOf(apiUrl);
    expect(limits).toHaveLength(rates * USERS.length);
    expect(limits.map(({ used }) => used)).toEqual(limits.map((limit) => sumOf(limit, records)));
    return records;
  };
  const records = await vi.waitFor(compare, { timeout: 60_000, interval: 500 });
  expect(new Set(records.map(({ id }) => id)).size).toBe(records.length);
  return records;
}

/** Waits until every exchange that passed has a record. */
export async function untilRecorded(apiUrl: string, answered: Answered[]): Promise<void> {
  const passed = answered.filter(({ status }) => status === 200);
  await until("all that passed is recorded", 60_000, async () => {
    const recorded = new Set((await allRecords(apiUrl)).map(({ requestId }) => requestId));
    return passed.every(({ requestId }) => recorded.has(requestId));
  });
}

/** The amount of a unit in a user's records. */
function sumOf({ unit, counters }: Limit, records: UsageRecord[]): number {
  const own = records.filter(({ user, outcome }) => user === counters[0] && outcome !== "denied");
  const amounts = { requests: () => 1, usd: cost, total };
  return own.reduce((sum, record) => sum + amounts[unit as keyof typeof amounts](record), 0);
}
const cost = (record: UsageRecord) => record.costNanoUsd;
const total = (record: UsageRecord) => record.tokens.total;
