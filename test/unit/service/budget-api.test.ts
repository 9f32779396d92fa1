import { describe, expect, test } from "vitest";
import { MemoryStore } from "../../../limitador-bridge/ledger/store/memory.ts";
import { StoreError } from "../../../limitador-bridge/ledger/store/store-error.ts";
import { budgeted, request, settled, spend, USD } from "./budgeted-service.ts";
import { ask, settleAll } from "./service-fixture.ts";

const TEAM = `  team: blue
  monthlyBudgetUSD: 0.02
  organization: acme
  alertThresholds:
    - {percent: 50, action: alert, notifyChannel: "#blue"}
    - {percent: 80, action: alert_and_downgrade}
    - {percent: 100, action: reject}
  defaultModel: gpt-4o-mini
`;
const ORGANIZATION = "  organization: acme\n  monthlyBudgetUSD: 1\n";

describe("GET /v1/budgets", () => {
  test("tells what is spent, held, left, and when it is used up", async () => {
    const service = budgeted([TEAM, ORGANIZATION]);
    // 12 hours of 31 days of March are over.
    await spend(service, "s", 1200);
    await ask(service.app, request("a", { headers: { "x-require-model": "gpt-4o" } }));
    const { budgets } = (await service.app.inject("/v1/budgets")).json();
    expect(
      budgets.map(({ level, name }: { level: string; name: string }) => [level, name]),
    ).toEqual([
      ["organization", "acme"],
      ["team", "blue"],
    ]);
    expect(budgets[1]).toEqual({
      level: "team",
      name: "blue",
      policy: "default/b0",
      organization: "acme",
      mode: "enforce",
      budgetNanoUsd: 0.02 * USD,
      budgetUsd: "0.02",
      grantedNanoUsd: 0,
      spentNanoUsd: 12_000_000,
      spentUsd: "0.012",
      heldNanoUsd: 1_027_500,
      remainingNanoUsd: 6_972_500,
      remainingUsd: "0.0069725",
      utilization: 0.6,
      forecast: {
        atEndNanoUsd: 744_000_000,
        atEndUsd: "0.744",
        daysUntilExhausted: expect.closeTo(1 / 3, 10),
        exhaustsBeforeReset: true,
      },
      thresholds: [
        { percent: 50, action: "alert", notifyChannel: "#blue", reached: true },
        { percent: 80, action: "alert_and_downgrade", notifyChannel: null, reached: false },
        { percent: 100, action: "reject", notifyChannel: null, reached: false },
      ],
      startsAt: "2026-03-01T00:00:00.000Z",
      resetsAt: "2026-04-01T00:00:00.000Z",
    });
    expect(budgets[0]).toMatchObject({ spentNanoUsd: 12_000_000, heldNanoUsd: 1_027_500 });
  });

  test("one team: its organization, and where it went", async () => {
    const service = budgeted([TEAM, ORGANIZATION]);
    const run = async (id: string, app: string, output: number, model: string) => {
      const headers = { "x-require-model": model };
      const asked = request(id, { app, model, headers });
      await ask(service.app, asked);
      await settleAll(service.app, settled(asked, [0, output]));
    };
    await run("a", "chat", 200, "gpt-4o");
    await run("b", "chat", 100, "gpt-4o-mini");
    await run("c", "batch", 300, "gpt-4o");
    const budget = (await service.app.inject("/v1/budgets/blue")).json();
    expect(budget.organizationBudget).toMatchObject({ name: "acme", spentNanoUsd: 5_060_000 });
    expect(budget.byApp).toEqual([
      { name: "batch", requests: 1, costNanoUsd: 3_000_000, costUsd: "0.003" },
      { name: "chat", requests: 2, costNanoUsd: 2_060_000, costUsd: "0.00206" },
    ]);
    expect(budget.byModel).toEqual([
      { name: "gpt-4o", requests: 2, costNanoUsd: 5_000_000, costUsd: "0.005" },
      { name: "gpt-4o-mini", requests: 1, costNanoUsd: 60_000, costUsd: "0.00006" },
    ]);
    expect(budget.spentNanoUsd).toBe(5_060_000);
  });

  test("teams under the budget for all are told once they spend", async () => {
    const service = budgeted('  team: "*"\n  monthlyBudgetUSD: 1\n  unknownPayer: budget\n');
    const names = async () =>
      (await service.app.inject("/v1/budgets"))
        .json()
        .budgets.map(({ name }: { name: string | null }) => name);
    expect(await names()).toEqual([]);
    await ask(service.app, request("a", { team: "a/b %2A" }));
    await ask(service.app, request("b", { team: null }));
    await ask(service.app, request("c", { team: "*" }));
    expect((await names()).sort()).toEqual(["*", "a/b %2A", null]);
    const one = await service.app.inject(`/v1/budgets/${encodeURIComponent("a/b %2A")}`);
    expect(one.json()).toMatchObject({ name: "a/b %2A", policy: "default/b0" });
  });

  test("no budget for the team", async () => {
    const { app } = budgeted(TEAM);
    const response = await app.inject("/v1/budgets/red");
    expect(response.statusCode).toBe(404);
    expect(response.json().error).toEqual({
      code: "not_found",
      message: 'no budget is in force for team "red"',
    });
  });

  test.each([
    ["of 253 characters", "é".repeat(253), 200, undefined],
    ["of more", "é".repeat(254), 400, "params: /team must not have more than 253 characters"],
    ["of 1500", "x".repeat(1500), 400, "params: /team must not have more than 253 characters"],
    ["of 15,000", "x".repeat(15_000), 400, "params: /team must not have more than 253 characters"],
    ["longer than any URL", "x".repeat(20_000), 400, expect.stringContaining("xxx")],
  ])("a team's name %s", async (_, name, status, message) => {
    const service = budgeted('  team: "*"\n  monthlyBudgetUSD: 1\n');
    const url = `/v1/budgets/${encodeURIComponent(name)}`;
    for (const path of [url, `${url}/grants`]) {
      const response = await service.app.inject(path);
      expect(response.statusCode).toBe(status);
      const error = status === 200 ? undefined : { code: "invalid_request", message };
      expect(response.json().error).toEqual(error);
    }
  });

  test("the store is away", async () => {
    class AwayStore extends MemoryStore {
      override counters(): Promise<never> {
        return Promise.reject(new StoreError("unavailable", "disk on fire"));
      }
    }
    const { app } = budgeted(TEAM, { store: () => new AwayStore() });
    expect((await app.inject("/v1/budgets")).statusCode).toBe(503);
    expect((await app.inject("/metrics")).statusCode).toBe(200);
  });
});

