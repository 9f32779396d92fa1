import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";
import { RedisStore } from "../../limitador-bridge/ledger/store/redis.ts";
import { claim, recordIds, reservation, settlement } from "./contract/fixture.ts";
import { storeContract } from "./contract.ts";
import { startSentinel } from "./redis/redis-sentinel.ts";

const group = await startSentinel();
afterAll(() => group.stop());

let count = 0;
storeContract("redis sentinel", async (options) => {
  count += 1;
  return new RedisStore(`${group.url}?prefix=s${count}`, { timeoutMs: 10_000, ...options });
});

async function untilWorks<T>(call: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await sleep(50);
    }
  }
}

// The last test of the file: the primary does not come back.
test("the primary is killed: the store goes on at the one that the sentinel names", async () => {
  const store = new RedisStore(group.url, { timeoutMs: 2_000 });
  const roomy = claim({ limit: 1e9, reserve: 10, window: { kind: "fixed", lengthMs: 3_600_000 } });
  const settled: string[] = [];
  const exchange = async (id: string) => {
    await untilWorks(() => store.reserve(reservation(id, [roomy])));
    await untilWorks(() => store.settle([settlement(id, 3, [roomy])]));
    settled.push(id);
  };
  for (let n = 0; n < 50; n += 1) await exchange(`before${n}`);
  group.primary.signal("SIGKILL");
  for (let n = 0; n < 50; n += 1) await exchange(`after${n}`);
  expect(new Set(await recordIds(store))).toEqual(new Set(settled));
  expect(await store.counters("", 10)).toMatchObject([{ used: 300, held: 0 }]);
  await store.close();
}, 60_000);
