import { describe, expect, test } from "vitest";
import { MemoryStore } from "../../../limitador-bridge/ledger/store/memory.ts";
import { StoreError } from "../../../limitador-bridge/ledger/store/store-error.ts";
import { budgeted, request, settled, spend, USD, WORST } from "./budgeted-service.ts";
import { ask, settleAll } from "./service-fixture.ts";

const APRIL = "2026-04-01T00:00:00.000Z";
/** 0.02 USD: spend() of 100 tokens is 5 % of it. */
const TEAM = `  team: blue
  monthlyBudgetUSD: 0.02
  alertThresholds:
    - {percent: 50, action: alert, notifyChannel: "#blue"}
    - {percent: 80, action: alert_and_downgrade}
    - {percent: 100, action: reject}
  defaultModel: gpt-4o-mini
`;

class AwayStore extends MemoryStore {
  override reserve(): Promise<never> {
    return Promise.reject(new StoreError("unavailable", "disk on fire"));
  }
}

describe("a team's budget", () => {
  test("below every threshold: as requested, with the utilization", async () => {
    const { app } = budgeted(TEAM);
    expect((await ask(app, request("a"))).body).toEqual({
      verdict: "allow",
      reservation: "a",
      requestHeaders: {},
      responseHeaders: { "x-budget-utilization": "0.05" },
    });
  });

  test("at 80 %: the cheaper model, told in the headers; its price is held", async () => {
    const service = budgeted(TEAM);
    await spend(service, "s", 1550);
    const answer = await ask(service.app, request("a"));
    expect(answer.body).toEqual({
      verdict: "allow",
      reservation: "a",
      model: "gpt-4o-mini",
      requestHeaders: { "x-tollgate-model": "gpt-4o-mini" },
      responseHeaders: {
        "x-budget-utilization": "0.77",
        "x-model-downgraded": "true",
        "x-model-requested": "gpt-4o",
      },
    });
    const [state] = (await service.app.inject("/v1/budgets")).json().budgets;
    expect([state.spentNanoUsd, state.heldNanoUsd]).toEqual([15_500_000, WORST["gpt-4o-mini"]]);
  });

  test("X-Require-Model is honoured until the budget is out", async () => {
    const service = budgeted(TEAM);
    await spend(service, "s", 1900);
    const required = { headers: { "x-require-model": "gpt-4o" } };
    const other = { ...required, model: "gpt-4o-mini" };
    expect((await ask(service.app, request("a", required))).body).not.toHaveProperty("model");
    await settleAll(service.app, settled(request("a"), [0, 0]));
    expect((await ask(service.app, request("b", other))).body.model).toBe("gpt-4o");
    await settleAll(service.app, settled(request("b"), [0, 200]));
    expect((await ask(service.app, request("c", required))).body.deny.status).toBe(429);
  });

  test("at 100 %: 429 with who, what, when and whom to ask, and a record", async () => {
    const service = budgeted(TEAM);
    await spend(service, "s", 2000);
    const { deny } = (await ask(service.app, request("a"))).body;
    expect(deny.status).toBe(429);
    expect(deny.headers).toEqual({
      "content-type": "application/json",
      "x-tollgate-reason": "monthly_budget_exceeded",
      "retry-after": String(30 * 86_400 + 43_200),
      "x-budget-utilization": "1.00",
    });
    expect(JSON.parse(deny.body).error).toEqual({
      message:
        'Team "blue" used 0.02 of 0.02 USD a month; this request may cost 0.00006165 USD ' +
        `(LLMBudget default/b0). Resets at ${APRIL}. Ask the platform team for more.`,
      type: "insufficient_quota",
      param: null,
      code: "monthly_budget_exceeded",
    });
    await service.parts.denialRecords.flush();
    const { records } = (await service.app.inject("/v1/usage?requestId=r-a")).json();
    expect(records).toMatchObject([
      { team: "blue", outcome: "denied", status: 429, reason: "monthly_budget_exceeded" },
    ]);
  });

  test.each([
    ["anthropic.messages", { type: "rate_limit_error" }],
    ["gemini", { status: "RESOURCE_EXHAUSTED", code: 429 }],
  ])("refuses in the shape of %s", async (api, error) => {
    const { app } = budgeted("  team: blue\n  monthlyBudgetUSD: 0\n");
    const { deny } = (await ask(app, request("a", { llm: { api } }))).body;
    expect(JSON.parse(deny.body).error).toMatchObject(error);
    expect(deny.headers["x-tollgate-reason"]).toBe("monthly_budget_exceeded");
  });

  test("is spent by others of the team, and by no other team", async () => {
    const service = budgeted([TEAM, "  team: red\n  monthlyBudgetUSD: 1\n"]);
    await spend(service, "s", 2000);
    expect((await ask(service.app, request("a", { app: "x" }))).body.verdict).toBe("deny");
    expect((await ask(service.app, request("b", { team: "red" }))).body.verdict).toBe("allow");
    expect((await ask(service.app, request("c", { team: null }))).body.responseHeaders).toEqual({});
  });

  test("raised in the policy: in force with the next request", async () => {
    const service = budgeted(TEAM);
    await spend(service, "s", 2000);
    expect((await ask(service.app, request("a"))).body.verdict).toBe("deny");
    service.use(TEAM.replace("0.02", "0.04"));
    expect((await ask(service.app, request("b"))).body.responseHeaders).toEqual({
      "x-budget-utilization": "0.52",
    });
  });
});

