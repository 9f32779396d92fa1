/** The ledger on Redis: exact through two services and two Envoys, and with parts that fail. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { UsageRecord } from "../../limitador-bridge/contract/usage-record.ts";
import { type Simulator, startSimulator } from "../../limitador-bridge/simulator/simulator.ts";
import { type RedisServer, startRedis } from "../store/redis/redis-server.ts";
import { send } from "./client.ts";
import type { Stack } from "./harness.ts";
import { childrenOf } from "./processes.ts";
import {
  allRecords,
  type Limit,
  limitsOf,
  startRedisStack,
  until,
  untilToldAll,
} from "./redis-stack.ts";
import { metric } from "./service-api.ts";
import { ask } from "./traffic.ts";

let simulator: Simulator;
let upstream: string;
let folder: string;
const stacks: Stack[] = [];
const servers: RedisServer[] = [];
beforeAll(async () => {
  simulator = await startSimulator({ host: "127.0.0.1", port: 0 });
  upstream = `http://127.0.0.1:${simulator.port}`;
  folder = await mkdtemp(join(tmpdir(), "tollgate-e2e-redis-"));
});
afterEach(async () => {
  const ending = stacks.splice(0).map((stack) => stack.stop());
  await Promise.allSettled(ending);
  for (const server of servers.splice(0)) await server.stop();
  await Promise.all(ending);
});
afterAll(async () => {
  await simulator?.close();
  await rm(folder, { recursive: true, force: true });
});

async function redis(): Promise<RedisServer> {
  const server = await startRedis(["--appendfsync", "always"]);
  servers.push(server);
  return server;
}

const perUser = (name: string, rates: string) => `${name}:
  rates: [${rates}]
  counters: [{expression: 'request.headers["x-user"]'}]
`;

test("200 at once on a limit that fits 50, through two services and two Envoys: 50", async () => {
  const { port } = await redis();
  // Time-outs that this machine's other work cannot reach; where they are, nobody gets through.
  const env = { STORE_TIMEOUT_MS: "10000", ADMIT_TIMEOUT_MS: "10000" };
  const limits = perUser("fifty", "{limit: 50, window: 1h, unit: requests}");
  for (const name of ["a", "b"]) {
    const journal = join(folder, `exact-${name}`);
    const options = {
      redisPort: port,
      upstream,
      limits,
      journal,
      env,
      failureMode: "deny",
    } as const;
    stacks.push(await startRedisStack(options));
  }
  const [a, b] = stacks as [Stack, Stack];
  const asked = await Promise.all(
    Array.from({ length: 200 }, (_, n) =>
      ask(n % 2 === 0 ? a.proxyUrl : b.proxyUrl, { timeoutMs: 20_000 }),
    ),
  );
  const statuses = asked.map(({ reply }) => reply.status);
  expect(statuses.filter((status) => status === 200)).toHaveLength(50);
  expect(statuses.filter((status) => status === 429)).toHaveLength(150);
  await until("50 used, none held", 10_000, async () => {
    const [limit] = await limitsOf(b.apiUrl);
    return limit?.used === 50 && limit.held === 0;
  });
}, 60_000);

/** Requests one after the other from a few users, until it is stopped. */
function startLoad(proxyUrl: string) {
  const answered: { requestId: string; status: number }[] = [];
  let running = true;
  const work = async (user: string) => {
    while (running) {
      const { requestId, reply } = await ask(proxyUrl, { user });
      answered.push({ requestId, status: reply.status });
      await sleep(10);
    }
  };
  const users = Promise.all(["ann", "bob", "cid"].map(work));
  return {
    answered,
    stop: async () => {
      running = false;
      await users;
    },
  };
}

/** The amount of a unit in a user's records. */
function sumOf({ unit, counters }: Limit, records: UsageRecord[]): number {
  const own = records.filter(({ user, outcome }) => user === counters[0] && outcome !== "denied");
  const amounts = { requests: () => 1, usd: cost, total };
  return own.reduce((sum, record) => sum + amounts[unit as keyof typeof amounts](record), 0);
}
const cost = (record: UsageRecord) => record.costNanoUsd;
const total = (record: UsageRecord) => record.tokens.total;

