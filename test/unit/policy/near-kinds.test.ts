/** API groups and kinds that are nearly ours, and lists of our kinds. */
import { describe, expect, test } from "vitest";
import { load, matched, policy, problemsOf, request } from "./fixture.ts";

const object = (apiVersion: string, kind: string) =>
  `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: a}\nspec: {}\n`;

describe("a kind of ours in a group that is nearly ours", () => {
  test.each([
    ["kudrant.io/v1alpha1", "TokenRateLimitPolicy", "kuadrant.io/v1alpha1"],
    ["kuadrant.com/v1alpha1", "TokenRateLimitPolicyList", "kuadrant.io/v1alpha1"],
    ["ai.systemhardning.com/v1", "LLMBudget", "ai.systemhardening.com/v1"],
    ["toolgate.dev/v1alpha1", "Identity", "tollgate.dev/v1alpha1"],
    ["tollgate.dev", "LLMBudget", "ai.systemhardening.com/v1"],
    ["gateway.networking.k8.io/v1", "HTTPRoute", "gateway.networking.k8s.io/v1"],
    ["kuadrant.io/v1", "TokenRateLimitPolicyList", "kuadrant.io/v1alpha1"],
  ])("%s %s is refused", (apiVersion, kind, expected) => {
    expect(problemsOf(load(object(apiVersion, kind)))).toEqual([
      `policies.yaml:1:13: apiVersion: expected "${expected}", found "${apiVersion}"`,
    ]);
  });

  test.each([
    ["kudrant.io/v1alpha1", "TokenRateLimitPolcy", "TokenRateLimitPolicy"],
    ["kuadrant.io/v1alpha1", "TokenRateLimitPolicyLst", "TokenRateLimitPolicyList"],
    ["ai.systemhardning.com/v1", "LlmBudgets", "LLMBudget"],
  ])("%s %s is refused for its kind, too", (apiVersion, kind, expected) => {
    expect(problemsOf(load(object(apiVersion, kind)))).toEqual([
      `policies.yaml:2:7: kind: unknown kind "${kind}": expected ${expected}`,
    ]);
  });
});

test.each([
  ["acme.example/v1", "Identity"],
  ["billing.example.com/v1", "PriceTable"],
  ["finops.example.com/v1", "LLMBudget"],
  ["networking.x-k8s.io/v1alpha1", "HTTPRoute"],
  ["networking.internal.knative.dev/v1alpha1", "HTTPRouteList"],
  ["gateway.networking.k8s.io/v1", "GRPCRoute"],
  ["gateway.networking.k8s.io/v1", "GatewayList"],
  ["kuadrant.io/v1", "RateLimitPolicy"],
  ["kuadrant.io/v1", "RateLimitPolicyList"],
  ["toolgate.dev/v1", "Bridge"],
  ["v1", "Identity"],
])("%s %s is someone else's", (apiVersion, kind) => {
  const loaded = load(object(apiVersion, kind));
  expect(problemsOf(loaded)).toEqual([]);
  expect(loaded.set.status().map(({ ignored }) => ignored)).toEqual([true]);
  expect(loaded.documents).toEqual([]);
});

describe("a list of one kind", () => {
  const one = policy("  limits: {one: {rates: [{limit: 1, window: 1h}]}}\n");
  const items = (text: string) => `items:\n- ${text.trimEnd().replaceAll("\n", "\n  ")}\n`;
  const list = (text: string) =>
    `apiVersion: kuadrant.io/v1alpha1\nkind: TokenRateLimitPolicyList\n${items(text)}`;

  test("is read as its items, which need not say their kind", () => {
    expect(matched(load(list(one)), request())).toEqual(["one"]);
    const bare = one.replace(/^apiVersion.*\nkind.*\n/, "");
    const loaded = load(list(bare));
    expect(problemsOf(loaded)).toEqual([]);
    expect(matched(loaded, request())).toEqual(["one"]);
  });

  test("says where something is wrong", () => {
    expect(problemsOf(load(list(one.replace("limit: 1", "limit: x"))))).toEqual([
      "policies.yaml:10:36: items[0].spec.limits.one.rates[0].limit: expected an integer from 0 " +
        'to 9007199254740991, found "x"',
    ]);
    const none = "apiVersion: kuadrant.io/v1alpha1\nkind: TokenRateLimitPolicyList\nitems: 1\n";
    expect(problemsOf(load(none))).toEqual([
      "policies.yaml:3:8: items: expected the objects of the TokenRateLimitPolicyList, " +
        "found no list",
    ]);
  });
});
