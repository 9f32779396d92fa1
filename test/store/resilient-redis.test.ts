/** The resilient store over a real Redis that is paused and killed under load. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";
import { openStore } from "../../limitador-bridge/ledger/store/open-store.ts";
import { scripts } from "../../limitador-bridge/ledger/store/redis/script.ts";
import {
  type ResilientStore,
  StoreUnavailable,
} from "../../limitador-bridge/ledger/store/resilient.ts";
import { claim, recordIds, reservation, settlement } from "./contract/fixture.ts";
import { unavailable } from "./flaky-store.ts";
import { freePort, startRedis } from "./redis/redis-server.ts";

const folder = await mkdtemp(join(tmpdir(), "tollgate-away-"));
afterAll(() => rm(folder, { recursive: true, force: true }));
const claims = [claim({ limit: 1e9, reserve: 10, window: { kind: "fixed", lengthMs: 3_600_000 } })];

async function open(port: number, name: string): Promise<ResilientStore> {
  const options = { timeoutMs: 1_000, journalPath: join(folder, name) };
  return (await openStore(`redis://127.0.0.1:${port}`, options)) as ResilientStore;
}

/** Four clients of failureMode allow; the slowest decision is measured. */
function startLoad(store: ResilientStore) {
  const settled: string[] = [];
  let slowestMs = 0;
  let undecided = 0;
  let running = true;
  const work = async (client: number) => {
    for (let n = 0; running; n += 1) {
      const id = `${client}-${n}`;
      const began = performance.now();
      await store.reserve(reservation(id, claims)).catch((error: unknown) => {
        if (!(error instanceof StoreUnavailable)) throw error;
        undecided += 1;
      });
      slowestMs = Math.max(slowestMs, performance.now() - began);
      await store.settle([settlement(id, 3, claims)]);
      settled.push(id);
      await sleep(1);
    }
  };
  const clients = Promise.all([0, 1, 2, 3].map(work));
  return {
    stop: async () => {
      running = false;
      await clients;
      return { settled, slowestMs, undecided };
    },
  };
}

async function untilReplayed(store: ResilientStore): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (store.status().circuit === "open" || store.status().journaledBytes > 0) {
    if (Date.now() > deadline) throw new Error("not replayed in 20 s");
    await sleep(20);
  }
}

async function expectExact(store: ResilientStore, settled: string[]): Promise<void> {
  const recorded = await recordIds(store, { limit: 1000 });
  expect(recorded).toHaveLength(settled.length);
  expect(new Set(recorded)).toEqual(new Set(settled));
  expect(await store.counters("", 10)).toMatchObject([{ used: settled.length * 3, held: 0 }]);
}

test.each(["paused", "killed"] as const)(
  "Redis is %s under load",
  async (how) => {
    let server = await startRedis(["--appendfsync", "always"]);
    const store = await open(server.port, how);
    const load = startLoad(store);
    await sleep(300);
    server.signal(how === "paused" ? "SIGSTOP" : "SIGKILL");
    await sleep(2_500);
    expect(store.status().circuit).toBe("open");
    if (how === "paused") server.signal("SIGCONT");
    else server = await server.restart();
    await untilReplayed(store);
    await sleep(200);
    const { settled, slowestMs, undecided } = await load.stop();
    await untilReplayed(store);
    expect(undecided).toBeGreaterThan(20);
    // 50 ms, and what this machine's other work takes.
    expect(slowestMs).toBeLessThan(150);
    await expectExact(store, settled);
    await store.close();
    await server.stop();
  },
  60_000,
);

test("a decision that comes too late is refused: nothing is held or charged after", async () => {
  const server = await startRedis();
  const store = await open(server.port, "late");
  const charged = claims.map((one) => ({ ...one, onExpiry: 10 }));
  await store.reserve(reservation("warm", charged));
  await store.release("warm");
  // Redis knows how to release, and has to be told how to reserve.
  await server.client.script("FLUSH");
  await server.client.script("LOAD", scripts.release.lua);
  server.signal("SIGSTOP");
  await unavailable(store.reserve(reservation("late", charged, { holdMs: 300 })));
  const released = store.release("late");
  await sleep(50);
  server.signal("SIGCONT");
  await released;
  await sleep(400);
  expect(await store.expire()).toEqual([]);
  expect(await store.counters("", 10)).toMatchObject([{ used: 0, held: 0 }]);
  expect(await recordIds(store)).toEqual([]);
  await store.close();
  await server.stop();
});

test("the store opens while Redis is away, and settles when it comes", async () => {
  const port = await freePort();
  const store = await open(port, "early");
  await expect(store.reserve(reservation("a", claims))).rejects.toMatchObject({
    shadow: { admitted: true },
  });
  await store.settle([settlement("a", 3, claims)]);
  await expect(store.ping()).rejects.toMatchObject({ code: "unavailable" });
  const server = await startRedis([], port);
  await untilReplayed(store);
  await expectExact(store, ["a"]);
  await store.close();
  await server.stop();
}, 30_000);