async function expectExact(apiUrls: string[], answered: { requestId: string; status: number }[]) {
  const [apiUrl = ""] = apiUrls;
  for (const url of apiUrls) await untilToldAll(url, 15_000);
  const passed = answered.filter(({ status }) => status === 200).map(({ requestId }) => requestId);
  await until("every exchange is settled, no hold is left", 30_000, async () => {
    const records = await allRecords(apiUrl);
    const settled = records.filter(({ outcome }) => outcome === "ok");
    const isHeld = (await limitsOf(apiUrl)).some(({ held }) => held > 0);
    return settled.length >= passed.length && !isHeld;
  });
  const records = await allRecords(apiUrl);
  const limits = await limitsOf(apiUrl);
  expect(records.map(({ requestId }) => requestId).sort()).toEqual(passed.sort());
  expect(limits).toHaveLength(9);
  expect(limits.map(({ used }) => used)).toEqual(limits.map((limit) => sumOf(limit, records)));
}

test("two replicas: Redis paused, killed, flushed, a service killed, under load", async () => {
  let server = await redis();
  const rates = [
    "{limit: 1000000000, window: 1h}",
    "{limit: 1000000, window: 24h, unit: requests}",
    "{limit: 1000, window: {calendar: month, timeZone: UTC}, unit: usd}",
  ];
  const stack = await startRedisStack({
    redisPort: server.port,
    upstream,
    limits: perUser("plenty", rates.join(", ")),
    journal: join(folder, "chaos"),
    env: { REPLICAS: "2", HOLD_MS: "4000" },
  });
  stacks.push(stack);
  const firstPort = Number(new URL(stack.apiUrl).port);
  const apiUrls = [0, 1].map((n) => `http://127.0.0.1:${firstPort + n}`);
  const load = startLoad(stack.proxyUrl);
  const requests = async (count: number) => {
    const enough = load.answered.length + count;
    await until(`${count} more requests`, 15_000, async () => load.answered.length >= enough);
  };
  await requests(60);

  server.signal("SIGSTOP");
  await until("a replica decides by itself", 5_000, async () => {
    return (await metric(stack.apiUrl, "tollgate_store_circuit_open")) === 1;
  });
  const ready = await send(`${stack.apiUrl}/readyz`);
  expect([ready.status, JSON.parse(ready.text).status]).toEqual([200, "degraded"]);
  await requests(60);
  server.signal("SIGCONT");
  for (const url of apiUrls) await untilToldAll(url, 15_000);

  process.kill(stack.servicePid(), "SIGKILL");
  await requests(60);
  server.signal("SIGKILL");
  await requests(30);
  const index = servers.indexOf(server);
  server = await server.restart();
  servers[index] = server;
  for (const url of apiUrls) await untilToldAll(url, 15_000);

  await requests(30);
  await server.client.flushall();
  await requests(60);
  await load.stop();
  expect(load.answered.filter(({ status }) => status !== 200)).toEqual([]);
  await expectExact(apiUrls, load.answered);
  expect(await metric(stack.apiUrl, "tollgate_ledger_rebuilds_total")).toBeGreaterThan(0);
  expect(await metric(stack.apiUrl, "tollgate_store_up")).toBe(1);
  expect(childrenOf(stack.launcherPid)).toHaveLength(3);
}, 90_000);

test("deny: 503 with Retry-After while Redis is away; allow: the last known counters", async () => {
  const server = await redis();
  const [deny, allow] = await Promise.all(
    (["deny", "allow"] as const).map((failureMode) =>
      startRedisStack({
        ...{ redisPort: server.port, upstream, failureMode },
        limits: perUser(failureMode, "{limit: 3, window: 1h, unit: requests}"),
        journal: join(folder, failureMode),
      }),
    ),
  );
  stacks.push(deny as Stack, allow as Stack);
  const askOf = async (stack: Stack | undefined) => (await ask(stack?.proxyUrl ?? "", {})).reply;
  expect((await askOf(allow)).status).toBe(200);
  expect((await askOf(deny)).status).toBe(200);
  server.signal("SIGKILL");
  await sleep(100);
  const denied = await askOf(deny);
  expect([denied.status, denied.headers["retry-after"]]).toEqual([503, "5"]);
  expect(JSON.parse(denied.text).error).toMatchObject({ code: "store_unavailable" });
  const statuses = [];
  for (let n = 0; n < 4; n += 1) statuses.push((await askOf(allow)).status);
  expect(statuses).toEqual([200, 200, 429, 429]);
  const { apiUrl } = allow as Stack;
  const local = (verdict: string) =>
    metric(apiUrl, "tollgate_store_decisions_local_total", { verdict });
  expect([await local("allow"), await local("deny")]).toEqual([2, 2]);
  servers[servers.indexOf(server)] = await server.restart();
  await untilToldAll(apiUrl, 15_000);
  await until("3 used", 5_000, async () => {
    const limits = await limitsOf(apiUrl);
    return limits.find(({ limitName }) => limitName === "allow")?.used === 3;
  });
}, 60_000);
