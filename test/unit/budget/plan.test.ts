/** What the document says of budgets, one by one. */
import { describe, expect, test } from "vitest";
import { exceeded } from "../../../limitador-bridge/budget/denial.ts";
import type { PlanRequest } from "../../../limitador-bridge/budget/plan.ts";
import {
  budgetText,
  DECEMBER_MS,
  decide,
  EXAMPLE,
  Ledger,
  matchOf,
  payer,
  planOf,
  USD,
} from "./budget-fixture.ts";

const example = matchOf(EXAMPLE);
const TEAM = "budget/ml-team";

const message = (used: Record<string, number>, parts: Partial<PlanRequest> = {}) => {
  const plan = planOf(example, parts);
  return exceeded(plan, new Ledger(used).reserve(plan));
};

describe("claims", () => {
  test("hold the worst case on the team and on the model, for the calendar month", () => {
    const window = { kind: "calendar", period: "month", timeZone: "UTC" };
    const common = { unit: "usd", window, enforced: true, shardBy: TEAM };
    const asked = { ...common, reserve: 10_000_000, onExpiry: 1_000_000 };
    const cheap = { ...common, reserve: 600_000, onExpiry: 60_000 };
    const limit = 8000 * USD;
    const allowance = 400 * USD;
    expect(planOf(example).options.map(({ claims }) => claims)).toEqual([
      [
        { ...asked, key: TEAM, limit, allowance, below: 6400 * USD },
        { ...asked, key: `${TEAM}/model/gpt-4o`, limit: 2000 * USD },
      ],
      [
        { ...cheap, key: TEAM, limit, allowance, from: 6400 * USD - 10_000_000 },
        { ...cheap, key: `${TEAM}/model/gpt-4o-mini`, limit: 1000 * USD },
      ],
    ]);
  });

  test.each<[string, number]>([
    ["worst-case", 10_000_000],
    ["expected", 5_000_000],
    ["none", 0],
  ])("reservation: %s", (reservation, reserve) => {
    const match = matchOf(
      budgetText(`  team: ml-team\n  monthlyBudgetUSD: 1\n  reservation: ${reservation}\n`),
    );
    expect(planOf(match).options.map(({ claims }) => claims[0]?.reserve)).toEqual([reserve]);
  });
});

describe("at 80 % requests are downgraded", () => {
  const edge = 6400 * USD - 10_000_000;
  test("up to the threshold the requested model runs", () => {
    expect(decide(example, { [TEAM]: edge - 1 })).toEqual({
      model: "gpt-4o",
      why: "complex_query",
      headers: { "x-budget-utilization": "0.79" },
    });
  });

  test("a request that would reach it runs on the cheaper model, and says so", () => {
    expect(decide(example, { [TEAM]: edge })).toEqual({
      model: "gpt-4o-mini",
      why: "budget_pressure",
      headers: {
        "x-budget-utilization": "0.79",
        "x-model-downgraded": "true",
        "x-model-requested": "gpt-4o",
      },
    });
    expect(decide(example, { [TEAM]: 6800 * USD }).headers).toEqual({
      "x-budget-utilization": "0.85",
      "x-model-downgraded": "true",
      "x-model-requested": "gpt-4o",
    });
  });

  test("without cost routing the default model is meant", () => {
    const match = matchOf(
      budgetText(`  team: ml-team
  monthlyBudgetUSD: 100
  alertThresholds: [{percent: 80, action: alert_and_downgrade}]
  defaultModel: gpt-4o-mini
`),
    );
    expect(decide(match, { [TEAM]: 80 * USD })).toMatchObject({
      model: "gpt-4o-mini",
      why: "budget_pressure",
    });
    expect(decide(match, {})).toMatchObject({ model: "gpt-4o", why: "as_requested" });
  });

  const downgrading = (more: string) =>
    matchOf(
      budgetText(`  team: ml-team
  monthlyBudgetUSD: 100
  alertThresholds: [{percent: 80, action: alert_and_downgrade}]
${more}`),
    );
  test.each<[string, string, Partial<PlanRequest>]>([
    ["the default model itself", "  defaultModel: gpt-4o\n", {}],
    ["a snapshot of it", "  defaultModel: gpt-4o\n", { model: "gpt-4o-2024-08-06" }],
    ["a model that costs less", "  defaultModel: gpt-4o-mini\n", { model: "llama-3-8b" }],
    ["no model to go to", "", {}],
    [
      "one that the app may not use",
      "  defaultModel: gpt-4o-mini\n" +
        "  modelLimits: [{modelPattern: gpt-4o-mini, allowedApps: [x]}]\n",
      {},
    ],
    ["one without a price", "  defaultModel: cheapest\n", {}],
    ["one of another API", "  defaultModel: gpt-4o-mini\n", { servable: (m) => m === "gpt-4o" }],
  ])("not for %s", (_, spec, parts) => {
    const { options } = planOf(downgrading(spec), parts);
    expect(options.map(({ model, why }) => [model, why])).toEqual([
      [parts.model ?? "gpt-4o", "as_requested"],
    ]);
    expect(options[0]?.claims[0]).not.toHaveProperty("below");
  });

  test("a model whose own ceiling is reached is refused below 80 %, and replaced above", () => {
    const model = { [`${TEAM}/model/gpt-4o`]: 2000 * USD };
    expect(decide(example, { ...model, [TEAM]: 4000 * USD }).denied).toBe("model_budget_exceeded");
    expect(decide(example, { ...model, [TEAM]: 6400 * USD }).model).toBe("gpt-4o-mini");
  });
});

