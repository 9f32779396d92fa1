import { expect, test } from "vitest";
import { MemoryStore } from "../../limitador-bridge/ledger/store/memory.ts";
import {
  claim,
  record,
  recordIds,
  reservation,
  settlement,
  TestClock,
} from "./contract/fixture.ts";
import { storeContract } from "./contract.ts";

storeContract("memory", async (options) => new MemoryStore(options));

test("the oldest records go when there are too many", async () => {
  const store = new MemoryStore({ maxRecords: 10 });
  for (let n = 0; n < 25; n += 1) {
    const time = new Date(1_800_000_000_000 + n).toISOString();
    await store.appendRecord(record(`r${n}`, { time }));
  }
  expect(await recordIds(store)).toEqual(
    [24, 23, 22, 21, 20, 19, 18, 17, 16, 15].map((n) => `r${n}`),
  );
});

test("while many holds end, one of the last of them is settled", async () => {
  const clock = new TestClock();
  const store = new MemoryStore({ nowMs: clock.nowMs });
  const claims = [claim({ limit: 100_000, reserve: 10, onExpiry: 4 })];
  for (let n = 0; n < 1_200; n += 1) await store.reserve(reservation(`h${n}`, claims));
  clock.advance(30_000);
  const expiring = store.expire();
  expect(await store.settle([settlement("h1199", 7)])).toMatchObject([{ duplicate: false }]);
  expect(await expiring).toHaveLength(1_199);
  expect(await store.counters("", 1)).toMatchObject([{ used: 1_199 * 4 + 7, held: 0 }]);
});
