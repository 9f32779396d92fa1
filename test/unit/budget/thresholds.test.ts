import { describe, expect, test } from "vitest";
import {
  alertSubjects,
  thresholdsApplied,
  thresholdsCrossed,
} from "../../../limitador-bridge/budget/thresholds.ts";
import { budgetText, DECEMBER_MS, EXAMPLE, matchOf, payer, USD } from "./budget-fixture.ts";

const [team] = alertSubjects(matchOf(EXAMPLE));
if (team === undefined) throw new Error("the example has no budget to alert for");

function crossed(beforeUsd: number, afterUsd: number) {
  return thresholdsCrossed(team as NonNullable<typeof team>, {
    beforeNanoUsd: beforeUsd * USD,
    afterNanoUsd: afterUsd * USD,
    resetsAtMs: DECEMBER_MS,
  });
}

test("at 50 % an alert goes to the team's channel", () => {
  expect(crossed(3999, 4000)).toEqual([
    {
      level: "team",
      name: "ml-team",
      policy: "ml-platform/ml-team-budget",
      percent: 50,
      action: "alert",
      mode: "enforce",
      mayDowngrade: true,
      notifyChannel: "#ml-team-costs",
      usedNanoUsd: 4000 * USD,
      budgetNanoUsd: 8000 * USD,
      period: "2026-11",
      resetsAtMs: DECEMBER_MS,
      dedupeKey: "alert/ml-team/2026-11/50",
    },
  ]);
});

describe("thresholds", () => {
  test.each<[string, number, number, number[]]>([
    ["none below", 0, 3999.999999999, []],
    ["not again", 4000, 6399, []],
    ["the second", 4000, 6400, [80]],
    ["all at once", 0, 9000, [50, 80, 100]],
    ["not when a correction goes down", 6500, 6300, []],
  ])("%s", (_, before, after, percents) => {
    expect(crossed(before, after).map(({ percent }) => percent)).toEqual(percents);
  });

  test("an action that was done tells of itself, with the same key", () => {
    const counter = { usedNanoUsd: 7999 * USD, heldNanoUsd: 0, resetsAtMs: DECEMBER_MS };
    const rejected = thresholdsApplied(team, "reject", counter);
    expect(rejected.map(({ percent, usedNanoUsd }) => [percent, usedNanoUsd])).toEqual([
      [50, 7999 * USD],
      [80, 7999 * USD],
      [100, 7999 * USD],
    ]);
    expect(rejected.at(-1)?.dedupeKey).toBe("alert/ml-team/2026-11/100");
  });

  test.each([
    ["a large request in a budget that is not", 100, 0, []],
    ["one that does not fit beside others", 7000, 600, [50, 80, 100]],
    ["nearly", 7000, 599.999999999, []],
  ])("a refusal tells of the budget, not of one request: %s", (_, used, held, percents) => {
    const counter = {
      usedNanoUsd: used * USD,
      heldNanoUsd: Math.round(held * USD),
      resetsAtMs: DECEMBER_MS,
    };
    const alerts = thresholdsApplied(team, "reject", counter);
    expect(alerts.map(({ percent }) => percent)).toEqual(percents);
  });

  test("where no threshold has the action there is no alert", () => {
    const [plain] = alertSubjects(matchOf(budgetText("  team: ml-team\n  monthlyBudgetUSD: 1\n")));
    const counter = { usedNanoUsd: 0, heldNanoUsd: 0, resetsAtMs: DECEMBER_MS };
    expect(plain && thresholdsApplied(plain, "reject", counter)).toEqual([]);
  });

  test("a budget of nothing has nothing to cross", () => {
    const [none] = alertSubjects(matchOf(budgetText("  team: ml-team\n  monthlyBudgetUSD: 0\n")));
    const change = { beforeNanoUsd: 0, afterNanoUsd: 5, resetsAtMs: DECEMBER_MS };
    expect(none && thresholdsCrossed(none, change)).toEqual([]);
  });
});

describe("whose", () => {
  const text = `${budgetText(
    `  team: "*"
  organization: a/b
  monthlyBudgetUSD: 10
  unknownPayer: budget
  timeZone: Pacific/Auckland
  alertThresholds: [{percent: 10, action: alert}]
`,
    "any",
  )}---
${budgetText(
  `  organization: a/b
  monthlyBudgetUSD: 100
  alertThresholds: [{percent: 1, action: alert}]
`,
  "total",
)}`;

  test("the organization's and the unknown payers', by the months of their time zones", () => {
    const match = matchOf(text, payer({ team: null }));
    const subjects = alertSubjects(match, { team: 5 * USD });
    expect(subjects.map(({ key, budgetNanoUsd }) => [key, budgetNanoUsd])).toEqual([
      ["org/a%2Fb", 100 * USD],
      ["budget/*", 15 * USD],
    ]);
    // Midnight of December 1 in Auckland.
    const resetsAtMs = Date.UTC(2026, 10, 30, 11);
    const change = { beforeNanoUsd: 0, afterNanoUsd: 5 * USD, resetsAtMs };
    const keys = subjects.flatMap((subject) =>
      thresholdsCrossed(subject, change).map(({ dedupeKey }) => dedupeKey),
    );
    expect(keys).toEqual(["alert/org/a%2Fb/2026-11/1", "alert/*/2026-11/10"]);
    const models = subjects.flatMap((subject) =>
      thresholdsCrossed(subject, change).map(({ mayDowngrade }) => mayDowngrade),
    );
    expect(models).toEqual([true, false]);
  });
});