describe("at 100 % requests are refused", () => {
  test("with who, what, when and whom to ask", () => {
    expect(message({ [TEAM]: 8000 * USD })).toEqual({
      code: "monthly_budget_exceeded",
      status: 429,
      message:
        'Team "ml-team" used 8000 of 8000 USD a month; this request may cost 0.0006 USD ' +
        "(LLMBudget ml-platform/ml-team-budget). Resets at 2026-12-01T00:00:00.000Z. " +
        "Ask the platform team for more.",
      policy: "ml-platform/ml-team-budget",
      resetsAtMs: DECEMBER_MS,
    });
  });

  test("the utilization is told", () => {
    expect(decide(example, { [TEAM]: 8000 * USD })).toEqual({
      denied: "monthly_budget_exceeded",
      headers: { "x-budget-utilization": "1.00" },
    });
  });

  test("the widest limit is told, since below it nothing would help", () => {
    const used = { [TEAM]: 8000 * USD, [`${TEAM}/model/gpt-4o-mini`]: 1000 * USD };
    expect(message(used)?.code).toBe("monthly_budget_exceeded");
  });

  test("what is held is counted and told", () => {
    const match = matchOf(budgetText("  team: ml-team\n  monthlyBudgetUSD: 0.02\n"));
    const ledger = new Ledger();
    const plan = planOf(match);
    expect(ledger.reserve(plan).taken?.model).toBe("gpt-4o");
    expect(ledger.reserve(plan).taken?.model).toBe("gpt-4o");
    expect(exceeded(plan, ledger.reserve(plan))?.message).toBe(
      'Team "ml-team" used 0 of 0.02 USD a month, 0.02 USD held by requests in flight; ' +
        "this request may cost 0.01 USD (LLMBudget default/b). " +
        "Resets at 2026-12-01T00:00:00.000Z. Ask the platform team for more.",
    );
  });

  test("a threshold under 100 refuses there", () => {
    const match = matchOf(
      budgetText(`  team: ml-team
  monthlyBudgetUSD: 100
  overshootPercent: 0
  contact: "#costs"
  alertThresholds: [{percent: 90, action: reject}]
`),
    );
    const plan = planOf(match);
    expect(new Ledger({ [TEAM]: 90 * USD - 10_000_000 }).reserve(plan).taken?.model).toBe("gpt-4o");
    const refused = new Ledger({ [TEAM]: 90 * USD - 9_999_999 }).reserve(plan);
    expect(exceeded(plan, refused)?.message).toBe(
      'Team "ml-team" used 89.990000001 of 90 USD a month (budget 100 USD); ' +
        "this request may cost 0.01 USD (LLMBudget default/b). " +
        "Resets at 2026-12-01T00:00:00.000Z. Ask #costs for more.",
    );
  });
});

