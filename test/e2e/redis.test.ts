/** The ledger on Redis: exact through two services and two Envoys, and with parts that fail. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type Simulator, startSimulator } from "../../limitador-bridge/simulator/simulator.ts";
import { startCluster } from "../store/redis/redis-cluster.ts";
import { startSentinel } from "../store/redis/redis-sentinel.ts";
import { type RedisServer, startRedis } from "../store/redis/redis-server.ts";
import { send } from "./client.ts";
import type { Stack } from "./harness.ts";
import { childrenOf } from "./processes.ts";
import { expectLedgerIsRecords, startLoad, untilRecorded, untilSettled } from "./redis-load.ts";
import { limitsOf, startRedisStack, until, untilToldAll } from "./redis-stack.ts";
import { type SecondEnvoy, startSecondEnvoy } from "./second-envoy.ts";
import { metric } from "./service-api.ts";
import { ask } from "./traffic.ts";

let simulator: Simulator;
let upstream: string;
let folder: string;
const stacks: Stack[] = [];
const envoys: SecondEnvoy[] = [];
const servers: RedisServer[] = [];
const ending: (() => Promise<void>)[] = [];
beforeAll(async () => {
  simulator = await startSimulator({ host: "127.0.0.1", port: 0 });
  upstream = `http://127.0.0.1:${simulator.port}`;
  folder = await mkdtemp(join(tmpdir(), "tollgate-e2e-redis-"));
});
afterEach(async () => {
  for (const envoy of envoys.splice(0)) await envoy.stop();
  const stopping = stacks.splice(0).map((stack) => stack.stop());
  await Promise.allSettled(stopping);
  for (const server of servers.splice(0)) await server.stop();
  for (const end of ending.splice(0)) await end();
  await Promise.all(stopping);
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

/** A store of a kind, and what ends it. */
const stores: Record<string, () => Promise<{ url: string; stop: () => Promise<void> }>> = {
  async redis() {
    const { port } = await redis();
    return { url: `redis://127.0.0.1:${port}`, stop: async () => {} };
  },
  async "redis-cluster"() {
    const cluster = await startCluster();
    return { url: cluster.url("wait=1"), stop: cluster.stop };
  },
  "redis-sentinel": startSentinel,
  memory: async () => ({ url: "memory:", stop: async () => {} }),
  embedded: async () => ({ url: `embedded:${join(folder, "fifty")}`, stop: async () => {} }),
};
/** Time-outs that this machine's other work cannot reach; where they are, nobody gets through. */
const patient = { STORE_TIMEOUT_MS: "10000", ADMIT_TIMEOUT_MS: "10000" };

/** Two Envoys, each with a budget service of its own where the store can be shared. */
async function twoProxies(kind: string, store: string): Promise<[string, string]> {
  const limits = perUser("fifty", "{limit: 50, window: 1h, unit: requests}");
  const start = async (name: string) => {
    const journal = join(folder, `exact-${kind}-${name}`);
    const failureMode = "deny" as const;
    const options = { store, upstream, limits, journal, env: patient, failureMode };
    const stack = await startRedisStack(options);
    stacks.push(stack);
    return stack;
  };
  const first = await start("a");
  if (kind.startsWith("redis")) return [first.proxyUrl, (await start("b")).proxyUrl];
  const second = await startSecondEnvoy(first, upstream);
  envoys.push(second);
  return [first.proxyUrl, second.proxyUrl];
}

