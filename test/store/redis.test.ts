import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, describe, expect, test } from "vitest";
import { openStore } from "../../limitador-bridge/ledger/store/open-store.ts";
import { RedisStore } from "../../limitador-bridge/ledger/store/redis.ts";
import { claim, recordIds, reservation, settlement } from "./contract/fixture.ts";
import { storeContract } from "./contract.ts";
import { freePort, startRedis } from "./redis/redis-server.ts";

const server = await startRedis();
afterAll(() => server.stop());

let count = 0;
/** Stores with prefixes of their own share the server. */
const nextUrl = (): string => {
  count += 1;
  return `redis://127.0.0.1:${server.port}?prefix=t${count}`;
};

const patient = { timeoutMs: 10_000 };
storeContract("redis", async (options) => new RedisStore(nextUrl(), { ...patient, ...options }));

const hour = { kind: "fixed", lengthMs: 3_600_000 } as const;
const day = { kind: "calendar", period: "day", timeZone: "Europe/Berlin" } as const;
const held = claim({ reserve: 10, window: hour });
const now = (id: string) => settlement(id, 5, [held], { time: new Date().toISOString() });

/** How often each command has run since the last call, scripts' own commands left out. */
async function commandsRun(): Promise<Record<string, number>> {
  const stats = await server.client.info("commandstats");
  await server.client.config("RESETSTAT");
  const found = stats.matchAll(/cmdstat_(evalsha|eval):calls=(\d+)/g);
  return Object.fromEntries([...found].map(([, name = "", calls]) => [name, Number(calls)]));
}

describe("redis store on one node", () => {
  test("one Lua call for a decision and one for a settlement", async () => {
    const store = new RedisStore(nextUrl());
    await store.reserve(reservation("warm", [held]));
    await store.settle([now("warm")]);
    await commandsRun();
    await store.reserve(reservation("a", [held, claim({ key: "other", window: day })]));
    expect(await commandsRun()).toEqual({ evalsha: 1 });
    await store.settle([now("a")]);
    expect(await commandsRun()).toEqual({ evalsha: 1 });
    const full = [held, claim({ key: "full", limit: 0 })];
    const alternatives = [full, [held, claim({ key: "roomy", window: day })]];
    const third = await store.reserve(reservation("b", full, { alternatives }));
    expect(third).toMatchObject({ admitted: true, option: 2 });
    expect(await store.reserve(reservation("c", full))).toMatchObject({ admitted: false });
    expect(await commandsRun()).toEqual({ evalsha: 2 });
    await store.close();
  });

  test("one Lua call for a lease, for each settlement under it, and for its return", async () => {
    const store = new RedisStore(nextUrl());
    await store.reserve(reservation("L", [held], { parts: 5 }));
    await store.settle([{ ...now("warm"), lease: "L" }]);
    await store.shrink("L", 3);
    await commandsRun();
    await store.reserve(
      reservation("M", [held, claim({ key: "other", window: day })], { parts: 5 }),
    );
    expect(await commandsRun()).toEqual({ evalsha: 1 });
    await store.settle([{ ...now("a"), lease: "L" }]);
    await store.settle([{ ...now("b"), lease: "unknown" }]);
    expect(await commandsRun()).toEqual({ evalsha: 2 });
    await store.shrink("L", 1);
    expect(await commandsRun()).toEqual({ evalsha: 1 });
    expect(await store.counters("default", 10)).toMatchObject([{ used: 15, held: 60 }]);
    await store.close();
  });

  test("two replicas of the service, one limit that fits 50: 50 are admitted", async () => {
    const url = nextUrl();
    const replicas = [new RedisStore(url), new RedisStore(url)];
    const requests = Array.from({ length: 200 }, (_, n) => {
      const tight = claim({ limit: 500, reserve: 10, window: hour });
      return replicas[n % 2]?.reserve(reservation(`r${n}`, [tight]));
    });
    const results = await Promise.all(requests);
    expect(results.filter((result) => result?.admitted)).toHaveLength(50);
    for (const store of replicas) await store.close();
  });

  test("time is the server's, whatever the clock of this machine says", async () => {
    const store = new RedisStore(nextUrl());
    const [seconds] = await server.client.time();
    const { counters } = await store.reserve(reservation("a", [held]));
    const resetsInMs = (counters[0]?.resetsAtMs ?? 0) - Number(seconds) * 1000;
    expect(resetsInMs).toBeGreaterThanOrEqual(3_600_000);
    expect(resetsInMs).toBeLessThan(3_605_000);
    await store.close();
  });

  test("a real second: window and hold end, and what is over is dropped", async () => {
    const url = nextUrl();
    const store = new RedisStore(url);
    const short = claim({ reserve: 10, window: { kind: "fixed", lengthMs: 1_000 } });
    await store.reserve(reservation("a", [short], { holdMs: 900 }));
    expect(await store.expire()).toEqual([]);
    await sleep(1_050);
    expect(await store.expire()).toEqual(["a"]);
    expect(await store.counters("", 10)).toEqual([]);
    const prefix = new URL(url).searchParams.get("prefix");
    const keys = (await server.client.keys(`${prefix}:*`)).map((key) => key.split("}:")[1]);
    expect(keys.sort()).toEqual([
      "e:a",
      "m",
      expect.stringMatching(/^q:request-of-a$/),
      "r",
      expect.stringMatching(/^r:\d{16}!a$/),
    ]);
    await store.close();
  });

  test("counters and settled ids leave by themselves where no service runs", async () => {
    const url = nextUrl();
    const store = new RedisStore(url);
    await store.settle([now("a")]);
    const prefix = `${new URL(url).searchParams.get("prefix")}:{0}:`;
    const counterTtl = await server.client.pttl(
      `${prefix}c:default/free/tokens/alice\ntotal fixed:3600000`,
    );
    expect(counterTtl).toBeGreaterThan(3_600_000);
    expect(counterTtl).toBeLessThanOrEqual(3_660_000);
    const endedTtl = await server.client.pttl(`${prefix}e:a`);
    expect(endedTtl).toBeGreaterThan(24.9 * 3_600_000);
    expect(endedTtl).toBeLessThanOrEqual(25 * 3_600_000);
    await store.close();
  });

  test("scripts that Redis has forgotten are sent again", async () => {
    const store = new RedisStore(nextUrl());
    await store.reserve(reservation("a", [held]));
    await server.client.script("FLUSH");
    const calls = [store.settle([now("a")]), store.reserve(reservation("b", [held]))];
    await Promise.all(calls);
    expect(await store.counters("", 10)).toMatchObject([{ used: 5, held: 10 }]);
    await store.close();
  });

  test("data of another layout is refused by key", async () => {
    const url = nextUrl();
    const key = `${new URL(url).searchParams.get("prefix")}:{0}:m`;
    await server.client.set(key, "1/64");
    const store = new RedisStore(url);
    await expect(store.ping()).rejects.toMatchObject({
      code: "corrupt",
      message: `redis: key ${key} is "1/64", expected "1/1"`,
    });
    await server.client.set(key, "1/1");
    await store.ping();
    await store.close();
  });
});