describe("5 % overshoot", () => {
  const spec = (percent: string) =>
    matchOf(budgetText(`  team: ml-team\n  monthlyBudgetUSD: 0.1\n${percent}`));
  test.each<[string, number, string, string | undefined]>([
    ["barely over", 94_999_999, "", "gpt-4o"],
    ["as far as allowed", 95_000_000, "", "gpt-4o"],
    ["a nano-dollar farther", 95_000_001, "", undefined],
    ["from the limit on nothing", 100_000_000, "", undefined],
    ["switched off", 90_000_001, "  overshootPercent: 0\n", undefined],
    ["switched off, exactly full", 90_000_000, "  overshootPercent: 0\n", "gpt-4o"],
  ])("%s", (_, used, percent, model) => {
    expect(decide(spec(percent), { [TEAM]: used }).model).toBe(model);
  });
});

describe("essential apps have a 10 % buffer", () => {
  const spec = (more = "") =>
    matchOf(
      budgetText(`  team: ml-team
  monthlyBudgetUSD: 0.1
  essentialApps: [chatbot]
${more}`),
    );
  test.each<[string, number, string, string | undefined]>([
    ["over the budget", 100_000_000, "chatbot", "gpt-4o"],
    ["to the end of the buffer", 100_000_001, "chatbot", undefined],
    ["only for them", 100_000_000, "batch", undefined],
  ])("%s", (_, used, app, model) => {
    expect(decide(spec(), { [TEAM]: used }, { payer: payer({ app }) }).model).toBe(model);
  });

  test("buffer and overshoot do not add up", () => {
    const claim = (more: string) => {
      const { limit, allowance } = planOf(spec(more)).options[0]?.claims[0] ?? {};
      return { limit, allowance };
    };
    expect(claim("")).toEqual({ limit: 110_000_000, allowance: undefined });
    expect(claim("  overshootPercent: 15\n")).toEqual({ limit: 110_000_000, allowance: 5_000_000 });
    expect(claim("  emergencyBufferPercent: 0\n")).toEqual({
      limit: 100_000_000,
      allowance: 5_000_000,
    });
  });

  test("utilization is of the budget, not of the buffer", () => {
    expect(decide(spec(), { [TEAM]: 100_000_000 }).headers).toEqual({
      "x-budget-utilization": "1.10",
    });
  });
});

test("a ceiling of the model that did not come into question is not told", () => {
  const tasks = matchOf(`${EXAMPLE}  tasks: {maxUSD: 1}\n`);
  const parts = { payer: payer({ task: "t" }) };
  const used = {
    [TEAM]: 7000 * USD,
    [`${TEAM}/model/gpt-4o`]: 2000 * USD,
    [`${TEAM}/task/t`]: USD,
  };
  expect(decide(tasks, used, parts).denied).toBe("task_budget_exceeded");
  expect(decide(tasks, { ...used, [TEAM]: 10 * USD }, parts).denied).toBe("model_budget_exceeded");
});

test.each([0, 5, 40])("many at once hold the budget and its %d %% overshoot at most", (percent) => {
  const match = matchOf(`${EXAMPLE}  overshootPercent: ${percent}\n`.replace("8000", "0.5"));
  const ledger = new Ledger();
  const models = ["gpt-4o", "gpt-4o-mini", "llama-3-8b"];
  let admitted = 0;
  let heldNanoUsd = 0;
  for (let i = 0; i < 3000; i++) {
    const plan = planOf(match, { model: models[i % 3] ?? null, promptTokens: (i * 7) % 1000 });
    const { taken } = ledger.reserve(plan);
    if (taken === null) continue;
    admitted++;
    heldNanoUsd += taken.claims[0]?.reserve ?? 0;
  }
  expect(admitted).toBeGreaterThan(100);
  expect(heldNanoUsd).toBeGreaterThanOrEqual(490_000_000);
  expect(heldNanoUsd).toBeLessThanOrEqual(500_000_000 + percent * 5_000_000);
});
