import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { Alert } from "../../../limitador-bridge/alerts/alert.ts";
import { forecastAlert } from "../../../limitador-bridge/alerts/forecast-alert.ts";
import { startForecastJob } from "../../../limitador-bridge/alerts/forecast-job.ts";
import { readSpendHistory } from "../../../limitador-bridge/alerts/spend-history.ts";
import { SpendHours } from "../../../limitador-bridge/alerts/spend-hours.ts";
import { BudgetIndex } from "../../../limitador-bridge/budget/budget-index.ts";
import { type BudgetState, readBudgets } from "../../../limitador-bridge/budget/budget-state.ts";
import { budgetText, matchOf, USD } from "../budget/budget-fixture.ts";
import { record } from "../reports/records.ts";

const DAY_MS = 86_400_000;
const NOVEMBER = Date.UTC(2026, 10, 1);
const log = { info: () => {}, warn: () => {}, error: () => {} };

/** The state of a budget of 100 USD, so many days into November. */
async function stateAt(days: number, spentUsd: number): Promise<BudgetState> {
  const { budget } = matchOf(
    budgetText(`  team: ml-team
  monthlyBudgetUSD: 100
  alertThresholds:
    - {percent: 50, action: alert}
    - {percent: 80, action: alert, notifyChannel: "#ml"}
`),
  );
  const nowMs = NOVEMBER + days * DAY_MS;
  const view = {
    ...{ key: "budget/ml-team", unit: "usd" as const, limit: 100 * USD, used: spentUsd * USD },
    ...{ held: 0, remaining: 0, resetsAtMs: Date.UTC(2026, 11, 1) },
    window: { kind: "calendar" as const, period: "month" as const, timeZone: "UTC" },
  };
  const [state] = await readBudgets({
    store: { counters: async (prefix) => (prefix === "budget/" ? [view] : []) },
    budgets: new BudgetIndex([budget]),
    grants: { of: () => ({}) },
    nowMs,
  });
  if (state === undefined) throw new Error("the budget has a state");
  return state;
}

const alertAt = async (days: number, spentUsd: number) =>
  forecastAlert(await stateAt(days, spentUsd), NOVEMBER + days * DAY_MS);

describe("a budget that will not last", () => {
  test("is told, with what it would come to", async () => {
    expect(await alertAt(20, 80)).toEqual({
      key: "forecast/ml-team/2026-11",
      name: "LLMBudgetForecast",
      severity: "warning",
      summary:
        "The budget of team ml-team is used up in 5.0 days if spending goes on as so far, before " +
        "it resets at 2026-12-01T00:00:00.000Z: 80 of 100 USD are spent, and it would be 120 USD.",
      channel: "#ml",
      startsAtMs: NOVEMBER + 20 * DAY_MS,
      endsAtMs: Date.UTC(2026, 11, 1),
      labels: {
        level: "team",
        team: "ml-team",
        policy: "default/b",
        period: "2026-11",
      },
      details: {
        period: "2026-11",
        spentNanoUsd: 80 * USD,
        budgetNanoUsd: 100 * USD,
        atEndNanoUsd: 120 * USD,
        daysUntilExhausted: 5,
      },
    });
  });

  test.each([
    ["the month has just begun", 0.9, 50],
    ["it lasts", 29, 90],
    ["it does not, but there is time", 10, 50],
    ["it is used up: that has been told", 10, 100],
    ["nothing is spent", 10, 0],
  ])("not where %s", async (_, days, spentUsd) => {
    expect(await alertAt(days, spentUsd)).toBeNull();
  });
});

test("the job looks again and again, also after the store was away", async () => {
  const raised: Alert[] = [];
  let reads = 0;
  const state = await stateAt(10, 60);
  const job = startForecastJob({
    async read() {
      reads++;
      if (reads === 1) throw new Error("away");
      return [state];
    },
    raise: (alert) => void raised.push(alert),
    log,
    nowMs: () => NOVEMBER + 10 * DAY_MS,
    intervalMs: 5,
  });
  await expect.poll(() => raised.length).toBeGreaterThan(1);
  await job.stop();
  const until = raised.length;
  await sleep(20);
  expect(raised).toHaveLength(until);
  expect(new Set(raised.map(({ key }) => key))).toEqual(
    new Set(["alert/ml-team/2026-11/50", "forecast/ml-team/2026-11"]),
  );
});

test("the job tells of thresholds that a lower budget has reached, with no charge", async () => {
  const raised: Alert[] = [];
  let isLowered = false;
  const state = await stateAt(29, 40);
  const job = startForecastJob({
    read: async () => [
      isLowered ? { ...state, budgetNanoUsd: 50 * USD } : state,
      { ...state, name: "idle", spentNanoUsd: 0, budgetNanoUsd: 0 },
    ],
    raise: (alert) => void raised.push(alert),
    log,
    nowMs: () => NOVEMBER + 29 * DAY_MS,
    intervalMs: 600_000,
  });
  await job.run();
  expect(raised).toEqual([]);
  isLowered = true;
  await job.run();
  await job.stop();
  const told = raised.map(({ key, name, details }) => [key, name, details["usedNanoUsd"]]);
  expect(told).toEqual([
    ["alert/ml-team/2026-11/50", "LLMBudgetThreshold", 40 * USD],
    ["alert/ml-team/2026-11/80", "LLMBudgetThreshold", 40 * USD],
  ]);
});

test("what apps usually spend is read from the records of a week", async () => {
  const nowMs = Date.UTC(2026, 10, 15, 12);
  const times = [1, 2, 3].map((hours) => new Date(nowMs - hours * 3_600_000).toISOString());
  const asked: unknown[] = [];
  const hours = new SpendHours();
  const store = {
    async records(query: { cursor?: string }) {
      asked.push(query);
      const at = Number(query.cursor ?? 0);
      const time = times[at] as string;
      const next = at + 1 < times.length ? String(at + 1) : null;
      return { records: [record(`r${at}`, { time, costNanoUsd: 100 })], next };
    },
  };
  await readSpendHistory(store, hours, nowMs, () => false);
  expect(asked).toEqual([
    { sinceMs: nowMs - 7 * DAY_MS, limit: 200 },
    { sinceMs: nowMs - 7 * DAY_MS, limit: 200, cursor: "1" },
    { sinceMs: nowMs - 7 * DAY_MS, limit: 200, cursor: "2" },
  ]);
  const now = new Date(nowMs).toISOString();
  expect(hours.add(record("a", { time: now, costNanoUsd: 300 }))).toBeNull();
  expect(hours.add(record("b", { time: now, costNanoUsd: 1 }))?.usualNanoUsd).toBe(100);
});