describe("who may spend what", () => {
  test("an essential app passes on its buffer, another does not", async () => {
    const service = budgeted(`${TEAM}  essentialApps: [pager]\n  overshootPercent: 0\n`);
    await spend(service, "s", 2000);
    expect((await ask(service.app, request("a", { app: "pager" }))).body.model).toBe("gpt-4o-mini");
    expect((await ask(service.app, request("b", { app: "batch" }))).body.verdict).toBe("deny");
  });

  test.each([
    ["allowed", "chat", "allow", undefined],
    ["not allowed", "batch", "deny", "app_not_allowed_for_model"],
  ])("an app that is %s for a model", async (_, app, verdict, reason) => {
    const limits = "  modelLimits: [{modelPattern: gpt-4o, allowedApps: [chat]}]\n";
    const service = budgeted(`  team: blue\n  monthlyBudgetUSD: 1\n${limits}`);
    const { body } = await ask(service.app, request("a", { app }));
    expect(body.verdict).toBe(verdict);
    expect(body.deny?.headers["x-tollgate-reason"]).toBe(reason);
    expect(body.deny?.status).toBe(reason === undefined ? undefined : 403);
  });

  test("model, task and organization have ceilings of their own", async () => {
    const service = budgeted([
      `  team: blue
  monthlyBudgetUSD: 1
  organization: acme
  modelLimits: [{modelPattern: gpt-4o, maxMonthlyUSD: 0.02}]
  tasks: {maxUSD: 0.001}
`,
      "  organization: acme\n  monthlyBudgetUSD: 0.03\n",
    ]);
    const reason = async (id: string, asking: Parameters<typeof request>[1]) =>
      (await ask(service.app, request(id, asking))).body.deny?.headers["x-tollgate-reason"];
    expect(await reason("t", { headers: { "x-task-id": "t" } })).toBe("task_budget_exceeded");
    await spend(service, "s", 2000);
    expect(await reason("m", {})).toBe("model_budget_exceeded");
    expect(await reason("n", { model: "gpt-4o-mini" })).toBeUndefined();
    const big = { model: "gpt-4o-mini", llm: { maxOutputTokens: 20_000 } };
    expect(await reason("o", big)).toBe("organization_budget_exceeded");
  });

  test("no budget of one's own: refused where the budget for all says so", async () => {
    const anyone = '  team: "*"\n  monthlyBudgetUSD: 1\n  teamsWithoutBudget: deny\n';
    const { app } = budgeted(anyone);
    const { deny } = (await ask(app, request("a"))).body;
    expect([deny.status, deny.headers["x-tollgate-reason"]]).toEqual([429, "no_budget_defined"]);
    expect(deny.headers["retry-after"]).toBe("3600");
  });

  test("a model without a price: refused, free or at another's price", async () => {
    const asked = request("a", { model: "mystery" });
    const team = "  team: blue\n  monthlyBudgetUSD: 1\n";
    const { deny } = (await ask(budgeted(team).app, asked)).body;
    expect([deny.status, JSON.parse(deny.body).error.code]).toEqual([403, "price_unknown"]);
    const spent = async (rule: string) => {
      const service = budgeted(`${team}  unknownModel: ${rule}\n`);
      await ask(service.app, asked);
      await settleAll(service.app, settled(asked, [10, 100]));
      return (await service.app.inject("/v1/budgets/blue")).json().spentNanoUsd;
    };
    expect(await spent("free")).toBe(0);
    expect(await spent("{priceAs: gpt-4o}")).toBe(1_025_000);
  });
});

