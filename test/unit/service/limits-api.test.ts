/** GET /v1/limits over budgets, and over policies that change. */
import { describe, expect, test } from "vitest";
import { type BudgetedService, budgeted, request, spend } from "./budgeted-service.ts";
import { ask } from "./service-fixture.ts";

const TEAM = `  team: blue
  organization: acme
  monthlyBudgetUSD: 1
  alertThresholds: [{percent: 90, action: reject}]
  apps: {"*": {maxMonthlyUSD: 0.5}}
  users: {u1: {maxMonthlyUSD: 0.25}}
  modelLimits: [{modelPattern: "gpt-4o*", maxMonthlyUSD: 0.2}]
  tasks: {maxUSD: 0.1}
`;
const ORGANIZATION = "  organization: acme\n  monthlyBudgetUSD: 2\n";
const ANYONE = '  team: "*"\n  monthlyBudgetUSD: 0.3\n  unknownPayer: budget\n';
const policy = (limit: number) => `apiVersion: kuadrant.io/v1alpha1
kind: TokenRateLimitPolicy
metadata: {name: p}
spec:
  targetRef: {group: gateway.networking.k8s.io, kind: Gateway, name: gw}
  limits:
    free:
      rates:
        - {limit: ${limit}, window: 24h}
        - {limit: 500000, window: {calendar: month, timeZone: America/Argentina/Ushuaia}}
        - {limit: 400000, window: {sliding: 90m}}
      counters:
        - expression: request.headers["x-user"]
`;

async function limits({ app }: BudgetedService, query = "") {
  return (await app.inject(`/v1/limits${query}`)).json().limits as Record<string, unknown>[];
}

const named = (all: Record<string, unknown>[]) =>
  all.map(({ policy, limitName, counters, limit }) => [policy, limitName, counters, limit]);

describe("budgets", () => {
  test("are told with their ceilings", async () => {
    const service = budgeted([TEAM, ORGANIZATION, ANYONE]);
    await spend(service, "s", 100);
    const headers = { "x-task-id": "t/1", "x-require-model": "gpt-4o" };
    await ask(service.app, request("a", { app: "chat|x", headers }));
    const all = await limits(service);
    expect(named(all)).toEqual([
      ["default/b0", "team", ["blue"], 900_000_000],
      ["default/b0", "app", ["blue", ""], 500_000_000],
      ["default/b0", "app", ["blue", "chat|x"], 500_000_000],
      ["default/b0", "model", ["blue", "gpt-4o*"], 200_000_000],
      ["default/b0", "task", ["blue", "t/1"], 100_000_000],
      ["default/b0", "user", ["blue", "u1"], 250_000_000],
      ["default/b1", "organization", ["acme"], 2_000_000_000],
    ]);
    expect(all[3]).toEqual({
      policy: "default/b0",
      limitName: "model",
      counters: ["blue", "gpt-4o*"],
      unit: "usd",
      window: "calendar month (UTC)",
      limit: 200_000_000,
      used: 1_000_000,
      held: 1_027_500,
      remaining: 197_972_500,
      resetsAt: "2026-04-01T00:00:00.000Z",
    });
    expect(all[4]).toMatchObject({ window: "31d", used: 0, held: 1_027_500 });
  });

  test("are found by policy, limit and counter", async () => {
    const service = budgeted([TEAM, ORGANIZATION, ANYONE, policy(1000)]);
    await spend(service, "s", 100);
    await ask(service.app, request("r", { team: "red" }));
    await ask(service.app, request("n", { team: null }));
    const found = async (query: string) => named(await limits(service, query));
    const red = ["default/b2", "team", ["red"], 300_000_000];
    const unknown = ["default/b2", "team", [""], 300_000_000];
    const acme = ["default/b1", "organization", ["acme"], 2_000_000_000];
    expect(await found("?policy=default/b2")).toEqual([unknown, red]);
    expect(await found("?policy=b1")).toEqual([acme]);
    expect(await found("?policy=default/b1&limit=organization")).toEqual([acme]);
    expect(await found("?policy=default/b1&limit=team")).toEqual([]);
    expect(await found("?limit=team&counter=red")).toEqual([red]);
    expect(await found("?policy=default/b0&limit=model")).toHaveLength(1);
    expect(await found("?policy=default/p")).toHaveLength(3);
  });

  test("are told once where a namespace is named like their counters", async () => {
    const head = "apiVersion: ai.systemhardening.com/v1\nkind: LLMBudget\n";
    const inNamespace = `${head}metadata: {name: blue, namespace: budget}\nspec:\n${TEAM}`;
    const service = budgeted(inNamespace);
    await spend(service, "s", 100);
    const all = await limits(service, "?policy=budget/blue");
    expect(all.map(({ limitName }) => limitName)).toEqual(["team", "app", "model", "user"]);
  });

  test("are not told once nothing limits them", async () => {
    const service = budgeted([TEAM, ORGANIZATION]);
    await spend(service, "s", 100);
    service.use("  team: red\n  monthlyBudgetUSD: 1\n");
    expect(await limits(service)).toEqual([]);
  });
});

describe("what is in force", () => {
  test("a policy that allows less counts at once, and nothing is left below 0", async () => {
    const service = budgeted(policy(1_000_000));
    await spend(service, "s", 1987);
    const told = async () =>
      (await limits(service)).map(({ window, limit, used, remaining }) => [
        window,
        limit,
        used,
        remaining,
      ]);
    const others = [
      ["calendar month (America/Argentina/Ushuaia)", 500_000, 1987, 498_013],
      ["sliding 90m", 400_000, 1987, 398_013],
    ];
    expect((await told()).sort()).toEqual([["24h", 1_000_000, 1987, 998_013], ...others].sort());
    service.use(policy(10));
    expect((await told()).sort()).toEqual([["24h", 10, 1987, 0], ...others].sort());
  });

  test("a budget that is lowered, and one with a grant", async () => {
    const service = budgeted([TEAM]);
    await spend(service, "s", 100);
    service.use(TEAM.replace("monthlyBudgetUSD: 1", "monthlyBudgetUSD: 0.001"));
    const team = async () => (await limits(service, "?limit=team"))[0];
    expect(await team()).toMatchObject({ limit: 900_000, used: 1_000_000, remaining: 0 });
    await service.app.inject({
      method: "POST",
      url: "/v1/budgets/blue/grants",
      body: { amountUSD: 1, expiresAt: "2026-03-02T00:00:00Z", reason: "r", author: "a" },
    });
    expect(await team()).toMatchObject({ limit: 900_900_000, remaining: 899_900_000 });
  });
});
