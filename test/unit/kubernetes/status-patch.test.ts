/** What is written to an object's status, and when. */
import { describe, expect, test } from "vitest";
import type { ClusterObject } from "../../../limitador-bridge/kubernetes/cluster-object.ts";
import type { PolicyEntry } from "../../../limitador-bridge/kubernetes/service-answer.ts";
import { spendingOf, statusPatch } from "../../../limitador-bridge/kubernetes/status-patch.ts";

const NOW = "2026-11-21T20:00:00Z";
const EARLIER = "2026-11-20T00:00:00Z";
const FILE = "/policies/llmbudget.ml.b.yaml";
const accepted: PolicyEntry = { file: FILE, accepted: true, inForce: true, problems: [] };
const refused: PolicyEntry = {
  file: FILE,
  accepted: false,
  inForce: false,
  problems: [
    { file: FILE, line: 9, column: 5, field: "spec.team", message: "is missing" },
    { file: FILE, line: 1, column: 1, field: "", message: "cannot be read" },
  ],
};
const spending = { currentSpendUSD: 12.5, budgetUtilization: 0.12 };
const acceptedCondition = {
  type: "Accepted",
  status: "True",
  reason: "Accepted",
  message: "in force",
  lastTransitionTime: EARLIER,
  observedGeneration: 3,
};
const metadata = { namespace: "ml", name: "b", generation: 3 };
const object = (status?: Record<string, unknown>): ClusterObject =>
  status === undefined ? { metadata } : { metadata, status };
const told = { observedGeneration: 3, conditions: [acceptedCondition], ...spending };

describe("statusPatch", () => {
  test("a new object gets all of its status", () => {
    expect(statusPatch(object(), accepted, spending, NOW)).toEqual({
      status: {
        observedGeneration: 3,
        conditions: [{ ...acceptedCondition, lastTransitionTime: NOW }],
        currentSpendUSD: 12.5,
        budgetUtilization: 0.12,
        lastUpdated: NOW,
      },
    });
  });

  test("nothing is written where nothing changed", () => {
    expect(statusPatch(object(told), accepted, spending, NOW)).toBe(null);
    expect(statusPatch(object(told), accepted, null, NOW)).toBe(null);
  });

  test("only what was spent, where only that changed", () => {
    const more = { currentSpendUSD: 13, budgetUtilization: 0.13 };
    expect(statusPatch(object(told), accepted, more, NOW)).toEqual({
      status: { currentSpendUSD: 13, budgetUtilization: 0.13, lastUpdated: NOW },
    });
  });

  test("a refused object has the texts of its problems, and the time when that began", () => {
    expect(statusPatch(object(told), refused, null, NOW)).toEqual({
      status: {
        observedGeneration: 3,
        conditions: [
          {
            type: "Accepted",
            status: "False",
            reason: "Invalid",
            message: "spec.team: is missing\ncannot be read",
            lastTransitionTime: NOW,
            observedGeneration: 3,
          },
        ],
      },
    });
  });

  test("an accepted object has its warnings", () => {
    const warned = { ...accepted, warnings: refused.problems };
    expect(statusPatch(object(told), warned, null, NOW)?.status.conditions).toEqual([
      { ...acceptedCondition, message: "in force, but spec.team: is missing\ncannot be read" },
    ]);
  });

  test("another text, or a newer generation, does not begin a new time", () => {
    const first = statusPatch(object(told), refused, null, EARLIER)?.status;
    const kept = { ...refused, inForce: true, problems: refused.problems.slice(1) };
    const newer = { metadata: { ...metadata, generation: 4 }, status: { ...first } };
    expect(statusPatch(newer, kept, null, NOW)).toEqual({
      status: {
        observedGeneration: 4,
        conditions: [
          {
            type: "Accepted",
            status: "False",
            reason: "LastGoodInForce",
            message: "cannot be read",
            lastTransitionTime: EARLIER,
            observedGeneration: 4,
          },
        ],
      },
    });
  });

  test("conditions of others stay", () => {
    const other = { ...acceptedCondition, type: "Synced" };
    const status = statusPatch(object({ conditions: [other] }), accepted, null, NOW)?.status;
    expect(status?.conditions).toEqual([other, { ...acceptedCondition, lastTransitionTime: NOW }]);
  });

  test("a message has at most as many characters as a condition takes", () => {
    const [problem] = refused.problems;
    const long = { ...refused, problems: Array(40_000).fill(problem) };
    const conditions = statusPatch(object(), long, null, NOW)?.status.conditions;
    expect((conditions as { message: string }[])[0]?.message).toHaveLength(32_768);
  });
});

describe("spendingOf", () => {
  const entry = (spentNanoUsd: number, utilization: number) => ({
    policy: "ml/b",
    spentNanoUsd,
    utilization,
  });

  test("is exact to the nano-dollar", () => {
    expect(spendingOf([entry(12_500_000_001, 0.12)])).toEqual({
      currentSpendUSD: 12.500000001,
      budgetUtilization: 0.12,
    });
  });

  test("of a budget for many teams is the sum, and how far the fullest is", () => {
    expect(spendingOf([entry(1_000_000_000, 0.5), entry(2_000_000_000, 0.25)])).toEqual({
      currentSpendUSD: 3,
      budgetUtilization: 0.5,
    });
  });

  test("of a budget that nobody used is nothing", () => {
    expect(spendingOf([])).toEqual({ currentSpendUSD: 0, budgetUtilization: 0 });
  });
});
