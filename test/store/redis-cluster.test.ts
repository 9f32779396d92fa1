import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, describe, expect, test } from "vitest";
import { scripts } from "../../limitador-bridge/ledger/store/redis/script.ts";
import { Shards, slotOf } from "../../limitador-bridge/ledger/store/redis/shards.ts";
import { RedisStore } from "../../limitador-bridge/ledger/store/redis.ts";
import { openResilient } from "../../limitador-bridge/ledger/store/resilient.ts";
import type { LimitClaim } from "../../limitador-bridge/ledger/store/store.ts";
import { claim, recordIds, reservation, settlement } from "./contract/fixture.ts";
import { storeContract } from "./contract.ts";
import { unavailable } from "./flaky-store.ts";
import { startCluster } from "./redis/redis-cluster.ts";
import type { RedisServer } from "./redis/redis-server.ts";

const folder = await mkdtemp(join(tmpdir(), "tollgate-cluster-"));
afterAll(() => rm(folder, { recursive: true, force: true }));

const cluster = await startCluster();
afterAll(() => cluster.stop());

let count = 0;
const nextPrefix = (): string => {
  count += 1;
  return `c${count}`;
};
const open = (prefix: string, timeoutMs = 10_000) =>
  new RedisStore(cluster.url(`prefix=${prefix}`), { timeoutMs });

storeContract(
  "redis cluster",
  async (options) =>
    new RedisStore(cluster.url(`prefix=${nextPrefix()}`), { timeoutMs: 10_000, ...options }),
);

const hour = { kind: "fixed", lengthMs: 3_600_000 } as const;
const limits = (limit: number): LimitClaim[] =>
  ["alice", "research", "all"].map((key) => claim({ key, limit, reserve: 10, window: hour }));

