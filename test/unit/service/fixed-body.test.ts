/** A body that the filter cannot change (a form): nothing is promised that would be put in it. */
import { describe, expect, test } from "vitest";
import type { Parts } from "../../../limitador-bridge/app.ts";
import { matchRequest } from "../../../limitador-bridge/policy/match-memo.ts";
import { type Asking, budgeted, request, spend } from "./budgeted-service.ts";
import { ask, createService, policySet } from "./service-fixture.ts";

const CHAT = "openai.chat.completions";
const capture = createService().parts.capture;
const route = {
  ...{ api: CHAT, path: "/v1/chat/completions", errorShape: "openai", includeUsage: true },
  maxOutputPointer: "/max_tokens",
};
const overrides = { capture: { ...capture, apis: [route] } } satisfies Partial<Parts>;

const ROUTED = `  team: blue
  monthlyBudgetUSD: 1
  costRouting:
    {enabled: true, cheapModel: gpt-4o-mini, expensiveModel: gpt-4o, complexityThreshold: 500}
`;
const PRESSED = `  team: blue
  monthlyBudgetUSD: 0.02
  alertThresholds: [{percent: 80, action: alert_and_downgrade}]
  defaultModel: gpt-4o-mini
`;
const CAPPED = `  team: blue
  monthlyBudgetUSD: 1
  capMaxOutputTokens: true
  defaultMaxOutputTokens: 50
`;

/** The same request with a body that can be changed, and with one that cannot. */
const both = (id: string, { llm, ...asking }: Asking = {}) =>
  [{}, { rewritable: false }].map((told) =>
    request(`${id}-${"rewritable" in told}`, { ...asking, llm: { ...llm, ...told } }),
  );

const ALLOWED = (id: string, utilization: string) => ({
  verdict: "allow",
  reservation: id,
  requestHeaders: {},
  responseHeaders: { "x-budget-utilization": utilization },
});

describe("the model", () => {
  test("is not routed to another one", async () => {
    const { app } = budgeted(ROUTED);
    const [free, fixed] = both("a");
    expect((await ask(app, free)).body.model).toBe("gpt-4o-mini");
    expect((await ask(app, fixed)).body).toEqual(ALLOWED("a-true", "0.00"));
  });

  test("is not what X-Require-Model names, but the one asked for", async () => {
    const { app } = budgeted(ROUTED);
    const [free, fixed] = both("a", { headers: { "x-require-model": "claude-opus" } });
    expect((await ask(app, free)).body.model).toBe("claude-opus");
    expect((await ask(app, fixed)).body).toEqual(ALLOWED("a-true", "0.00"));
  });

  test("is kept where the budget runs low, and refused where it is out", async () => {
    const service = budgeted(PRESSED);
    await spend(service, "s", 1550);
    const [free, fixed] = both("a");
    expect((await ask(service.app, free)).body.model).toBe("gpt-4o-mini");
    expect((await ask(service.app, fixed)).body).toEqual(ALLOWED("a-true", "0.82"));
    await spend(service, "t", 450);
    const { body } = await ask(service.app, { ...request("b"), llm: fixed?.llm });
    expect([body.verdict, body.deny.status]).toEqual(["deny", 429]);
  });
});

describe("the output", () => {
  test("is given no limit", async () => {
    const { app } = budgeted(CAPPED, { overrides });
    const [free, fixed] = both("a", { llm: { api: CHAT, maxOutputTokens: null } });
    expect((await ask(app, free)).body.maxOutputTokens).toBe(50);
    expect((await ask(app, fixed)).body).not.toHaveProperty("maxOutputTokens");
  });

  test("is not given a lower one: what does not fit is refused", async () => {
    const tight = CAPPED.replace("USD: 1", "USD: 0.001\n  overshootPercent: 0");
    const [free, fixed] = both("a", { llm: { api: CHAT } });
    const answer = async (asked: unknown) =>
      (await ask(budgeted(tight, { overrides }).app, asked)).body;
    expect((await answer(free)).maxOutputTokens).toBe(97);
    expect((await answer(fixed)).verdict).toBe("deny");
  });
});

test("requests that differ in it are not alike, so that no lease is for both", () => {
  const policies = policySet([{}], []);
  const { attributes, llm } = request("a");
  const [free, fixed] = [llm, { ...llm, rewritable: false }].map(
    (each) => matchRequest(policies, attributes, each).likeness,
  );
  expect([typeof free, typeof fixed, free === fixed]).toEqual(["string", "string", false]);
});
