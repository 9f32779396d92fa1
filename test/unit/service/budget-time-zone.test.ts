/** A budget whose time zone is changed: every view tells of the month of the zone in force. */
import { expect, test } from "vitest";
import { type BudgetedService, budgeted, request, settled } from "./budgeted-service.ts";
import { ask, settleAll } from "./service-fixture.ts";

const team = (timeZone: string) => `  team: blue
  monthlyBudgetUSD: 0.02
  timeZone: ${timeZone}
`;

async function spend(service: BudgetedService, id: string, outputTokens: number) {
  const asked = request(id);
  await ask(service.app, asked);
  await settleAll(service.app, settled(asked, [0, outputTokens]));
}

async function views(service: BudgetedService) {
  const read = async (path: string) => (await service.app.inject(path)).json();
  const { budgets } = await read("/v1/budgets");
  const one = await read("/v1/budgets/blue");
  const { limits } = await read("/v1/limits");
  const metrics = (await service.app.inject("/metrics")).body;
  return {
    list: budgets.map((state: typeof one) => [state.spentNanoUsd, state.resetsAt]),
    one: [one.spentNanoUsd, one.resetsAt],
    limits: limits.map((limit: Record<string, unknown>) => [limit["window"], limit["used"]]),
    gauge: /^llm_budget_utilization_ratio\{team="blue"\} (.*)$/m.exec(metrics)?.[1],
  };
}

test.each([
  ["America/New_York", "2026-04-01T04:00:00.000Z", "2026-03-31T22:00:00.000Z", "Europe/Berlin"],
  ["Europe/Berlin", "2026-03-31T22:00:00.000Z", "2026-04-01T04:00:00.000Z", "America/New_York"],
  // Months of these begin and end together.
  ["Europe/Berlin", "2026-03-31T22:00:00.000Z", "2026-03-31T22:00:00.000Z", "Europe/Paris"],
  ["Europe/Paris", "2026-03-31T22:00:00.000Z", "2026-03-31T22:00:00.000Z", "Europe/Berlin"],
])("from %s, which ends at %s, to what ends at %s", async (before, endBefore, end, after) => {
  const service = budgeted(team(before));
  await spend(service, "a", 500);
  expect(await views(service)).toEqual({
    list: [[5_000_000, endBefore]],
    one: [5_000_000, endBefore],
    limits: [[`calendar month (${before})`, 5_000_000]],
    gauge: "0.25",
  });
  service.use(team(after));
  const old = [`calendar month (${before})`, 5_000_000];
  expect(await views(service)).toEqual({
    list: [[0, end]],
    one: [0, end],
    limits: [old],
    gauge: "0",
  });
  await spend(service, "b", 100);
  const { limits, ...others } = await views(service);
  expect(others).toEqual({ list: [[1_000_000, end]], one: [1_000_000, end], gauge: "0.05" });
  expect(limits).toHaveLength(2);
  expect(limits).toEqual(expect.arrayContaining([old, [`calendar month (${after})`, 1_000_000]]));
});
