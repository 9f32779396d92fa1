/** What `?wait=` promises, at a real primary with and without a replica. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeEach, expect, test } from "vitest";
import { openStore } from "../../limitador-bridge/ledger/store/open-store.ts";
import { RedisStore } from "../../limitador-bridge/ledger/store/redis.ts";
import type { ResilientStore } from "../../limitador-bridge/ledger/store/resilient.ts";
import { claim, recordIds, reservation, settlement } from "./contract/fixture.ts";
import { untilClosed } from "./flaky-store.ts";
import { type RedisServer, startRedis } from "./redis/redis-server.ts";

const folder = await mkdtemp(join(tmpdir(), "tollgate-replicas-"));
afterAll(() => rm(folder, { recursive: true, force: true }));
const claims = [claim({ limit: 1e9, reserve: 10, window: { kind: "fixed", lengthMs: 3_600_000 } })];
const settle = (id: string) => settlement(id, 3, claims);

let primary: RedisServer;
let store: RedisStore;
let warnings: string[] = [];

beforeEach(async () => {
  primary = await startRedis(["--repl-diskless-sync-delay", "0"]);
  warnings = [];
  store = new RedisStore(`${url()}?wait=1`, { onWarning: (message) => warnings.push(message) });
});
afterEach(async () => {
  await store.close();
  await primary.stop();
});

const url = () => `redis://127.0.0.1:${primary.port}`;

/** A replica that has the data set, and has acknowledged it. */
async function startReplica(): Promise<RedisServer> {
  const replica = await startRedis(["--replicaof", "127.0.0.1", String(primary.port)]);
  await primary.client.set("first", "");
  while ((await primary.client.wait(1, 100)) < 1) await sleep(10);
  await primary.client.config("RESETSTAT");
  return replica;
}

async function waitsRun(): Promise<number> {
  const stats = await primary.client.info("commandstats");
  return Number(/cmdstat_wait:calls=(\d+)/.exec(stats)?.[1] ?? 0);
}

/** Resolves when a connection of the primary is blocked by WAIT. */
async function untilWaiting(): Promise<void> {
  while (!/blocked_clients:[1-9]/.test(await primary.client.info("clients"))) await sleep(5);
}

async function failureOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "none",
    (error: Error) => `${error.name}: ${error.message}`,
  );
}

test("without a replica nothing is waited for, and that is told once", async () => {
  for (let n = 0; n < 20; n += 1) await store.settle([settle(`s${n}`)]);
  expect(await waitsRun()).toBe(0);
  const what = "0 replicas in step, settlements want 1";
  expect(warnings).toEqual([`redis 127.0.0.1:${primary.port}: ${what}`]);
  expect(await store.counters("", 10)).toMatchObject([{ used: 60 }]);
});

test("with a replica each settlement is there when it is acknowledged", async () => {
  const replica = await startReplica();
  for (let n = 0; n < 20; n += 1) {
    await store.settle([settle(`s${n}`)]);
    expect(await replica.client.exists(`tollgate:{0}:e:s${n}`)).toBe(1);
  }
  expect(await waitsRun()).toBe(20);
  expect(warnings).toEqual([]);
  await replica.stop();
});

test("a replica that is paused holds up its settlement, and no decision", async () => {
  const replica = await startReplica();
  await store.settle([settle("warm")]);
  replica.signal("SIGSTOP");
  const settled = failureOf(store.settle([settle("s")]));
  await untilWaiting();
  let isSettled = false;
  settled.then(() => {
    isSettled = true;
  });
  for (let n = 0; n < 20; n += 1) await store.reserve(reservation(`r${n}`, claims));
  expect(isSettled).toBe(false);
  // The charge is made all the same, and so no hold expires meanwhile.
  expect(await store.counters("", 10)).toMatchObject([{ used: 6, held: 200 }]);
  expect(await settled).toBe("NotReplicated: redis: 0 of 1 replicas have it after 500 ms");
  replica.signal("SIGCONT");
  expect(await store.settle([settle("s")])).toMatchObject([{ duplicate: true }]);
  expect(await store.counters("", 10)).toMatchObject([{ used: 6, held: 200 }]);
  await replica.stop();
});

test("a replica that has gone is not waited for any more", async () => {
  const replica = await startReplica();
  await store.settle([settle("a")]);
  await replica.stop();
  while ((await primary.client.info("replication")).includes("state=online")) await sleep(10);
  await store.settle([settle("b")]);
  const before = await waitsRun();
  await store.settle([settle("c")]);
  expect(await waitsRun()).toBe(before);
  const what = "0 replicas in step, settlements want 1";
  expect(warnings).toEqual([`redis 127.0.0.1:${primary.port}: ${what}`]);
});

test("cut off while replicas are waited for: not acknowledged, they may be another's", async () => {
  const replica = await startReplica();
  await store.settle([settle("warm")]);
  replica.signal("SIGSTOP");
  const settled = failureOf(store.settle([settle("s")]));
  await untilWaiting();
  const clients = String(await primary.client.call("CLIENT", "LIST", "TYPE", "normal")).split("\n");
  const asking = clients.filter((line) => /cmd=(evalsha|eval)\b/.test(line));
  expect(asking).toHaveLength(1);
  await primary.client.client("KILL", "ID", Number(/id=(\d+)/.exec(asking[0] ?? "")?.[1]));
  await sleep(50);
  replica.signal("SIGCONT");
  expect(await settled).toBe("StoreError: redis: cut off while replicas were waited for");
  expect(await store.settle([settle("s")])).toMatchObject([{ duplicate: true }]);
  await replica.stop();
});

test("settlements that replicas do not have yet wait on disk; decisions go on", async () => {
  const replica = await startReplica();
  const options = { journalPath: join(folder, "paused") };
  const resilient = (await openStore(`${url()}?wait=1`, options)) as ResilientStore;
  await resilient.reserve(reservation("warm", claims));
  replica.signal("SIGSTOP");
  await Promise.all(Array.from({ length: 10 }, (_, n) => resilient.settle([settle(`s${n}`)])));
  expect(resilient.status()).toMatchObject({ circuit: "closed" });
  expect(resilient.status().journaledBytes).toBeGreaterThan(0);
  expect(await resilient.reserve(reservation("r", claims))).toMatchObject({
    admitted: true,
    counters: [{ used: 30, held: 20 }],
  });
  replica.signal("SIGCONT");
  await untilClosed(resilient);
  expect(await resilient.counters("", 10)).toMatchObject([{ used: 30, held: 20 }]);
  expect(await recordIds(resilient)).toHaveLength(10);
  await resilient.close();
  await replica.stop();
});

test("closing does not wait for replicas", async () => {
  const replica = await startReplica();
  await store.settle([settle("warm")]);
  replica.signal("SIGSTOP");
  const settled = failureOf(store.settle([settle("s")]));
  await untilWaiting();
  await store.close();
  expect(await settled).toBe("StoreError: redis read: Connection is closed.");
  await replica.stop();
});
