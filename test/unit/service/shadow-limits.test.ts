/** What clients are told of limits that refuse nothing yet. */
import { expect, test } from "vitest";
import { budgeted, request, spend } from "./budgeted-service.ts";
import { ask } from "./service-fixture.ts";

/** 0.02 USD, all of which 2,000 tokens of output cost. */
const TEAM = "  team: blue\n  monthlyBudgetUSD: 0.02\n";
const limits = (second: string) => `apiVersion: kuadrant.io/v1alpha1
kind: TokenRateLimitPolicy
metadata: {name: p}
spec:
  targetRef: {group: gateway.networking.k8s.io, kind: Gateway, name: gw}
  limits:
    tried: {rates: [{limit: 200, window: 1h}], mode: shadow}
${second}`;
const REFUSED = {
  "content-type": "application/json",
  "x-tollgate-reason": "monthly_budget_exceeded",
  "retry-after": String(30 * 86_400 + 43_200),
  "x-budget-utilization": "1.00",
};
const IN_FORCE = "    known: {rates: [{limit: 5000, window: 1h}]}\n";

test.each([
  ["no other limit", "", {}],
  [
    "one in force",
    IN_FORCE,
    {
      "x-ratelimit-limit": "5000",
      "x-ratelimit-remaining": "3000",
      "x-ratelimit-reset": "3600",
      "x-ratelimit-limit-tokens": "5000",
      "x-ratelimit-remaining-tokens": "3000",
      "x-ratelimit-reset-tokens": "3600",
    },
  ],
])(
  "a budget's refusal tells nothing of a limit in shadow mode, beside %s",
  async (_, more, told) => {
    const service = budgeted([TEAM, limits(more)]);
    await spend(service, "s", 2000);
    const { deny } = (await ask(service.app, request("a"))).body;
    expect(deny.headers).toEqual({ ...REFUSED, ...told });
  },
);