describe("grants", () => {
  const TERMS = {
    amountUSD: 0.01,
    expiresAt: "2026-03-02T00:00:00Z",
    reason: "launch week",
    author: "finance",
  };
  const post = (service: ReturnType<typeof budgeted>, body: object, team = "blue") =>
    service.app.inject({ method: "POST", url: `/v1/budgets/${team}/grants`, body });

  test("in force at once, until they expire; written to the audit log", async () => {
    const service = budgeted(TEAM);
    await spend(service, "s", 2000);
    expect((await ask(service.app, request("a"))).body.verdict).toBe("deny");
    const granted = await post(service, TERMS);
    expect(granted.statusCode).toBe(201);
    const grant = {
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      team: "blue",
      amountNanoUsd: 10_000_000,
      amountUsd: "0.01",
      createdAt: "2026-03-01T12:00:00.000Z",
      expiresAt: "2026-03-02T00:00:00.000Z",
      reason: "launch week",
      author: "finance",
    };
    expect(granted.json()).toEqual(grant);
    expect(service.audited).toEqual([
      {
        action: "grant",
        team: "blue",
        amountNanoUsd: 10_000_000,
        createdAtMs: Date.UTC(2026, 2, 1, 12),
        expiresAtMs: Date.UTC(2026, 2, 2),
        reason: "launch week",
        author: "finance",
      },
    ]);
    const admitted = (await ask(service.app, request("b"))).body;
    expect(admitted.responseHeaders).toEqual({ "x-budget-utilization": "0.70" });
    expect((await service.app.inject("/v1/budgets/blue")).json()).toMatchObject({
      budgetNanoUsd: 30_000_000,
      grantedNanoUsd: 10_000_000,
      grants: [grant],
    });
    service.clock.nowMs = Date.UTC(2026, 2, 2);
    expect((await service.app.inject("/v1/budgets/blue/grants")).json()).toEqual({ grants: [] });
    expect((await ask(service.app, request("c"))).body.verdict).toBe("deny");
  });

  test("add up, and help no other team", async () => {
    const service = budgeted([TEAM, TEAM.replace("team: blue", "team: red")]);
    await post(service, TERMS);
    await post(service, { ...TERMS, amountUSD: "0.000000001" });
    const granted = async (team: string) =>
      (await service.app.inject(`/v1/budgets/${team}`)).json().grantedNanoUsd;
    expect(await granted("blue")).toBe(10_000_001);
    expect(await granted("red")).toBe(0);
  });

  test.each<[string, object, string]>([
    ["nothing", { amountUSD: 0 }, "/amountUSD must be an amount above 0 up to 9007199 USD"],
    ["less than nothing", { amountUSD: -1 }, "/amountUSD must be"],
    ["ten decimals", { amountUSD: "0.0000000001" }, "/amountUSD must be"],
    ["the past", { expiresAt: "2026-03-01T12:00:00Z" }, "/expiresAt must be a time to come"],
    [
      "a day that is not",
      { expiresAt: "2026-06-31T12:00:00Z" },
      "/expiresAt must be a time to come",
    ],
    ["no zone", { expiresAt: "2026-03-02T12:00:00" }, "/expiresAt must be a time to come"],
    ["no reason", { reason: "" }, "/reason must"],
    ["another field", { until: "x" }, 'unknown name "until"'],
  ])("refuses %s", async (_, change, message) => {
    const service = budgeted(TEAM);
    const response = await post(service, { ...TERMS, ...change });
    expect(response.statusCode).toBe(400);
    expect(response.json().error.message).toContain(message);
    expect(service.audited).toEqual([]);
  });

  test("for a team with no budget there is nothing to increase", async () => {
    expect((await post(budgeted(TEAM), TERMS, "red")).statusCode).toBe(404);
  });

  test("need the bearer token; reading does not", async () => {
    const service = budgeted(TEAM, { overrides: { apiToken: "t" } });
    expect((await post(service, TERMS)).statusCode).toBe(401);
    expect((await service.app.inject("/v1/budgets/blue/grants")).statusCode).toBe(200);
  });
});