test.each(Object.keys(stores))(
  "200 at once on a limit that fits 50, through two Envoys on %s: 50",
  async (kind) => {
    const store = await (stores[kind] as (typeof stores)[string])();
    ending.push(store.stop);
    const proxies = await twoProxies(kind, store.url);
    const asked = await Promise.all(
      Array.from({ length: 200 }, (_, n) => ask(proxies[n % 2] as string, { timeoutMs: 20_000 })),
    );
    const statuses = asked.map(({ reply }) => reply.status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(50);
    expect(statuses.filter((status) => status === 429)).toHaveLength(150);
    await until("50 used, none held", 20_000, async () => {
      const [limit] = await limitsOf((stacks.at(-1) as Stack).apiUrl);
      return limit?.used === 50 && limit.held === 0;
    });
  },
  90_000,
);

const rates = [
  "{limit: 1000000000, window: 1h}",
  "{limit: 1000000, window: 24h, unit: requests}",
  "{limit: 1000, window: {calendar: month, timeZone: UTC}, unit: usd}",
];

/** Two replicas on one Redis, behind one Envoy. */
async function twoReplicas(server: RedisServer, name: string) {
  const stack = await startRedisStack({
    store: `redis://127.0.0.1:${server.port}`,
    upstream,
    limits: perUser("plenty", rates.join(", ")),
    journal: join(folder, name),
    env: { REPLICAS: "2", HOLD_MS: "4000" },
  });
  stacks.push(stack);
  const firstPort = Number(new URL(stack.apiUrl).port);
  return { stack, apiUrls: [0, 1].map((n) => `http://127.0.0.1:${firstPort + n}`) };
}

const isOpen = async (apiUrl: string) =>
  (await metric(apiUrl, "tollgate_store_circuit_open")) === 1;

test("two replicas: Redis paused, killed, flushed, a service killed, under load", async () => {
  let server = await redis();
  const { stack, apiUrls } = await twoReplicas(server, "chaos");
  const load = startLoad(stack.proxyUrl);
  await load.passed(60);

  server.signal("SIGSTOP");
  await until("a replica decides by itself", 15_000, () => isOpen(stack.apiUrl));
  const ready = await send(`${stack.apiUrl}/readyz`);
  expect([ready.status, JSON.parse(ready.text).status]).toEqual([200, "degraded"]);
  await load.passed(60);
  server.signal("SIGCONT");
  for (const url of apiUrls) await untilToldAll(url, 60_000);

  process.kill(stack.servicePid(), "SIGKILL");
  await load.passed(60);
  server.signal("SIGKILL");
  await load.passed(30);
  const index = servers.indexOf(server);
  server = await server.restart();
  servers[index] = server;
  for (const url of apiUrls) await untilToldAll(url, 60_000);

  await load.passed(30);
  await server.client.flushall();
  await load.passed(60);
  await load.stop();
  expect(load.answered.filter(({ status }) => status !== 200)).toEqual([]);
  await untilSettled(apiUrls);
  await untilRecorded(stack.apiUrl, load.answered);
  const records = await expectLedgerIsRecords(stack.apiUrl, rates.length);
  const idsOf = (all: { requestId: string | null }[]) => all.map((one) => one.requestId).sort();
  expect(idsOf(records)).toEqual(idsOf(load.answered));
  expect(await metric(stack.apiUrl, "tollgate_ledger_rebuilds_total")).toBeGreaterThan(0);
  expect(await metric(stack.apiUrl, "tollgate_store_up")).toBe(1);
  expect(childrenOf(stack.launcherPid)).toHaveLength(3);
}, 180_000);

test("one of two replicas that hangs undoes no limit", async () => {
  const server = await redis();
  const stack = await startRedisStack({
    store: `redis://127.0.0.1:${server.port}`,
    upstream,
    limits: perUser("twenty", "{limit: 20, window: 1h, unit: requests}"),
    journal: join(folder, "hangs"),
    env: { REPLICAS: "2" },
    failureMode: "allow",
  });
  stacks.push(stack);
  const hanging = stack.servicePid();
  process.kill(hanging, "SIGSTOP");
  try {
    // Some may be let go by the failure mode until Envoy leaves it out, but all are counted.
    let passed = 0;
    await until("the limit holds", 30_000, async () => {
      const { reply } = await ask(stack.proxyUrl, { headers: { "x-user": "u1" } });
      if (reply.status === 200) passed += 1;
      return reply.status === 429;
    });
    expect(passed).toBeGreaterThanOrEqual(20);
    for (let i = 0; i < 40; i++) {
      const { reply } = await ask(stack.proxyUrl, { headers: { "x-user": "u1" } });
      expect(reply.status).toBe(429);
    }
    const used = async () => (await limitsOf(stack.apiUrl))[0]?.used;
    await expect.poll(used, { timeout: 10_000 }).toBe(passed);
  } finally {
    process.kill(hanging, "SIGCONT");
  }
}, 60_000);

test("services killed while they journal: replayed once when Redis is back", async () => {
  const server = await redis();
  const { stack, apiUrls } = await twoReplicas(server, "journal-kill");
  const load = startLoad(stack.proxyUrl);
  await load.passed(30);
  server.signal("SIGSTOP");
  for (const url of apiUrls) await until(`${url} journals`, 30_000, () => hasJournaled(url));
  await load.passed(60);
  for (const { pid } of serviceProcesses(stack)) process.kill(pid, "SIGKILL");
  // They come back with Redis still away, and journal on.
  for (const url of apiUrls) await until(`${url} is back`, 30_000, () => hasJournaled(url));
  await load.passed(60);
  for (const { pid } of serviceProcesses(stack)) process.kill(pid, "SIGKILL");
  server.signal("SIGCONT");
  await load.passed(30);
  await load.stop();
  await untilSettled(apiUrls);
  const replayed = await Promise.all(
    apiUrls.map((url) => metric(url, "tollgate_store_journal_replayed_total")),
  );
  expect(Math.max(...replayed)).toBeGreaterThan(0);
  await untilRecorded(stack.apiUrl, load.answered);
  const records = await expectLedgerIsRecords(stack.apiUrl, rates.length);
  expect(new Set(records.map(({ requestId }) => requestId)).size).toBe(records.length);
}, 180_000);

async function hasJournaled(apiUrl: string): Promise<boolean> {
  return (await metric(apiUrl, "tollgate_store_journal_bytes")) > 0;
}

function serviceProcesses(stack: Stack) {
  return childrenOf(stack.launcherPid).filter(({ pid }) => pid !== stack.envoyPid());
}

test("Envoy killed under load: the ledger is what the records say, holds end", async () => {
  const server = await redis();
  const { stack, apiUrls } = await twoReplicas(server, "envoy-kill");
  const load = startLoad(stack.proxyUrl);
  // A third end so soon after its start would be the launcher's last.
  for (let round = 0; round < 2; round += 1) {
    await load.passed(60);
    const pid = stack.envoyPid();
    process.kill(pid, "SIGKILL");
    await until("Envoy is started again", 30_000, async () => stack.envoyPid() !== pid);
  }
  await load.passed(60);
  await load.stop();
  await untilSettled(apiUrls);
  const records = await expectLedgerIsRecords(stack.apiUrl, rates.length);
  // What Envoy had in its queue is lost with it: charged is at the most what was asked.
  const passed = load.answered.filter(({ status }) => status === 200);
  expect(records.length).toBeGreaterThan(passed.length / 2);
  for (const { expiresAtMs } of await holdsOf(server)) {
    expect(expiresAtMs).toBeGreaterThan(Date.now() - 5_000);
  }
}, 180_000);

/** What is held in Redis, by its list of expiries. */
async function holdsOf(server: RedisServer): Promise<{ expiresAtMs: number }[]> {
  const told = await server.client.zrange("tollgate:{0}:x", "0", "-1", "WITHSCORES");
  return told
    .filter((_, index) => index % 2 === 1)
    .map((score) => ({ expiresAtMs: Number(score) }));
}

test("deny: 503 with Retry-After while Redis is away; allow: the last known counters", async () => {
  const server = await redis();
  const [deny, allow] = await Promise.all(
    (["deny", "allow"] as const).map((failureMode) =>
      startRedisStack({
        ...{ store: `redis://127.0.0.1:${server.port}`, upstream, failureMode },
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