describe("redis cluster", () => {
  test("shards are spread evenly over the slots, and claims over the shards", () => {
    const { all } = new Shards("p", 64);
    const parts = all.map(({ keys }) => Math.floor(slotOf(keys.meta) / 256));
    expect(parts).toEqual(Array.from({ length: 64 }, (_, part) => part));
    const used = new Set(
      Array.from(
        { length: 1_000 },
        (_, n) => new Shards("p", 64).ofClaim({ key: `user${n}` }).index,
      ),
    );
    expect(used.size).toBe(64);
  });

  test("claims with one shardBy are kept in one shard", async () => {
    const shards = new Shards("p", 64);
    const together = ["a", "b", "c"].map((key) => shards.ofClaim({ key, shardBy: "alice" }).index);
    expect(new Set(together).size).toBe(1);
    const prefix = nextPrefix();
    const store = open(prefix);
    const claims = limits(100).map((one) => ({ ...one, shardBy: "alice" }));
    await store.reserve(reservation("a", claims));
    await store.settle([settlement("a", 4, claims)]);
    const views = await store.counters("", 10);
    expect(views.map(({ key, used, held }) => [key, used, held])).toEqual([
      ["alice", 4, 0],
      ["all", 4, 0],
      ["research", 4, 0],
    ]);
    await store.close();
  });

  test("200 parallel requests over three shards on limits that fit 50: never more", async () => {
    const prefix = nextPrefix();
    const replicas = [open(prefix), open(prefix)];
    const requests = Array.from({ length: 200 }, (_, n) =>
      replicas[n % 2]?.reserve(reservation(`r${n}`, limits(500))),
    );
    const results = await Promise.all(requests);
    const admitted = results.filter((result) => result?.admitted).length;
    expect(admitted).toBeLessThanOrEqual(50);
    const [store] = replicas as [RedisStore];
    const views = await store.counters("", 10);
    expect(views.map(({ held }) => held)).toEqual([1, 1, 1].map(() => admitted * 10));
    // What was given back while others were denied is free again.
    for (let n = 0; n < 50 - admitted; n += 1) {
      expect(await store.reserve(reservation(`s${n}`, limits(500)))).toMatchObject({
        admitted: true,
      });
    }
    expect(await store.reserve(reservation("over", limits(500)))).toMatchObject({
      admitted: false,
    });
    for (const replica of replicas) await replica.close();
  });

  test("another replica settles, releases and corrects what this one has reserved", async () => {
    const prefix = nextPrefix();
    const [one, two] = [open(prefix), open(prefix)] as const;
    const claims = limits(1_000).map((each) => ({ ...each, onExpiry: 3 }));
    await one.reserve(reservation("settled", claims));
    await one.reserve(reservation("released", claims));
    await one.reserve(reservation("expired", claims, { holdMs: 1 }));
    await two.settle([settlement("settled", 7)]);
    await two.release("released");
    await sleep(5);
    expect(await two.expire()).toEqual(["expired"]);
    const used = async () => (await two.counters("", 10)).map((view) => [view.used, view.held]);
    expect(await used()).toEqual([1, 1, 1].map(() => [10, 0]));
    await two.settle([settlement("expired", 1)]);
    expect(await used()).toEqual([1, 1, 1].map(() => [8, 0]));
    expect(await one.settle([settlement("settled", 9)])).toMatchObject([{ duplicate: true }]);
    expect(await used()).toEqual([1, 1, 1].map(() => [8, 0]));
    await one.close();
    await two.close();
  });

  test("an option that is denied in a later shard is given back before the next", async () => {
    const prefix = nextPrefix();
    const [one, two] = [open(prefix), open(prefix)] as const;
    const full = [...limits(1_000), claim({ key: "full", limit: 10, reserve: 10, window: hour })];
    const cheap = limits(1_000).map((each) => ({ ...each, reserve: 4 }));
    const request = (id: string) => reservation(id, full, { alternatives: [cheap] });
    const results = await Promise.all(
      Array.from({ length: 12 }, (_, n) => [one, two][n % 2]?.reserve(request(`r${n}`))),
    );
    expect(results.filter((result) => result?.admitted && result.option === 0)).toHaveLength(1);
    expect(results.every((result) => result?.admitted)).toBe(true);
    const held = async () => (await two.counters("", 10)).map((view) => [view.key, view.held]);
    const total = 10 + 11 * 4;
    expect(await held()).toEqual([
      ["alice", total],
      ["all", total],
      ["full", 10],
      ["research", total],
    ]);
    const again = await Promise.all(results.map((_, n) => two.reserve(request(`r${n}`))));
    const option = (result: (typeof results)[number]) => result?.admitted && result.option;
    expect(again.map(option)).toEqual(results.map(option));
    for (let n = 0; n < 12; n += 1) await one.release(`r${n}`);
    expect((await held()).map(([, amount]) => amount)).toEqual([0, 0, 0, 0]);
    await one.close();
    await two.close();
  });

  test("another replica corrects what this one has settled provisionally", async () => {
    const prefix = nextPrefix();
    const [one, two] = [open(prefix), open(prefix)] as const;
    const provisional = (id: string) => ({ ...settlement(id, 7, limits(100)), provisional: true });
    await one.reserve(reservation("held", limits(100)));
    await one.settle([provisional("held"), provisional("unknown")]);
    const used = async () => (await two.counters("", 10)).map((view) => [view.used, view.held]);
    expect(await used()).toEqual([1, 1, 1].map(() => [14, 0]));
    expect(await two.settle([provisional("unknown")])).toMatchObject([{ duplicate: true }]);
    // The claims are those of the first settlement, in all their shards.
    const final = await two.settle([settlement("held", 2), settlement("unknown", 3)]);
    expect(final.map(({ duplicate }) => duplicate)).toEqual([false, false]);
    expect(await used()).toEqual([1, 1, 1].map(() => [5, 0]));
    expect(await recordIds(one)).toEqual(["unknown", "held"]);
    await one.close();
    await two.close();
  });

  test.each([
    ["before all shards were asked", limits(1e9).slice(0, 2)],
    ["between home and the shard of its claims", limits(1e9).slice(0, 1)],
  ])("a decision too late, %s, is refused: nothing held or charged after", async (_, claims) => {
    const prefix = nextPrefix();
    const journalPath = join(folder, prefix);
    const store = await openResilient(open(prefix), { journalPath });
    const given = claims.map((one) => ({ ...one, onExpiry: 10 }));
    await store.ping();
    const shards = new Shards(prefix, 64);
    const slow = await cluster.primaryOf(slotOf(shards.ofClaim({ key: "alice" }).keys.meta));
    const id = await idHomeNot(slow, shards);
    await slow.client.script("FLUSH");
    await slow.client.script("LOAD", scripts.release.lua);
    slow.signal("SIGSTOP");
    await unavailable(store.reserve(reservation(id, given, { holdMs: 300 })));
    const released = store.release(id);
    await sleep(50);
    slow.signal("SIGCONT");
    await released;
    await sleep(400);
    expect(await store.expire()).toEqual([]);
    const views = await store.counters("", 10);
    expect(views.map(({ used, held }) => [used, held])).toEqual(given.map(() => [0, 0]));
    expect(await recordIds(store)).toEqual([]);
    await store.close();
  });

  test("a slot is moved under load: nothing is lost or counted twice", async () => {
    const prefix = nextPrefix();
    const store = open(prefix);
    const slot = slotOf(new Shards(prefix, 64).ofClaim({ key: "alice" }).keys.meta);
    const load = startLoad(store);
    await untilTrue(async () => load.count() >= 30);
    await cluster.moveSlot(slot);
    const moved = load.count();
    await untilTrue(async () => load.count() >= moved + 30);
    await expectExact(store, await load.stop());
    await store.close();
  }, 60_000);

  test("a primary is killed under load: what was acknowledged is kept, once", async () => {
    const prefix = nextPrefix();
    const store = open(prefix, 3_000);
    const slot = slotOf(new Shards(prefix, 64).ofClaim({ key: "all" }).keys.meta);
    const load = startLoad(store);
    await untilTrue(async () => load.count() >= 30);
    const primary = await cluster.primaryOf(slot);
    primary.signal("SIGKILL");
    await untilTrue(async () => (await cluster.primaryOf(slot)) !== primary);
    const before = load.count();
    await untilTrue(async () => load.count() >= before + 30);
    const settled = await load.stop();
    await expectExact(store, settled);
    await store.close();
  }, 60_000);
});

