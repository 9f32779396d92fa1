/** A Redis that loses data gets it back from the record logs of the processes that charged. */
import { appendFile, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, expect, test, vi } from "vitest";
import { counterId } from "../../../limitador-bridge/ledger/counter.ts";
import { parseRedisUrl } from "../../../limitador-bridge/ledger/store/redis/redis-url.ts";
import { scripts } from "../../../limitador-bridge/ledger/store/redis/script.ts";
import type { LimitClaim, Store } from "../../../limitador-bridge/ledger/store/store.ts";
import { type Ledger, openLedger } from "../../../limitador-bridge/reconcile/open-ledger.ts";
import { compareAll, correctAll, drifting } from "../../../limitador-bridge/reconcile/reconcile.ts";
import { RedisRecovery } from "../../../limitador-bridge/reconcile/redis-recovery.ts";
import { claim, recordIds, reservation, settlement } from "../../store/contract/fixture.ts";
import { type RedisServer, startRedis } from "../../store/redis/redis-server.ts";

const HOUR_MS = 3_600_000;
const folder = await mkdtemp(join(tmpdir(), "tollgate-recovery-"));
const open: Ledger[] = [];
afterEach(async () => {
  for (const ledger of open.splice(0)) await ledger.close();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Replica extends Ledger {
  lost: number;
  restored: number;
}

async function replica(server: RedisServer, name: string): Promise<Replica> {
  const told = { lost: 0, restored: 0 };
  const ledger = await openLedger(`redis://127.0.0.1:${server.port}`, {
    journal: join(folder, name),
    decisionTimeoutMs: 2_000,
    nowMs: Date.now,
    onCircuit: () => {},
    onWarning: () => {},
    onLost: () => {
      told.lost += 1;
    },
    onRestored: (entries) => {
      told.restored += entries;
    },
    onLogFailure: (error) => {
      throw error;
    },
  });
  open.push(ledger);
  return Object.assign(told, ledger);
}

const windows: [string, LimitClaim["window"]][] = [
  ["fixed", { kind: "fixed", lengthMs: HOUR_MS }],
  ["sliding", { kind: "sliding", lengthMs: 24 * HOUR_MS }],
  ["month", { kind: "calendar", period: "month", timeZone: "Europe/Berlin" }],
];
const claims = windows.map(([key, window]) => claim({ key, window, limit: 1e6, reserve: 10 }));

async function spend(store: Store, id: string, amount: number): Promise<void> {
  expect(await store.reserve(reservation(id, claims))).toMatchObject({ admitted: true });
  await store.settle([settlement(id, amount, claims)]);
}

const used = async (store: Store) =>
  (await store.counters("", 10)).map((view) => [view.key, view.used, view.held]);

async function until(what: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!what()) {
    if (Date.now() > deadline) throw new Error("not in 10 s");
    await sleep(20);
  }
}

test("after FLUSHALL two replicas give back what each has charged, once", async () => {
  const server = await startRedis();
  const a = await replica(server, "flush-a");
  const b = await replica(server, "flush-b");
  for (let n = 0; n < 20; n += 1) await spend(n % 2 === 0 ? a.store : b.store, `id-${n}`, 7);
  await a.store.appendRecord(settlement("denied", 0).record);
  await a.store.reserve(reservation("in flight", claims));
  const before = await a.store.counters("", 10);
  await server.client.flushall();
  // Held after the loss, in a window that begins anew, and settled when the old one is back.
  await b.store.reserve(reservation("meanwhile", claims)).catch(() => {});
  await until(() => a.lost > 0 && b.lost > 0);
  await until(() => a.restored + b.restored >= 21);
  await a.store.settle([settlement("in flight", 100, claims)]);
  await b.store.settle([settlement("meanwhile", 1000, claims)]);
  await a.store.settle([settlement("id-0", 7, claims), settlement("id-1", 7, claims)]);
  await until(() => a.state()?.journaledBytes === 0 && b.state()?.journaledBytes === 0);
  const after = await a.store.counters("", 10);
  expect(after.map(({ key, used, held }) => [key, used, held])).toEqual(
    ["fixed", "month", "sliding"].map((key) => [key, 1240, 0]),
  );
  expect(after.map((view) => view.resetsAtMs)).toEqual(before.map((view) => view.resetsAtMs));
  const ids = Array.from({ length: 20 }, (_, n) => `id-${n}`);
  expect(new Set(await recordIds(a.store))).toEqual(
    new Set([...ids, "denied", "in flight", "meanwhile"]),
  );
  await sleep(600);
  expect(drifting(await compareAll(b.redis as RedisRecovery))).toEqual([]);
  await server.stop();
}, 30_000);

test("a restart that loses all is noticed before the next decision", async () => {
  const args = ["--appendonly", "no"];
  let server = await startRedis(args);
  const a = await replica(server, "restart");
  await spend(a.store, "one", 999_995);
  server = await server.restart();
  // 5 are left, 10 are asked for: whoever decides, the store or what is known here, must know.
  for (let n = 0; n < 5; n += 1) {
    const decided = await a.store
      .reserve(reservation(`next-${n}`, claims))
      .catch((error: { shadow: { admitted: boolean } }) => error.shadow);
    expect(decided.admitted).toBe(false);
    await sleep(200);
  }
  expect(await used(a.store)).toEqual(
    ["fixed", "month", "sliding"].map((key) => [key, 999_995, 0]),
  );
  await server.stop();
}, 30_000);

test("what the newest writes lost is given back, also by a process that comes back", async () => {
  const server = await startRedis();
  const first = await replica(server, "tail");
  await spend(first.store, "kept", 5);
  await sleep(400);
  await spend(first.store, "lost", 6);
  await open.pop()?.close();
  // As after a crash of Redis that kept the beat before.
  const { client } = server;
  const [beat = ""] = await client.keys("tollgate:{0}:b:*");
  await client.set(beat, Number(await client.get(beat)) - 1);
  for (const pattern of ["*:e:lost", "*:r:*!lost"]) {
    for (const key of await client.keys(pattern)) await client.del(key);
  }
  for (const key of await client.keys("tollgate:{0}:c:*")) await client.hincrby(key, "u", -6);
  const again = await replica(server, "tail");
  // While it is being rebuilt, a store says that it is away.
  await vi.waitFor(() => again.store.ping(), { timeout: 10_000 });
  expect(await used(again.store)).toEqual(["fixed", "month", "sliding"].map((key) => [key, 11, 0]));
  expect(again.restored).toBe(1);
  expect(await recordIds(again.store)).toHaveLength(2);
  await server.stop();
}, 30_000);

test("a decision of a service is one round trip, with all that is around the store", async () => {
  const server = await startRedis();
  const a = await replica(server, "round-trips");
  await spend(a.store, "warm", 1);
  const monitor = await server.client.monitor();
  const bySource = new Map<string, string[]>();
  monitor.on("monitor", (_time: string, [name = "", sha = ""]: string[], source: string) => {
    if (source !== "lua") bySource.set(source, [...(bySource.get(source) ?? []), `${name} ${sha}`]);
  });
  for (let n = 0; n < 20; n += 1) await a.store.reserve(reservation(`r${n}`, claims));
  await a.store.settle(Array.from({ length: 20 }, (_, n) => settlement(`r${n}`, 1, claims)));
  const calls = [...Array(20).fill(scripts.reserve), ...Array(20).fill(scripts.settle)];
  const expected = calls.map(({ sha }) => `evalsha ${sha}`);
  // Recovery looks at Redis on a connection of its own, four times a second.
  const asked = () => [...bySource.values()].find((all) => all.includes(expected[0] ?? ""));
  await vi.waitFor(() => expect(asked()).toEqual(expected), { timeout: 5_000 });
  monitor.disconnect();
  await server.stop();
}, 30_000);

test("what was charged under a lease comes back, the lease does not", async () => {
  const server = await startRedis();
  const a = await replica(server, "leased");
  const under = (id: string, amount: number) => ({ ...settlement(id, amount, claims), lease: "L" });
  await a.store.reserve(reservation("L", claims, { parts: 4, holdMs: 600_000 }));
  await a.store.settle([under("one", 7), { ...under("two", 8), provisional: true }]);
  await server.client.flushall();
  await until(() => a.restored === 2);
  await vi.waitFor(() => a.store.ping(), { timeout: 10_000 });
  expect(await used(a.store)).toEqual(["fixed", "month", "sliding"].map((key) => [key, 15, 0]));
  // Its other settlements are charged by their claims, and corrections still correct.
  await a.store.settle([under("three", 100), under("two", 9), under("one", 7)]);
  await a.store.shrink("L", 0);
  const amounts = async () => (await used(a.store)).map(([, amount, held]) => [amount, held]);
  await expect.poll(amounts, { timeout: 5_000 }).toEqual(Array(3).fill([116, 0]));
  expect((await recordIds(a.store)).sort()).toEqual(["one", "three", "two"]);
  await sleep(600);
  expect(drifting(await compareAll(a.redis as RedisRecovery))).toEqual([]);
  await server.stop();
}, 30_000);

test("an expired hold comes back as one, and a late settlement still replaces it", async () => {
  const server = await startRedis();
  const a = await replica(server, "expired");
  const some = claims.map((one) => ({ ...one, onExpiry: 40 }));
  await a.store.reserve(reservation("late", some, { holdMs: 50 }));
  await sleep(100);
  expect(await a.store.expire()).toEqual(["late"]);
  await server.client.flushall();
  await until(() => a.restored === 1);
  await until(() => a.state()?.circuit === "closed");
  expect((await used(a.store)).map(([, amount]) => amount)).toEqual([40, 40, 40]);
  expect(await recordIds(a.store)).toEqual(["late"]);
  await a.store.settle([settlement("late", 12, some)]);
  // A store that is slow just then journals the settlement, and replays it a moment later.
  const amounts = async () => (await used(a.store)).map(([, amount]) => amount);
  await expect.poll(amounts, { timeout: 5_000 }).toEqual([12, 12, 12]);
  await server.client.flushall();
  await until(() => a.restored === 3);
  expect((await used(a.store)).map(([, amount]) => amount)).toEqual([12, 12, 12]);
  expect(await recordIds(a.store)).toEqual(["late"]);
  await server.stop();
}, 30_000);

test("a counter that was deleted or changed is told, and put right", async () => {
  const server = await startRedis();
  const a = await replica(server, "drift");
  await spend(a.store, "one", 1000);
  await sleep(600);
  const url = parseRedisUrl(`redis://127.0.0.1:${server.port}`);
  const calls = new RedisRecovery(url);
  expect((await compareAll(calls)).map(({ drift }) => drift)).toEqual([0, 0, 0]);
  const keyOf = (index: number) => `tollgate:{0}:c:${counterId(claims[index] as LimitClaim)}`;
  await server.client.del(keyOf(0));
  await server.client.hset(keyOf(2), "u", "400");
  const wrong = drifting(await compareAll(calls));
  expect(
    wrong.map(({ counterId: id, ledger, records, drift }) => [id, ledger, records, drift]),
  ).toEqual([
    [counterId(claims[0] as LimitClaim), 0, 1000, 1],
    [counterId(claims[2] as LimitClaim), 400, 1000, 0.6],
  ]);
  await correctAll(calls, wrong);
  expect((await used(a.store)).map(([, amount]) => amount)).toEqual([1000, 1000, 1000]);
  await calls.close();
  await server.stop();
}, 30_000);

test("a log with a line cut off is read, and goes on in a line of its own", async () => {
  const server = await startRedis();
  const first = await replica(server, "cut");
  await spend(first.store, "one", 5);
  await open.pop()?.close();
  const [name = ""] = await readdir(join(folder, "cut"));
  const records = join(folder, "cut", name, "records");
  const [day = ""] = (await readdir(records)).filter((file) => file.endsWith(".jsonl"));
  await appendFile(join(records, day), '{"at":17,"kind":"sett');
  const second = await replica(server, "cut");
  await spend(second.store, "two", 6);
  await server.client.flushall();
  await until(() => second.restored === 2);
  expect((await used(second.store)).map(([, amount]) => amount)).toEqual([11, 11, 11]);
  await server.stop();
}, 30_000);