describe("which model runs", () => {
  const routing = `  team: blue
  monthlyBudgetUSD: 1
  costRouting:
    {enabled: true, cheapModel: gpt-4o-mini, expensiveModel: gpt-4o, complexityThreshold: 500}
`;
  test("few tokens go to the cheap model, many to the other", async () => {
    const { app } = budgeted(routing);
    const short = (await ask(app, request("a"))).body;
    expect(short.model).toBe("gpt-4o-mini");
    expect(short.responseHeaders).toMatchObject({ "x-model-requested": "gpt-4o" });
    const llm = { inputBytes: 4 * 500 };
    expect((await ask(app, request("b", { llm }))).body).not.toHaveProperty("model");
    const cheap = { model: "gpt-4o-mini", llm };
    expect((await ask(app, request("c", cheap))).body.model).toBe("gpt-4o");
  });

  test.each([
    ["a model of another provider", { model: "claude-opus", llm: { api: "anthropic.messages" } }],
    ["a model that stands in the path", { path: "/gpt-4o:generateContent" }],
  ])("%s is not replaced", async (_, asking) => {
    const { app } = budgeted(routing);
    expect((await ask(app, request("a", asking))).body).not.toHaveProperty("model");
  });

  test("where the model stands in the path, X-Require-Model only keeps it", async () => {
    const { app } = budgeted(routing);
    const headers = { "x-require-model": "gpt-4o-mini" };
    const asked = request("a", { path: "/gpt-4o:generateContent", headers });
    expect((await ask(app, asked)).body).not.toHaveProperty("model");
  });

  test("the record of what was downgraded has the cheaper price", async () => {
    const service = budgeted(routing);
    const asked = request("a");
    await ask(service.app, asked);
    await settleAll(service.app, settled(asked, [10, 100], { modelSent: "gpt-4o-mini" }));
    const { records } = (await service.app.inject("/v1/usage?requestId=r-a")).json();
    expect(records).toMatchObject([
      { requestedModel: "gpt-4o", model: "gpt-4o-mini", costNanoUsd: 61_500 },
    ]);
  });

  test("an output that is asked for is capped at what is left", async () => {
    const cap = "  team: blue\n  monthlyBudgetUSD: 0.001\n  overshootPercent: 0\n";
    const service = budgeted(`${cap}  capMaxOutputTokens: true\n`);
    const { body } = await ask(service.app, request("a"));
    // 0.001 USD less 11 tokens of input at 2500 nano-USD.
    expect(body).toMatchObject({ verdict: "allow", maxOutputTokens: 97 });
    expect((await ask(budgeted(cap).app, request("a"))).body.verdict).toBe("deny");
    expect((await ask(service.app, request("b"))).body.verdict).toBe("deny");
    const unsaid = { llm: { maxOutputTokens: null } };
    const other = budgeted(`${cap}  capMaxOutputTokens: true\n`);
    expect((await ask(other.app, request("a", unsaid))).body.verdict).toBe("deny");
  });
});

describe("what is reserved", () => {
  const held = async (spec: string, asking: Parameters<typeof request>[1] = {}) => {
    const service = budgeted(`  team: blue\n  monthlyBudgetUSD: 1\n${spec}`);
    await ask(service.app, request("a", asking));
    return (await service.app.inject("/v1/budgets/blue")).json().heldNanoUsd;
  };
  const unsaid = { llm: { maxOutputTokens: null } };

  test.each([
    ["the request's maximum", "", {}, WORST["gpt-4o"]],
    ["for each choice", "", { llm: { choices: 2 } }, 27_500 + 2_000_000],
    ["the budget's maximum", "  defaultMaxOutputTokens: 50\n", unsaid, 27_500 + 500_000],
    ["the model's maximum", "", unsaid, 27_500 + 10_000_000],
    ["nothing", "  reservation: none\n", {}, 0],
    ["no output of embeddings", "", embeddings(), 220],
    ["nothing for counting tokens", "", { llm: { api: "anthropic.countTokens" } }, 0],
    ["nothing for fetching", "", { model: null, llm: { api: "openai.responses.retrieve" } }, 0],
  ])("%s", async (_, spec, asking, nanoUsd) => {
    expect(await held(spec, asking)).toBe(nanoUsd);
  });

  function embeddings() {
    const llm = { api: "openai.embeddings", maxOutputTokens: null };
    return { model: "text-embedding-3-small", llm };
  }

  test("what the model usually gives, where it is learned", async () => {
    const ratios = { inputBytesPerToken: () => 4, usualOutputTokens: () => 20 };
    const spec = "  team: blue\n  monthlyBudgetUSD: 1\n  reservation: expected\n";
    const service = budgeted(spec, { overrides: { ratios } });
    await ask(service.app, request("a"));
    const budget = (await service.app.inject("/v1/budgets/blue")).json();
    expect(budget.heldNanoUsd).toBe(27_500 + 200_000);
  });

  test("a hold that is never settled is charged and recorded with one amount", async () => {
    const service = budgeted(TEAM);
    await spend(service, "s", 1550);
    expect((await ask(service.app, request("a"))).body.model).toBe("gpt-4o-mini");
    service.clock.nowMs += 600_001;
    await service.store.expire();
    const { records } = (await service.app.inject("/v1/usage?requestId=r-a")).json();
    const budget = (await service.app.inject("/v1/budgets/blue")).json();
    // 11 tokens of input of the cheaper model.
    expect(records[0]).toMatchObject({ model: "gpt-4o-mini", costNanoUsd: 1_650 });
    expect(budget.spentNanoUsd).toBe(15_500_000 + 1_650);
  });
});