/** An id whose home is at another primary than this one. */
async function idHomeNot(primary: RedisServer, shards: Shards): Promise<string> {
  for (let n = 0; ; n += 1) {
    const slot = slotOf(shards.homeOf(`late${n}`).keys.meta);
    if ((await cluster.primaryOf(slot)) !== primary) return `late${n}`;
  }
}

/** Eight clients that reserve and settle, trying again until it works. */
function startLoad(store: RedisStore) {
  const settled: string[] = [];
  let running = true;
  const work = async (client: number) => {
    for (let n = 0; running; n += 1) {
      const id = `${client}-${n}`;
      await untilWorks(() => store.reserve(reservation(id, limits(1e9))));
      await untilWorks(() => store.settle([settlement(id, 3, limits(1e9))]));
      settled.push(id);
    }
  };
  const clients = Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map(work));
  return {
    count: () => settled.length,
    stop: async () => {
      running = false;
      await clients;
      return settled;
    },
  };
}

async function expectExact(store: RedisStore, settled: string[]): Promise<void> {
  const recorded = await recordIds(store, { limit: 1000 });
  expect(new Set(recorded)).toEqual(new Set(settled));
  const views = await store.counters("", 10);
  expect(views.map(({ key, used, held }) => [key, used, held])).toEqual(
    ["alice", "all", "research"].map((key) => [key, settled.length * 3, 0]),
  );
}

async function untilWorks<T>(call: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await sleep(20);
    }
  }
}

async function untilTrue(check: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await check().catch(() => false))) {
    if (Date.now() > deadline) throw new Error("not within 30 s");
    await sleep(20);
  }
}
