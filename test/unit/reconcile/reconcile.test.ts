/** The comparison of the ledger with usage records and with Prometheus. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import type { LedgerDrift } from "../../../limitador-bridge/alerts/ledger-alert.ts";
import type { UsageRecord } from "../../../limitador-bridge/contract/usage-record.ts";
import { counterId } from "../../../limitador-bridge/ledger/counter.ts";
import { MemoryStore } from "../../../limitador-bridge/ledger/store/memory.ts";
import type { Window } from "../../../limitador-bridge/ledger/window.ts";
import { createMetrics } from "../../../limitador-bridge/metrics.ts";
import { ChargeSums } from "../../../limitador-bridge/reconcile/charge-sums.ts";
import { compare, type LedgerCounter } from "../../../limitador-bridge/reconcile/compare.ts";
import { driftByTeam } from "../../../limitador-bridge/reconcile/prometheus.ts";
import { startReconcileJob } from "../../../limitador-bridge/reconcile/reconcile-job.ts";
import { record } from "../../store/contract/fixture.ts";

const NOW_MS = Date.UTC(2027, 0, 4, 8, 30);
const HOUR_MS = 3_600_000;
const idOf = (key: string, window: Window) => counterId({ key, unit: "total", window });
const fixed = idOf("fixed", { kind: "fixed", lengthMs: HOUR_MS });
const month = idOf("month", { kind: "calendar", period: "month", timeZone: "UTC" });
const sliding = idOf("sliding", { kind: "sliding", lengthMs: HOUR_MS });

function counter(id: string, used: number, over: Partial<LedgerCounter> = {}): LedgerCounter {
  const startMs = NOW_MS - 60_000;
  const window = { startMs, endMs: startMs + HOUR_MS, nowMs: NOW_MS };
  return {
    counterId: id,
    shard: 0,
    used,
    held: 5,
    limit: 100,
    previousUsed: 0,
    ...window,
    ...over,
  };
}

const charge = (id: string, startMs: number, amount: number, replaced = 0) => ({
  ...{ counterId: id, shard: 0, limit: 100, startMs, amount, replaced, carryPercent: 0 },
});

describe("compare", () => {
  test("adds up replicas and windows begun anew; tells those that differ most first", () => {
    const startMs = NOW_MS - 60_000;
    const sums = [
      { counterId: fixed, startMs, sum: 30 },
      { counterId: fixed, startMs: startMs + 500, sum: 20 },
      { counterId: fixed, startMs, sum: 50 },
      { counterId: sliding, startMs, sum: 10 },
    ];
    const compared = compare([counter(fixed, 100), counter(sliding, 8)], sums, NOW_MS);
    expect(
      compared.map(({ counterId: id, ledger, records, drift }) => [id, ledger, records, drift]),
    ).toEqual([
      [sliding, 8, 10, 0.2],
      [fixed, 100, 100, 0],
    ]);
  });

  test("a counter that is not there; windows that are over count on neither side", () => {
    const sums = [
      { counterId: month, startMs: Date.UTC(2027, 0, 1), sum: 7 },
      { counterId: month, startMs: Date.UTC(2026, 11, 1), sum: 900 },
      { counterId: fixed, startMs: NOW_MS - 2 * HOUR_MS, sum: 3 },
    ];
    const over = counter(fixed, 99, { endMs: NOW_MS });
    expect(compare([over], sums, NOW_MS)).toEqual([
      {
        ...{ counterId: month, startMs: Date.UTC(2027, 0, 1), counter: null },
        ...{ ledger: 0, records: 7, drift: 1 },
      },
    ]);
  });

  test("nothing on both sides is no drift", () => {
    expect(compare([counter(fixed, 0)], [], NOW_MS).map(({ drift }) => drift)).toEqual([0]);
  });
});

describe("sums of charges", () => {
  test("a settlement replaces an expiry's estimate; what is over is told as 0 and dropped", () => {
    const sums = new ChargeSums();
    const startMs = NOW_MS - 60_000;
    sums.add({ charges: [charge(fixed, startMs, 40)] }, NOW_MS);
    sums.add({ charges: [charge(fixed, startMs, 12, 40)] }, NOW_MS);
    sums.add({ charges: [charge(sliding, startMs, 3)] }, NOW_MS);
    sums.add({ charges: [charge(fixed, NOW_MS - HOUR_MS, 1000)] }, NOW_MS);
    expect(sums.takeChanged(NOW_MS)).toEqual([
      { counterId: fixed, startMs, sum: 12 },
      { counterId: sliding, startMs, sum: 3 },
    ]);
    expect(sums.takeChanged(NOW_MS)).toEqual([]);
    // A sliding bucket is in view for two lengths.
    expect(sums.takeChanged(startMs + HOUR_MS)).toEqual([{ counterId: fixed, startMs, sum: 0 }]);
    sums.markAllChanged();
    expect(sums.takeChanged(startMs + HOUR_MS)).toEqual([{ counterId: sliding, startMs, sum: 3 }]);
  });
});

test("teams whose cost Prometheus knows otherwise; below a cent nothing is said", () => {
  const recorded = new Map([
    ["a", 100e6],
    ["b", 50e6],
    ["c", 1e6],
  ]);
  const counted = new Map([
    ["a", 80e6],
    ["b", 50e6],
    ["d", 25e6],
  ]);
  expect(driftByTeam(recorded, counted).map(({ team, drift }) => [team, drift])).toEqual([
    ["d", 1],
    ["a", 0.2],
    ["b", 0],
    ["c", 0],
  ]);
});

test("where Prometheus knows no names of further teams, only all together are compared", () => {
  const recorded = new Map([
    ["a", 100e6],
    ["late", 70e6],
    ["later", 30e6],
  ]);
  const counted = (other: number) =>
    new Map([
      ["a", 100e6],
      ["other", other],
    ]);
  const both = { team: "all teams", recordsNanoUsd: 200e6 };
  expect(driftByTeam(recorded, counted(100e6))).toEqual([
    { ...both, prometheusNanoUsd: 200e6, drift: 0 },
  ]);
  expect(driftByTeam(recorded, counted(50e6))).toEqual([
    { ...both, prometheusNanoUsd: 150e6, drift: 0.25 },
  ]);
});

describe("the job", () => {
  const closing: (() => void)[] = [];
  afterEach(() => {
    for (const close of closing.splice(0)) close();
  });

  async function prometheus(result: unknown): Promise<string> {
    const asked = createServer((request, response) => {
      const query = new URL(request.url ?? "", "http://x").searchParams.get("query");
      if (query !== "sum by (team) (increase(llm_cost_usd_total[1h]))") response.statusCode = 400;
      response.end(JSON.stringify({ status: "success", data: { result } }));
    });
    closing.push(() => asked.close());
    await new Promise<void>((done) => asked.listen(0, "127.0.0.1", done));
    return `http://127.0.0.1:${(asked.address() as AddressInfo).port}`;
  }

  async function run(counters: LedgerCounter[], prometheusUrl: string | null) {
    const metrics = createMetrics({ defaults: false });
    const logged: [object, string][] = [];
    const told: LedgerDrift[] = [];
    const error = (fields: object, message: string) => logged.push([fields, message]);
    const store = new MemoryStore();
    const spent: UsageRecord = record("one", { time: new Date(NOW_MS - 1000).toISOString() });
    await store.appendRecord({ ...spent, team: "research", costNanoUsd: 20_000_000 });
    const sums = [{ counterId: fixed, startMs: NOW_MS - 60_000, sum: 100 }];
    const job = startReconcileJob({
      calls: { counters: async () => counters, publishedSums: async () => sums },
      ...{ store, prometheusUrl, intervalMs: 0, metrics: metrics.ledger },
      log: { info: () => {}, warn: () => {}, error },
      onDrift: (drift) => told.push(drift),
      nowMs: () => NOW_MS,
    });
    await job.run();
    const text = await metrics.text();
    const drift = [...text.matchAll(/^tollgate_ledger_drift_ratio\{against="(\w+)"\} (\S+)$/gm)];
    return { logged, told, drift: drift.map(([, against, ratio]) => [against, Number(ratio)]) };
  }

  test("says nothing where all is well", async () => {
    const url = await prometheus([{ metric: { team: "research" }, value: [0, "0.02"] }]);
    expect(await run([counter(fixed, 100)], url)).toEqual({
      logged: [],
      told: [],
      drift: [
        ["records", 0],
        ["prometheus", 0],
      ],
    });
  });

  test("tells counters and teams that drift, once more looked at", async () => {
    const url = await prometheus([{ metric: { team: "research" }, value: [0, "0.04"] }]);
    const { logged, told, drift } = await run([counter(fixed, 60)], url);
    expect(told).toEqual([
      { against: "records", count: 1, worst: "fixed", drift: 0.4 },
      { against: "prometheus", count: 1, worst: "research", drift: 0.5 },
    ]);
    expect(drift).toEqual([
      ["records", 0.4],
      ["prometheus", 0.5],
    ]);
    expect(logged).toEqual([
      [
        { drifting: 1, counters: [{ counterId: fixed, ledger: 60, records: 100 }] },
        "ledger and usage records differ: run `tollgate reconcile`",
      ],
      [
        {
          teams: [
            {
              team: "research",
              recordsNanoUsd: 20_000_000,
              prometheusNanoUsd: 40_000_000,
              drift: 0.5,
            },
          ],
        },
        "usage records and Prometheus differ",
      ],
    ]);
  });

  test("a Prometheus that cannot be asked is told, and the rest is done", async () => {
    const { logged, drift } = await run([counter(fixed, 100)], "http://127.0.0.1:1");
    expect(drift).toEqual([["records", 0]]);
    expect(logged.map(([, message]) => message)).toEqual(["ledger not compared with Prometheus"]);
  });
});