describe("alerts", () => {
  const told = ({ alerts }: ReturnType<typeof budgeted>) =>
    alerts.map(({ name, percent, action, usedNanoUsd }) => [name, percent, action, usedNanoUsd]);

  test("a settlement that reaches a threshold raises it", async () => {
    const service = budgeted(TEAM);
    await spend(service, "a", 999);
    expect(told(service)).toEqual([]);
    await spend(service, "b", 1);
    expect(told(service)).toEqual([["blue", 50, "alert", 10_000_000]]);
    expect(service.alerts[0]?.dedupeKey).toBe("alert/blue/2026-03/50");
  });

  test("so does a charge with no reservation, and that of the organization", async () => {
    const thresholds = "  alertThresholds: [{percent: 90, action: alert}]\n";
    const organization = ORGANIZATION.replace("1", "0.01") + thresholds;
    const service = budgeted([TEAM, organization]);
    const asked = request("a");
    await settleAll(service.app, settled(asked, [0, 900], { reservation: null }));
    expect(told(service)).toEqual([["acme", 90, "alert", 9_000_000]]);
  });

  test("a request that is downgraded or refused raises what was done to it", async () => {
    const service = budgeted(TEAM);
    await spend(service, "a", 1550);
    service.alerts.length = 0;
    await ask(service.app, request("b"));
    expect(told(service)).toEqual([
      ["blue", 50, "alert", 15_500_000],
      ["blue", 80, "alert_and_downgrade", 15_500_000],
    ]);
    await settleAll(service.app, settled(request("b"), [0, 2000], { modelSent: "gpt-4o" }));
    service.alerts.length = 0;
    await ask(service.app, request("c"));
    expect(told(service).at(-1)).toEqual(["blue", 100, "reject", 35_500_000]);
  });

  test("a request that is too large for the budget as it is raises nothing", async () => {
    const service = budgeted(TEAM);
    const large = request("a", { llm: { maxOutputTokens: 1_000_000 } });
    expect((await ask(service.app, large)).body.verdict).toBe("deny");
    expect(told(service)).toEqual([]);
  });
});

describe("metrics", () => {
  const lines = async ({ app }: ReturnType<typeof budgeted>, name: string) =>
    (await app.inject("/metrics")).body.split("\n").filter((line) => line.startsWith(`${name}{`));

  test("what is left, what was estimated, routed and refused", async () => {
    const service = budgeted(TEAM);
    await spend(service, "a", 1500);
    await ask(service.app, request("b", { app: "chat" }));
    expect(await lines(service, "llm_budget_remaining_usd")).toEqual([
      'llm_budget_remaining_usd{team="blue"} 0.005',
    ]);
    expect(await lines(service, "llm_budget_utilization_ratio")).toEqual([
      'llm_budget_utilization_ratio{team="blue"} 0.75',
    ]);
    await ask(service.app, request("c", { app: "chat" }));
    expect(await lines(service, "llm_model_routing_total")).toEqual([
      'llm_model_routing_total{reason="required"} 1',
      'llm_model_routing_total{reason="budget_pressure"} 2',
    ]);
    expect(await lines(service, "llm_cost_estimate_usd_total")).toEqual([
      'llm_cost_estimate_usd_total{team="blue",app="unknown",model="gpt-4o"} 0.0010275',
      'llm_cost_estimate_usd_total{team="blue",app="chat",model="gpt-4o-mini"} 0.0001233',
    ]);
    await settleAll(service.app, settled(request("b"), [0, 1000], { modelSent: "gpt-4o" }));
    expect(await lines(service, "llm_budget_utilization_ratio")).toEqual([
      'llm_budget_utilization_ratio{team="blue"} 1.25',
    ]);
    expect((await service.app.inject("/metrics")).body).toContain(
      "# HELP llm_budget_utilization_ratio Spent of the monthly budget, as a ratio: 1.0 is all " +
        "of it, more where it was overshot.\n",
    );
    await ask(service.app, request("d"));
    expect(await lines(service, "llm_requests_rejected_budget_total")).toEqual([
      'llm_requests_rejected_budget_total{team="blue",reason="budget_exceeded"} 1',
    ]);
  });

  test("a new month begins with the whole budget, without a request", async () => {
    const service = budgeted(TEAM);
    await spend(service, "a", 1000);
    service.clock.nowMs = Date.UTC(2026, 3, 1);
    expect(await lines(service, "llm_budget_remaining_usd")).toEqual([
      'llm_budget_remaining_usd{team="blue"} 0.02',
    ]);
  });
});