describe("beside rate limits", () => {
  const LIMIT = `apiVersion: kuadrant.io/v1alpha1
kind: TokenRateLimitPolicy
metadata: {name: p}
spec:
  targetRef: {group: gateway.networking.k8s.io, kind: Gateway, name: gw}
  limits:
    free:
      rates: [{limit: 200, window: 1m}]
      reservation: worst-case
`;
  test("both are asked, and whichever refuses is told", async () => {
    const service = budgeted([TEAM, LIMIT]);
    const first = (await ask(service.app, request("a"))).body;
    expect(first.responseHeaders).toMatchObject({
      "x-ratelimit-limit": "200",
      "x-ratelimit-remaining": "89",
      "x-budget-utilization": "0.05",
    });
    const { deny } = (await ask(service.app, request("b"))).body;
    expect(JSON.parse(deny.body).error.code).toBe("rate_limit_exceeded");
    expect(deny.headers).toMatchObject({
      "x-ratelimit-limit": "200",
      "x-ratelimit-remaining": "89",
      "x-budget-utilization": "0.05",
    });
    const budget = (await service.app.inject("/v1/budgets/blue")).json();
    expect(budget.heldNanoUsd).toBe(WORST["gpt-4o"]);
  });

  test("what a budget refuses tells of the rate limit too", async () => {
    const service = budgeted([TEAM, LIMIT]);
    await spend(service, "s", 2000);
    service.clock.nowMs += 60_000;
    const { deny } = (await ask(service.app, request("a"))).body;
    expect(deny.headers).toEqual({
      "content-type": "application/json",
      "x-tollgate-reason": "monthly_budget_exceeded",
      "retry-after": String(30 * 86_400 + 43_140),
      "x-budget-utilization": "1.00",
      "x-ratelimit-limit": "200",
      "x-ratelimit-remaining": "200",
      "x-ratelimit-reset": "60",
      "x-ratelimit-limit-tokens": "200",
      "x-ratelimit-remaining-tokens": "200",
      "x-ratelimit-reset-tokens": "60",
    });
  });

  test("under pressure a rate limit refuses still", async () => {
    const service = budgeted([TEAM, LIMIT]);
    await spend(service, "s", 1600);
    service.clock.nowMs += 60_000;
    expect((await ask(service.app, request("a"))).body.model).toBe("gpt-4o-mini");
    const { deny } = (await ask(service.app, request("b"))).body;
    expect(JSON.parse(deny.body).error.code).toBe("rate_limit_exceeded");
  });
});

describe("while the store is away", () => {
  const store = () => new AwayStore();
  test.each([
    ["allow", 200, undefined],
    ["deny", 503, "store_unavailable"],
  ])("failureMode: %s", async (mode, status, code) => {
    const service = budgeted(`${TEAM}  failureMode: ${mode}\n`, { store });
    const { body } = await ask(service.app, request("a"));
    expect(body.deny?.status ?? 200).toBe(status);
    const error = body.deny === undefined ? {} : JSON.parse(body.deny.body).error;
    expect(error.code).toBe(code);
    expect(service.parts.policies().failureMode).toBe(mode);
  });

  test("what ran with no reservation is charged to the budget all the same", async () => {
    const service = budgeted(TEAM);
    const asked = request("a");
    await settleAll(service.app, settled(asked, [0, 100], { reservation: null }));
    const budget = (await service.app.inject("/v1/budgets/blue")).json();
    expect(budget.spentNanoUsd).toBe(1_000_000);
  });
});

test("in shadow nothing is refused or replaced, and all is counted", async () => {
  const service = budgeted(`${TEAM}  mode: shadow\n`);
  await spend(service, "s", 3000);
  const { body } = await ask(service.app, request("a"));
  expect(body).toMatchObject({
    verdict: "allow",
    responseHeaders: { "x-budget-utilization": "1.55" },
  });
  expect(body).not.toHaveProperty("model");
});

test("many at once never hold more than the budget and its allowance", async () => {
  const service = budgeted("  team: blue\n  monthlyBudgetUSD: 0.02\n");
  const asked = Array.from({ length: 100 }, (_, i) => ask(service.app, request(`p${i}`)));
  const verdicts = (await Promise.all(asked)).map(({ body }) => body.verdict);
  // 20 fit whole, and none begins at the limit or ends beyond 5 % over it.
  expect(verdicts.filter((verdict) => verdict === "allow")).toHaveLength(20);
  const budget = (await service.app.inject("/v1/budgets/blue")).json();
  expect(budget.heldNanoUsd).toBe(20 * WORST["gpt-4o"]);
  expect(budget.heldNanoUsd).toBeLessThanOrEqual(0.021 * USD);
});
