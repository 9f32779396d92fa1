/** What Prometheus is told adds up to the usage records, also where a hold or a write fails. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { MemoryStore } from "../../../limitador-bridge/ledger/store/memory.ts";
import type { Store } from "../../../limitador-bridge/ledger/store/store.ts";
import { createMetrics, type Metrics } from "../../../limitador-bridge/metrics.ts";
import { openServiceLedger } from "../../../limitador-bridge/reconcile/service-ledger.ts";
import { reservation } from "../../store/contract/fixture.ts";
import { openOnDisk } from "../../store/failing-disk.ts";
import { startRedis } from "../../store/redis/redis-server.ts";
import {
  admitRequest,
  ask,
  createService,
  type Service,
  START_MS,
  settleAll,
  settlementRecord,
} from "../service/service-fixture.ts";

const folder = await mkdtemp(join(tmpdir(), "tollgate-counted-"));
afterAll(() => rm(folder, { recursive: true, force: true }));
const silent = { info: () => {}, warn: () => {}, error: () => {} };

/** The sums over all series of one counter, in whole nano-USD for those in USD. */
async function counted(metrics: Metrics) {
  const lines = (await metrics.text()).split("\n");
  const sum = (name: string, factor = 1) =>
    lines
      .filter((line) => line.startsWith(`${name}{`))
      .reduce((total, line) => total + Math.round(Number(line.split(" ").at(-1)) * factor), 0);
  return {
    records: sum("tollgate_usage_records_total"),
    nanoUsd: sum("llm_cost_usd_total", 1e9),
    tokens: lines
      .filter((line) => /^tollgate_tokens_total{.*kind="total"/.test(line))
      .reduce((total, line) => total + Number(line.split(" ").at(-1)), 0),
  };
}

async function recorded({ app }: Service) {
  const { records } = (await app.inject("/v1/usage?limit=100")).json();
  const sum = (of: (record: { costNanoUsd: number; tokens: { total: number } }) => number) =>
    records.reduce((total: number, record: never) => total + of(record), 0);
  return {
    records: records.length,
    nanoUsd: sum(({ costNanoUsd }) => costNanoUsd),
    tokens: sum(({ tokens }) => tokens.total),
  };
}

function serviceWith(make: (clock: { nowMs: number }, metrics: Metrics) => Store) {
  const metrics = createMetrics({ defaults: false });
  return createService({ store: (clock) => make(clock, metrics), overrides: { metrics } });
}
const inMemory = () =>
  serviceWith(
    (clock, { countExpired }) =>
      new MemoryStore({ nowMs: () => clock.nowMs, onExpired: countExpired }),
  );

test("an expired hold is counted as it is charged", async () => {
  const service = inMemory();
  await ask(service.app, admitRequest("a"));
  service.clock.nowMs += 600_001;
  expect(await service.store.expire()).toEqual(["a"]);
  const charged = { records: 1, nanoUsd: 11, tokens: 11 };
  expect(await counted(service.parts.metrics)).toEqual(charged);
  expect(await recorded(service)).toEqual(charged);
  expect(await service.parts.metrics.text()).toContain(
    'tollgate_usage_records_total{source="estimated",outcome="truncated"} 1',
  );
});

test("a late settlement adds what it has more, and is no second record", async () => {
  const service = inMemory();
  await ask(service.app, admitRequest("a"));
  service.clock.nowMs += 600_001;
  await service.store.expire();
  await settleAll(service.app, settlementRecord("a", [15, 85]));
  const charged = { records: 1, nanoUsd: 185, tokens: 100 };
  expect(await counted(service.parts.metrics)).toEqual(charged);
  expect(await recorded(service)).toEqual(charged);
});

test("a late settlement of less takes nothing back", async () => {
  const service = inMemory();
  await ask(service.app, admitRequest("a"));
  service.clock.nowMs += 600_001;
  await service.store.expire();
  await settleAll(service.app, settlementRecord("a", [2, 3]));
  // 8 nano-USD for 5 tokens; 11 for 11 were counted.
  expect(await counted(service.parts.metrics)).toEqual({ records: 1, nanoUsd: 11, tokens: 11 });
  expect(await recorded(service)).toEqual({ records: 1, nanoUsd: 8, tokens: 5 });
});

test("a batch that is sent again after a failed write is counted once", async () => {
  const disk = { failures: 0, writes: 0 };
  const store = await openOnDisk(join(folder, "again"), disk, { nowMs: () => START_MS });
  const service = serviceWith(() => store);
  const batch = [settlementRecord("a", [10, 20]), settlementRecord("b", [1, 2])];
  disk.failures = 1;
  expect((await settleAll(service.app, ...batch)).status).toBe(503);
  await expect.poll(() => store.ping().then(() => true)).toBe(true);
  const twice = { accepted: 0, duplicate: 2 };
  expect((await settleAll(service.app, ...batch)).body).toEqual({ accepted: 2, duplicate: 0 });
  expect((await settleAll(service.app, ...batch)).body).toEqual(twice);
  const charged = { records: 2, nanoUsd: 55, tokens: 33 };
  expect(await counted(service.parts.metrics)).toEqual(charged);
  expect(await recorded(service)).toEqual(charged);
  await store.close();
});

test("the service's ledger tells its metrics of holds that expired", async () => {
  const redis = await startRedis();
  const stores = ["memory:", `embedded:${join(folder, "ledger")}`];
  for (const store of [...stores, `redis://127.0.0.1:${redis.port}`]) {
    const metrics = createMetrics({ defaults: false });
    const options = { journal: folder, storeTimeoutMs: 2_000, reconcileIntervalMs: 0 };
    const given = { store, prometheusUrl: null, ...options };
    const ledger = await openServiceLedger(given, metrics, silent);
    await ledger.store.reserve(reservation("a", [], { holdMs: 1 }));
    await expect.poll(() => ledger.store.expire(), { timeout: 5_000 }).toEqual(["a"]);
    expect(await counted(metrics)).toEqual({ records: 1, nanoUsd: 2850, tokens: 7 });
    await ledger.close();
  }
  await redis.stop();
});
