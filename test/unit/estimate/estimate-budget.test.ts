import { expect, test } from "vitest";
import { budgeted, spend } from "../service/budgeted-service.ts";

const BUDGET = `  team: blue
  monthlyBudgetUSD: 0.1
  defaultModel: gpt-4o-mini
  alertThresholds:
    - {percent: 80, action: alert_and_downgrade}
    - {percent: 100, action: reject}
`;

/** A token for each word. */
const tokens = {
  count: async (_: string, texts: string[]) => texts.flatMap((text) => text.split(" ")).length,
  close: async () => {},
};

function service() {
  const budget = budgeted(BUDGET, { overrides: { tokens } });
  const estimate = async (headers: Record<string, string> = {}) => {
    const body = {
      path: "/v1/chat/completions",
      headers: { "x-team": "blue", ...headers },
      body: { model: "gpt-4o", max_tokens: 100, messages: [{ role: "user", content: "hi" }] },
    };
    const response = await budget.app.inject({ method: "POST", url: "/v1/estimate", body });
    return response.json();
  };
  return { ...budget, estimate };
}

test("a request that a budget has room for", async () => {
  const { estimate } = service();
  const { verdict, model, cost, limits } = await estimate();
  expect([verdict, model]).toEqual(["allow", "gpt-4o"]);
  // 2 words and 6 of form in; as many out are expected, 100 at most.
  expect(cost).toEqual({
    lowNanoUsd: 8 * 2500,
    expectedNanoUsd: 8 * 2500 + 8 * 10_000,
    worstNanoUsd: 8 * 2500 + 100 * 10_000,
    lowUsd: "0.00002",
    expectedUsd: "0.0001",
    worstUsd: "0.00102",
  });
  expect(limits.map((limit: Record<string, unknown>) => [limit.counter, limit.limit])).toEqual([
    ["budget/blue", 100_000_000],
  ]);
});

test("over the threshold it is the cheaper model's cost; nobody is alerted", async () => {
  const budget = service();
  await spend(budget, "a", 8500);
  const alerts = budget.alerts.length;
  const { verdict, requestedModel, model, why, cost, headers } = await budget.estimate();
  expect([verdict, requestedModel, model]).toEqual(["allow", "gpt-4o", "gpt-4o-mini"]);
  expect(why).toBe("All limits have room for it. It would run on gpt-4o-mini instead.");
  expect(cost.worstNanoUsd).toBe(8 * 150 + 100 * 600);
  expect(headers["x-model-downgraded"]).toBe("true");
  expect(budget.alerts.length).toBe(alerts);
  const required = await budget.estimate({ "x-require-model": "gpt-4o" });
  expect([required.verdict, required.model]).toEqual(["allow", "gpt-4o"]);
});

test("when the budget is gone the estimate says so, and keeps no record of a refusal", async () => {
  const budget = service();
  await spend(budget, "a", 9900);
  await spend(budget, "b", 500);
  const { verdict, status, code, why } = await budget.estimate();
  expect([verdict, status, code]).toEqual(["deny", 429, "monthly_budget_exceeded"]);
  expect(why).toContain('Team "blue"');
  const { records } = await budget.store.records({ limit: 10 });
  expect(records.map(({ outcome }) => outcome)).toEqual(["ok", "ok"]);
});
