/** Levels above and below the team, shadow mode, and what else budgets promise. */
import { describe, expect, test } from "vitest";
import { budgetHeaders } from "../../../limitador-bridge/budget/answer.ts";
import { exceeded } from "../../../limitador-bridge/budget/denial.ts";
import {
  budgetText,
  decide,
  EXAMPLE,
  Ledger,
  matchOf,
  payer,
  planOf,
  USD,
} from "./budget-fixture.ts";

const TEAM = "budget/ml-team";
const example = matchOf(EXAMPLE);
describe("organisation, team, app, user and task, all together", () => {
  const text = (mode = "") => `${budgetText(
    `  team: ml-team
  organization: acme
  monthlyBudgetUSD: 100
  apps: {chatbot: {maxMonthlyUSD: 50}, "*": {maxMonthlyUSD: 5}}
  users: {"*": {maxMonthlyUSD: 20}}
  tasks: {maxUSD: 2}
  defaultModel: gpt-4o-mini
  timeZone: Europe/Berlin
`,
    "team",
  )}---
${budgetText(
  `  organization: acme
  monthlyBudgetUSD: 500
  alertThresholds: [{percent: 80, action: alert_and_downgrade}]
  contact: the CFO
${mode}`,
  "total",
)}`;
  const full = payer({ task: "t/1" });

  test("one claim each", () => {
    const plan = planOf(matchOf(text()), { payer: full });
    expect(plan.options[0]?.claims.map(({ key, limit }) => [key, limit])).toEqual([
      ["org/acme", 500 * USD],
      [TEAM, 100 * USD],
      [`${TEAM}/app/chatbot`, 50 * USD],
      [`${TEAM}/user/alice`, 20 * USD],
      [`${TEAM}/task/t%2F1`, 2 * USD],
    ]);
    expect(plan.options[0]?.claims.map(({ shardBy }) => shardBy)).toEqual([
      "org/acme",
      ...Array(4).fill(TEAM),
    ]);
  });

  test("those who are not named each have the ceiling of *, the unknown one together", () => {
    const who = payer({ app: "*", user: null });
    const keys = planOf(matchOf(text()), { payer: who }).options[0]?.claims.map(({ key }) => key);
    expect(keys).toEqual(["org/acme", TEAM, `${TEAM}/app/%2A`, `${TEAM}/user/*`]);
  });

  const org = "Ask the CFO for more.";
  const team = "Ask the platform team for more.";
  const midnight = "2026-11-30T23:00:00.000Z";
  test.each<[string, number, string, string]>([
    [
      "org/acme",
      500,
      "organization_budget_exceeded",
      'Organization "acme" used 500 of 500 USD a month; this request may cost 0.0006 USD ' +
        `(LLMBudget default/total). Resets at 2026-12-01T00:00:00.000Z. ${org}`,
    ],
    [
      `${TEAM}/app/chatbot`,
      50,
      "app_budget_exceeded",
      'Team "ml-team", app "chatbot", used 50 of 50 USD a month; this request may cost 0.01 USD ' +
        `(LLMBudget default/team). Resets at ${midnight}. ${team}`,
    ],
    [
      `${TEAM}/user/alice`,
      20,
      "user_budget_exceeded",
      'Team "ml-team", user "alice", used 20 of 20 USD a month; this request may cost 0.01 USD ' +
        `(LLMBudget default/team). Resets at ${midnight}. ${team}`,
    ],
    [
      `${TEAM}/task/t%2F1`,
      2,
      "task_budget_exceeded",
      'Team "ml-team", task "t/1", used 2 of 2 USD for the task; this request may cost 0.01 USD ' +
        `(LLMBudget default/team). Resets at 2026-12-22T12:00:00.000Z. ${team}`,
    ],
  ])("%s", (key, usd, code, message) => {
    const plan = planOf(matchOf(text()), { payer: full });
    const denial = exceeded(plan, new Ledger({ [key]: usd * USD }).reserve(plan));
    expect([denial?.code, denial?.message]).toEqual([code, message]);
  });

  test("the organization's threshold downgrades, too", () => {
    expect(decide(matchOf(text()), { "org/acme": 400 * USD })).toMatchObject({
      model: "gpt-4o-mini",
      why: "budget_pressure",
    });
  });

  test("in shadow the organization counts and does nothing", () => {
    expect(decide(matchOf(text("  mode: shadow\n")), { "org/acme": 500 * USD })).toMatchObject({
      model: "gpt-4o",
      why: "as_requested",
    });
  });
});

describe("mode: shadow", () => {
  const match = matchOf(`${EXAMPLE}  mode: shadow\n`);
  test("every request runs as it was asked for, and is counted", () => {
    const used = { [TEAM]: 9000 * USD };
    const parts = { payer: payer({ app: "batch" }), promptTokens: 1 };
    expect(decide(match, used, parts)).toEqual({
      model: "gpt-4o",
      why: "as_requested",
      headers: { "x-budget-utilization": "1.12" },
    });
    expect(planOf(match, parts).options[0]?.claims.map(({ enforced }) => enforced)).toEqual([
      false,
      false,
    ]);
  });

  test("what has no price is counted as nothing", () => {
    const [option] = planOf(match, { model: "new-model" }).options;
    expect([option?.model, option?.priceModel, option?.claims[0]?.reserve]).toEqual([
      "new-model",
      null,
      0,
    ]);
  });
});

describe("more", () => {
  test("a grant raises the budget and its thresholds", () => {
    const parts = { grants: { team: 1000 * USD } };
    const [first] = planOf(example, parts).options;
    expect([first?.claims[0]?.limit, first?.claims[0]?.below, first?.claims[0]?.allowance]).toEqual(
      [9000 * USD, 7200 * USD, 450 * USD],
    );
  });

  test("the strictest failure mode holds, shadow not counted", () => {
    const mode = (more: string) => planOf(matchOf(`${EXAMPLE}${more}`)).failureMode;
    expect(mode("")).toBe("allow");
    expect(mode("  failureMode: deny\n")).toBe("deny");
    expect(mode("  failureMode: deny\n  mode: shadow\n")).toBe("allow");
  });

  test("a violation of other limits is not the budget's", () => {
    const plan = planOf(example);
    const { counters } = new Ledger().reserve(plan);
    const violated = counters.map((view) => ({ ...view, key: `other ${view.key}` }));
    expect(violated.length).toBe(2);
    expect(exceeded(plan, { counters, violated })).toBe(null);
  });

  test("a model's name cannot break out of a header", () => {
    const plan = planOf(example, { requiredModel: "gpt-4o", model: "a\r\nset-cookie: é" });
    expect(budgetHeaders(plan, plan.options[0] ?? null, [])).toEqual({
      "x-model-downgraded": "true",
      "x-model-requested": "a??set-cookie: ?",
    });
  });

  test("nobody can make keys or messages of any size", () => {
    const match = matchOf(budgetText('  team: "*"\n  monthlyBudgetUSD: 0\n'), payer());
    const long = { ...match, team: "x".repeat(1000) };
    const plan = planOf(long);
    expect(plan.options[0]?.claims[0]?.key).toMatch(/^budget\/sha256:[0-9a-f]{64}$/);
    const denial = exceeded(plan, new Ledger().reserve(plan));
    expect(denial?.message.slice(0, 160)).toBe(
      `Team "${"x".repeat(128)}…" used 0 of 0 USD a month`.slice(0, 160),
    );
  });
});
