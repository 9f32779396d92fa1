/** The ledger raises alerts: its store is away, or it differs from the usage records. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test, vi } from "vitest";
import type { Alert } from "../../../limitador-bridge/alerts/alert.ts";
import { driftAlert, storeAlert } from "../../../limitador-bridge/alerts/ledger-alert.ts";
import { createMetrics } from "../../../limitador-bridge/metrics.ts";
import { openServiceLedger } from "../../../limitador-bridge/reconcile/service-ledger.ts";
import { claim, settlement } from "../../store/contract/fixture.ts";
import { startRedis } from "../../store/redis/redis-server.ts";

const NOW_MS = Date.UTC(2026, 10, 15, 12, 20);
const folder = await mkdtemp(join(tmpdir(), "tollgate-ledger-alerts-"));
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("as alerts", () => {
  test("a store that is away: one for each quarter of an hour", () => {
    expect(storeAlert(NOW_MS)).toEqual({
      key: "store-unavailable/2026-11-15T12:15:00.000Z",
      name: "StoreUnavailable",
      severity: "critical",
      summary:
        "The ledger's store cannot be reached. Requests are decided by each policy's " +
        "failureMode, and charges are journaled until it is back.",
      channel: null,
      startsAtMs: NOW_MS,
      endsAtMs: NOW_MS + 15 * 60_000,
      labels: {},
      details: {},
    });
    expect(storeAlert(NOW_MS + 600_000).key).toBe("store-unavailable/2026-11-15T12:30:00.000Z");
  });

  test("a drift: one for each hour", () => {
    const drift = { count: 3, worst: "a/b", drift: 0.304 };
    expect(driftAlert({ against: "records", ...drift }, NOW_MS)).toEqual({
      key: "ledger-drift/records/2026-11-15T12:00:00.000Z",
      name: "LedgerDrift",
      severity: "critical",
      summary:
        '3 counters differ from the usage records by more than 10 %, "a/b" by 30 %: ' +
        "run `tollgate reconcile`.",
      channel: null,
      startsAtMs: NOW_MS,
      endsAtMs: NOW_MS + 3_600_000,
      labels: { against: "records" },
      details: { against: "records", count: 3, worst: "a/b", percent: 30 },
    });
    const alert = driftAlert({ against: "prometheus", ...drift, worst: "blue" }, NOW_MS);
    expect([alert.key, alert.severity, alert.summary]).toEqual([
      "ledger-drift/prometheus/2026-11-15T12:00:00.000Z",
      "warning",
      'The usage records of 3 teams differ from Prometheus by more than 10 %, "blue" by 30 %.',
    ]);
  });
});

test("the ledger of a service raises both", async () => {
  const server = await startRedis();
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  const ledger = await openServiceLedger(
    {
      store: `redis://127.0.0.1:${server.port}`,
      journal: folder,
      storeTimeoutMs: 100,
      reconcileIntervalMs: 100,
      prometheusUrl: null,
    },
    createMetrics({ defaults: false }),
    log,
  );
  const raised: Alert[] = [];
  const named = (name: string) => raised.filter((alert) => alert.name === name);
  try {
    ledger.tellAlerts((alert) => raised.push(alert));
    const hour = { kind: "fixed", lengthMs: 3_600_000 } as const;
    await ledger.store.settle([settlement("one", 90, [claim({ window: hour })])]);
    const [counter = ""] = await server.client.keys("*}:c:*");
    await server.client.hset(counter, "u", "45");
    const waiting = { timeout: 20_000, interval: 50 };
    await vi.waitFor(() => expect(named("LedgerDrift")).not.toEqual([]), waiting);
    expect(named("LedgerDrift")[0]?.details).toEqual({
      ...{ against: "records", count: 1, worst: "default/free/tokens/alice", percent: 50 },
    });
    expect(named("StoreUnavailable")).toEqual([]);
    server.signal("SIGSTOP");
    const settled = Promise.all(
      Array.from({ length: 8 }, (_, n) => ledger.store.settle([settlement(`away${n}`, 1)])),
    );
    await vi.waitFor(() => expect(named("StoreUnavailable")).toHaveLength(1), waiting);
    await settled;
    // Who takes alerts later is told what is still so.
    const late: string[] = [];
    ledger.tellAlerts((alert) => late.push(alert.name));
    expect(late).toEqual(["StoreUnavailable"]);
    server.signal("SIGCONT");
    await vi.waitFor(() => expect(ledger.state()?.circuit).toBe("closed"), waiting);
  } finally {
    server.signal("SIGCONT");
    await ledger.close();
    await server.stop();
  }
}, 60_000);
