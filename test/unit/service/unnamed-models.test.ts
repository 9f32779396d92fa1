/** Requests that name no model, and such as need none. */
import { describe, expect, test } from "vitest";
import { CAPTURE } from "../../../limitador-bridge/usage/capture-pointers.ts";
import { type Asking, budgeted, request } from "./budgeted-service.ts";
import { ask } from "./service-fixture.ts";

const TEAM = "  team: blue\n  monthlyBudgetUSD: 1\n";
const MODERATION: Asking = {
  path: "/v1/moderations",
  llm: { api: "openai.moderations", maxOutputTokens: null },
};

describe("X-Require-Model on a request that names no model", () => {
  const headers = { "x-require-model": "gpt-4o-mini" };

  test("is no price for what runs: without a price it is refused", async () => {
    const { app } = budgeted(TEAM);
    const { body } = await ask(app, request("a", { model: null, headers }));
    expect(body.verdict).toBe("deny");
    expect(body.deny.headers["x-tollgate-reason"]).toBe("price_unknown");
  });

  test("holds what the budget says of models without a price", async () => {
    const { app } = budgeted(`${TEAM}  unknownModel: {priceAs: gpt-4o}\n`);
    const { body } = await ask(app, request("a", { model: null, headers }));
    expect([body.verdict, "model" in body]).toEqual(["allow", false]);
    expect(body.responseHeaders).not.toHaveProperty("x-model-downgraded");
    const { heldNanoUsd } = (await app.inject("/v1/budgets/blue")).json();
    expect(heldNanoUsd).toBe(11 * 2500 + 100 * 10_000);
  });
});

describe("OpenAI's moderation, which is free,", () => {
  test.each([
    [null, "allow"],
    ["omni-moderation-latest", "allow"],
    ["text-moderation-stable", "allow"],
    // Others bill theirs.
    ["mistral-moderation-latest", "deny"],
  ])("by %s under a budget: %s", async (model, verdict) => {
    const { app } = budgeted(TEAM);
    const { body } = await ask(app, request("a", { ...MODERATION, model }));
    expect(body.verdict).toBe(verdict);
    expect((await app.inject("/v1/budgets/blue")).json().heldNanoUsd).toBe(0);
  });

  test("is not refused by a limit of money either", async () => {
    const limit = `apiVersion: kuadrant.io/v1alpha1
kind: TokenRateLimitPolicy
metadata: {name: p}
spec:
  targetRef: {group: gateway.networking.k8s.io, kind: Gateway, name: gw}
  limits: {all: {rates: [{limit: 200, window: 1h, unit: usd}]}}
`;
    const { app } = budgeted(limit);
    const verdict = async (model: string | null) =>
      (await ask(app, request("a", { ...MODERATION, model }))).body.verdict;
    expect(await verdict("omni-moderation-latest")).toBe("allow");
    expect(await verdict("mistral-moderation-latest")).toBe("deny");
  });

  test("is shown to cost nothing", async () => {
    const tokens = { count: async () => 10, close: async () => {} };
    const { app } = budgeted(TEAM, { overrides: { capture: CAPTURE, tokens } });
    const body = { path: "/v1/moderations", headers: { "x-team": "blue" }, body: { input: "x" } };
    const answer = await app.inject({ method: "POST", url: "/v1/estimate", body });
    expect(answer.json()).toMatchObject({
      verdict: "allow",
      cost: { lowNanoUsd: 0, expectedNanoUsd: 0, worstNanoUsd: 0 },
      tokens: { maxOutput: 0 },
    });
  });
});
