/** What the document says of models: ceilings, allowed apps, prices, routing. */
import { describe, expect, test } from "vitest";
import { budgetHeaders } from "../../../limitador-bridge/budget/answer.ts";
import { exceeded } from "../../../limitador-bridge/budget/denial.ts";
import { type PlanRequest, planRequest } from "../../../limitador-bridge/budget/plan.ts";
import {
  budgetText,
  DECEMBER_MS,
  decide,
  EXAMPLE,
  Ledger,
  matchOf,
  payer,
  planOf,
  planRequestOf,
  USD,
} from "./budget-fixture.ts";

const TEAM = "budget/ml-team";
const example = matchOf(EXAMPLE);
const message = (used: Record<string, number>, parts: Partial<PlanRequest> = {}) => {
  const plan = planOf(example, parts);
  return exceeded(plan, new Ledger(used).reserve(plan));
};

describe("models", () => {
  test("one model cannot use up the whole budget", () => {
    const used = { [TEAM]: 3000 * USD, [`${TEAM}/model/claude-opus*`]: 3000 * USD };
    const parts = {
      payer: payer({ app: "code-review" }),
      model: "claude-opus-4",
      servable: (model: string) => model.startsWith("claude"),
    };
    expect(message(used, parts)).toEqual({
      code: "model_budget_exceeded",
      status: 429,
      message:
        'Team "ml-team" on model "claude-opus*" used 3000 of 3000 USD a month; ' +
        "this request may cost 0.075 USD (LLMBudget ml-platform/ml-team-budget). " +
        "Resets at 2026-12-01T00:00:00.000Z. Ask the platform team for more.",
      policy: "ml-platform/ml-team-budget",
      resetsAtMs: DECEMBER_MS,
    });
  });

  test.each<[string, Partial<PlanRequest>, string]>([
    [
      "an app that is not listed",
      { payer: payer({ app: "batch" }) },
      'App "batch" may not use model "gpt-4o": it is for "chatbot", "summarizer"',
    ],
    [
      "a simple query all the same",
      { payer: payer({ app: "batch" }), promptTokens: 1 },
      'App "batch" may not use model "gpt-4o": it is for "chatbot", "summarizer"',
    ],
    [
      "an app that is not known",
      { payer: payer({ app: null }) },
      'A request whose app is not known may not use model "gpt-4o": ' +
        'it is for "chatbot", "summarizer"',
    ],
    [
      "by another spelling",
      { payer: payer({ app: "batch" }), model: "GPT-4o-2024-08-06" },
      'App "batch" may not use model "GPT-4o-2024-08-06": it is for "chatbot", "summarizer"',
    ],
    [
      "by X-Require-Model",
      { model: "gpt-4o-mini", requiredModel: "claude-opus-4" },
      'App "chatbot" may not use model "claude-opus-4": ' +
        'it is for "research-assistant", "code-review"',
    ],
  ])("allowedApps refuse %s", (_, parts, text) => {
    const denial = {
      code: "app_not_allowed_for_model",
      status: 403,
      message: `${text} (LLMBudget ml-platform/ml-team-budget). Ask the platform team for access.`,
      policy: "ml-platform/ml-team-budget",
      resetsAtMs: null,
    };
    expect(planRequest(example, planRequestOf(parts))).toEqual({ kind: "deny", denial });
  });

  describe("without a known price", () => {
    const spec = (rule: string) =>
      matchOf(budgetText(`  team: ml-team\n  monthlyBudgetUSD: 1\n  unknownModel: ${rule}\n`));
    const reserved = (rule: string) => {
      const [option] = planOf(spec(rule), { model: "new-model" }).options;
      return [option?.model, option?.priceModel, option?.claims[0]?.reserve];
    };

    test.each<[string | null, string, string]>([
      ["new-model", "deny", 'Model "new-model" has no known price'],
      [null, "deny", "The request names no model"],
      ["new-model", "{priceAs: other}", 'Model "new-model" has no known price'],
    ])("%s, %s", (model, rule, text) => {
      const advice = "Ask the platform team to add a price.";
      const message = `${text}, and LLMBudget default/b counts money. ${advice}`;
      const denial = { code: "price_unknown", status: 403, message };
      expect(planRequest(spec(rule), planRequestOf({ model }))).toEqual({
        kind: "deny",
        denial: { ...denial, policy: "default/b", resetsAtMs: null },
      });
    });

    test("free, or as another", () => {
      expect(reserved("free")).toEqual(["new-model", null, 0]);
      expect(reserved("{priceAs: gpt-4o}")).toEqual(["new-model", "gpt-4o", 10_000_000]);
    });
  });
});