describe("redis store when Redis fails", () => {
  test("a server that is not there: openStore says so in time", async () => {
    const port = await freePort();
    const opening = openStore(`redis://127.0.0.1:${port}`, { timeoutMs: 300 });
    await expect(opening).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("redis"),
    });
  });

  test("a server that is paused: calls end at the timeout, and go on after", async () => {
    const own = await startRedis();
    const store = new RedisStore(`redis://127.0.0.1:${own.port}`, { timeoutMs: 200 });
    await store.reserve(reservation("a", [held]));
    own.signal("SIGSTOP");
    const before = Date.now();
    await expect(store.settle([now("a")])).rejects.toMatchObject({ code: "unavailable" });
    expect(Date.now() - before).toBeLessThan(1_000);
    own.signal("SIGCONT");
    await untilWorks(() => store.ping());
    // The first settlement may have been done after all: the id counts once.
    await store.settle([now("a")]);
    expect(await store.counters("", 10)).toMatchObject([{ used: 5, held: 0 }]);
    await store.close();
    await own.stop();
  });

  test("kill -9 under load: acknowledged is kept, nothing counts twice", async () => {
    let own = await startRedis(["--appendfsync", "always"]);
    const store = new RedisStore(`redis://127.0.0.1:${own.port}`, { timeoutMs: 500 });
    const settled: string[] = [];
    let running = true;
    const work = async (client: number) => {
      for (let n = 0; running; n += 1) {
        const id = `${client}-${n}`;
        const roomy = claim({ limit: 1e9, reserve: 10, window: hour });
        await untilWorks(() => store.reserve(reservation(id, [roomy])));
        await untilWorks(() => store.settle([settlement(id, 3, [roomy])]));
        settled.push(id);
      }
    };
    const clients = Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map(work));
    await sleep(300);
    own.signal("SIGKILL");
    own = await own.restart();
    await sleep(300);
    running = false;
    await clients;
    const recorded = await recordIds(store, { limit: 1000 });
    expect(new Set(recorded)).toEqual(new Set(settled));
    expect(await store.counters("", 10)).toMatchObject([{ used: settled.length * 3, held: 0 }]);
    await store.close();
    await own.stop();
  }, 30_000);
});

/** Tries for ten seconds, as callers with a retry do. */
async function untilWorks<T>(call: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await sleep(20);
    }
  }
}
