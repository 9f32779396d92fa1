import { describe, expect, test } from "vitest";
import { budgetAlert } from "../../../limitador-bridge/alerts/budget-alert.ts";
import { SpendHours, spikeAlert } from "../../../limitador-bridge/alerts/spend-hours.ts";
import type { BudgetAlert } from "../../../limitador-bridge/budget/thresholds.ts";
import { record } from "../reports/records.ts";
import { NOW_MS } from "./receiver.ts";

const HOUR_MS = 3_600_000;

const reached: BudgetAlert = {
  level: "team",
  name: "ml-team",
  policy: "ml-platform/ml-team-budget",
  percent: 80,
  action: "alert_and_downgrade",
  mode: "enforce",
  mayDowngrade: true,
  notifyChannel: "#ml-team-costs",
  usedNanoUsd: 6_400_120_000_000,
  budgetNanoUsd: 8_000_000_000_000,
  period: "2026-11",
  resetsAtMs: Date.UTC(2026, 11, 1),
  dedupeKey: "alert/ml-team/2026-11/80",
};

describe("a budget's threshold", () => {
  test("as an alert", () => {
    expect(budgetAlert(reached, NOW_MS)).toEqual({
      key: "alert/ml-team/2026-11/80",
      name: "LLMBudgetThreshold",
      severity: "warning",
      summary:
        "Team ml-team has reached 80 % of the budget of 2026-11: 6400.12 of 8000 USD are spent. " +
        "Requests go to a cheaper model, where there is one, until 2026-12-01T00:00:00.000Z.",
      channel: "#ml-team-costs",
      startsAtMs: NOW_MS,
      endsAtMs: Date.UTC(2026, 11, 1),
      labels: {
        level: "team",
        team: "ml-team",
        policy: "ml-platform/ml-team-budget",
        percent: "80",
        action: "alert_and_downgrade",
        period: "2026-11",
      },
      details: {
        percent: 80,
        action: "alert_and_downgrade",
        mode: "enforce",
        period: "2026-11",
        usedNanoUsd: 6_400_120_000_000,
        budgetNanoUsd: 8_000_000_000_000,
      },
    });
  });

  test.each<[Partial<BudgetAlert>, string, string]>([
    [
      { percent: 50, action: "alert", name: null },
      "info",
      "Requests of no known team have reached 50 % of the budget of 2026-11: " +
        "6400.12 of 8000 USD are spent. The budget resets at 2026-12-01T00:00:00.000Z.",
    ],
    [
      { percent: 100, action: "reject", level: "organization", name: "acme" },
      "critical",
      "Organization acme has reached 100 % of the budget of 2026-11, counting what is held for " +
        "requests under way: 6400.12 of 8000 USD are spent. Requests are refused until " +
        "2026-12-01T00:00:00.000Z.",
    ],
    [
      { percent: 100, action: "reject", mode: "shadow", usedNanoUsd: 8_000_000_000_000 },
      "critical",
      "Team ml-team has reached 100 % of the budget of 2026-11: 8000 of 8000 USD are spent. " +
        "Requests would be refused until 2026-12-01T00:00:00.000Z " +
        "(mode: shadow, so that nothing is changed).",
    ],
    [
      { mode: "shadow" },
      "warning",
      "Team ml-team has reached 80 % of the budget of 2026-11: 6400.12 of 8000 USD are spent. " +
        "Requests would go to a cheaper model, where there is one, until " +
        "2026-12-01T00:00:00.000Z (mode: shadow, so that nothing is changed).",
    ],
    [
      { mayDowngrade: false },
      "warning",
      "Team ml-team has reached 80 % of the budget of 2026-11: 6400.12 of 8000 USD are spent. " +
        "The budget names no cheaper model to go to, and resets at 2026-12-01T00:00:00.000Z.",
    ],
  ])("%j is %s", (change, severity, summary) => {
    const alert = budgetAlert({ ...reached, ...change }, NOW_MS);
    expect([alert.severity, alert.summary]).toEqual([severity, summary]);
  });
});

describe("spend spikes", () => {
  const at = (hour: number, minute = 0) =>
    new Date(Date.UTC(2026, 10, 15, hour, minute)).toISOString();
  const spend = (hours: SpendHours, time: string, costNanoUsd: number, app = "chat") =>
    hours.add(record(`${app}${time}${costNanoUsd}`, { time, costNanoUsd, app }));

  test("an hour of more than three times the mean of the hours before", () => {
    const hours = new SpendHours();
    expect(spend(hours, at(8), 100)).toBeNull();
    expect(spend(hours, at(9), 200)).toBeNull();
    expect(spend(hours, at(12), 450)).toBeNull();
    const spike = {
      team: "blue",
      app: "chat",
      hourMs: Date.UTC(2026, 10, 15, 12),
      spentNanoUsd: 451,
      usualNanoUsd: 150,
    };
    expect(spend(hours, at(12, 59), 1)).toEqual(spike);
    expect(spend(hours, at(12, 59), 1)).toEqual({ ...spike, spentNanoUsd: 452 });
    expect(spend(hours, at(12), 9999, "other")).toBeNull();
  });

  test("late records count in their own hour and change what is usual", () => {
    const hours = new SpendHours();
    spend(hours, at(8), 100);
    expect(spend(hours, at(9), 301)?.usualNanoUsd).toBe(100);
    expect(spend(hours, at(8, 30), 900)).toBeNull();
    expect(spend(hours, at(9, 1), 1)).toBeNull();
    expect(spend(hours, at(9, 2), 2699)?.usualNanoUsd).toBe(1000);
  });

  test("what is a week ago is no longer usual; nothing spent says nothing", () => {
    const hours = new SpendHours();
    spend(hours, at(8), 1);
    expect(spend(hours, at(8 + 169), 100)).toBeNull();
    expect(spend(hours, at(8 + 170), 0)).toBeNull();
    expect(spend(hours, "not a time", 9)).toBeNull();
  });

  test("as an alert: one for each app and hour", () => {
    const spike = {
      team: "a/b",
      app: null,
      hourMs: NOW_MS,
      spentNanoUsd: 2_500_000_000,
      usualNanoUsd: 500_000_000,
    };
    expect(spikeAlert(spike, NOW_MS + 5)).toEqual({
      key: "spike/a%2Fb/*/2026-11-15T12:00:00.000Z",
      name: "LLMAppSpendSpike",
      severity: "warning",
      summary:
        "App (unknown) of team a/b spent 2.5 USD in the hour from 2026-11-15T12:00:00.000Z, " +
        "more than 3 times its usual 0.5 USD.",
      channel: null,
      startsAtMs: NOW_MS + 5,
      endsAtMs: NOW_MS + 2 * HOUR_MS,
      labels: { team: "a/b", app: "", hour: "2026-11-15T12:00:00.000Z" },
      details: {
        hour: "2026-11-15T12:00:00.000Z",
        spentNanoUsd: 2_500_000_000,
        usualNanoUsd: 500_000_000,
      },
    });
  });
});