describe("cost routing", () => {
  test.each<[string, number, string, string, Record<string, string>]>([
    [
      "gpt-4o",
      499,
      "gpt-4o-mini",
      "simple_query",
      { "x-model-downgraded": "true", "x-model-requested": "gpt-4o" },
    ],
    ["gpt-4o", 500, "gpt-4o", "complex_query", {}],
    ["gpt-4o-2024-08-06", 500, "gpt-4o-2024-08-06", "complex_query", {}],
    ["gpt-4o-mini", 499, "gpt-4o-mini", "simple_query", {}],
    ["gpt-4o-mini", 500, "gpt-4o", "complex_query", { "x-model-requested": "gpt-4o-mini" }],
    ["llama-3-8b", 499, "llama-3-8b", "as_requested", {}],
  ])("%s with %d tokens runs on %s: %s", (model, promptTokens, runs, why, headers) => {
    const { options } = planOf(example, { model, promptTokens });
    const plan = planOf(example, { model, promptTokens });
    expect([options[0]?.model, options[0]?.why]).toEqual([runs, why]);
    expect(budgetHeaders(plan, options[0] ?? null, [])).toEqual(headers);
  });

  test("a capable model that the app may not use leaves the request as it is", () => {
    const { options } = planOf(example, {
      payer: payer({ app: "research-assistant" }),
      model: "claude-opus-4",
      promptTokens: 500,
    });
    expect(options.map(({ model, why }) => [model, why])).toEqual([
      ["claude-opus-4", "as_requested"],
      ["gpt-4o-mini", "budget_pressure"],
    ]);
  });

  test("above 80 % everything is cheap, also where no threshold says so", () => {
    const match = matchOf(
      budgetText(`  team: ml-team
  monthlyBudgetUSD: 100
  costRouting: {enabled: true, cheapModel: gpt-4o-mini, expensiveModel: gpt-4o}
`),
    );
    expect(decide(match, { [TEAM]: 79 * USD })).toMatchObject({ why: "complex_query" });
    expect(decide(match, { [TEAM]: 80 * USD })).toMatchObject({
      model: "gpt-4o-mini",
      why: "budget_pressure",
    });
  });
});

describe("X-Require-Model", () => {
  const required = { requiredModel: "gpt-4o", promptTokens: 10 };
  test("goes around routing and downgrade", () => {
    expect(decide(example, { [TEAM]: 7000 * USD }, required)).toEqual({
      model: "gpt-4o",
      why: "required",
      headers: { "x-budget-utilization": "0.87" },
    });
  });

  test("may ask for another model than the body", () => {
    const parts = { ...required, model: "gpt-4o-mini" };
    expect(decide(example, {}, parts)).toMatchObject({
      model: "gpt-4o",
      headers: { "x-model-requested": "gpt-4o-mini" },
    });
  });

  test("does not go around the budget", () => {
    expect(decide(example, { [TEAM]: 8000 * USD }, required).denied).toBe(
      "monthly_budget_exceeded",
    );
    const model = { [`${TEAM}/model/gpt-4o`]: 2000 * USD };
    expect(decide(example, model, required).denied).toBe("model_budget_exceeded");
  });
});
