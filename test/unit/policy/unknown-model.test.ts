import { describe, expect, test } from "vitest";
import type { MatchedLimit, UnknownModel } from "../../../limitador-bridge/policy/policy-set.ts";
import { judgeUnknownModel } from "../../../limitador-bridge/pricing/unknown-model.ts";
import { load, policy, problemsOf, request } from "./fixture.ts";

const spec = (unknownModel: string) =>
  policy(`${unknownModel}  limits:
    a:
      rates:
        - {limit: 10, window: 24h, unit: usd}
        - {limit: 10, window: 24h}
`);

describe("spec.unknownModel", () => {
  test.each<[string, UnknownModel]>([
    ["", { rule: "deny" }],
    ["  unknownModel: deny\n", { rule: "deny" }],
    ["  unknownModel: free\n", { rule: "free" }],
    ["  unknownModel: {priceAs: gpt-4o}\n", { rule: "priceAs", model: "gpt-4o" }],
  ])("%j is a rule of the limits in USD", (text, rule) => {
    const loaded = load(spec(text));
    expect(problemsOf(loaded)).toEqual([]);
    const { limits } = loaded.set.match(request());
    expect(limits.map(({ unit, unknownModel }) => [unit, unknownModel])).toEqual([
      ["usd", rule],
      ["total", undefined],
    ]);
  });

  const at = "policies.yaml:7:17: spec.unknownModel:";
  const expected = 'expected "deny" or "free" or {priceAs: model}';
  test.each([
    ["allow", `${at} ${expected}, found "allow"`],
    ["{}", `${at} ${expected}, found a map`],
    ['{priceAs: ""}', expect.stringContaining("spec.unknownModel.priceAs: expected a string")],
    ["{priceAs: m, or: deny}", expect.stringContaining('spec.unknownModel.or: unknown field "or"')],
  ])("%s is refused", (text, problem) => {
    expect(problemsOf(load(spec(`  unknownModel: ${text}\n`)))).toEqual([problem]);
  });
});

describe("the verdict on a model without a price", () => {
  const limit = (
    unknownModel?: UnknownModel,
    change: Partial<MatchedLimit> = {},
  ): MatchedLimit => ({
    policy: "default/p",
    limit: "a",
    key: "a",
    unit: "usd",
    amount: 1,
    window: { kind: "fixed", lengthMs: 1000 },
    reservation: "none",
    mode: "enforce",
    failureMode: "allow",
    ...(unknownModel === undefined ? {} : { unknownModel }),
    ...change,
  });
  const as = (model: string): UnknownModel => ({ rule: "priceAs", model });
  const costs: Record<string, number> = { cheap: 1, dear: 2 };
  const judge = (...limits: MatchedLimit[]) =>
    judgeUnknownModel(limits, (model) => costs[model] ?? null);
  const free = limit({ rule: "free" });

  test("no limit counts money, or all that do say free: free", () => {
    expect(judge(limit(undefined, { unit: "total" }))).toEqual({ rule: "free" });
    expect(judge(free, free)).toEqual({ rule: "free" });
  });

  test("one that denies is enough, also by saying nothing, or by a model without a price", () => {
    for (const denying of [limit(), limit({ rule: "deny" }), limit(as("unknown"))]) {
      expect(judge(free, limit(as("dear")), denying)).toEqual({ rule: "deny", limit: denying });
    }
  });

  test("a limit in shadow does not deny, and its price counts", () => {
    const shadow = { mode: "shadow" } as const;
    expect(judge(limit({ rule: "deny" }, shadow))).toEqual({ rule: "free" });
    expect(judge(limit(as("unknown"), shadow))).toEqual({ rule: "free" });
    expect(judge(limit(as("cheap"), shadow))).toEqual({ rule: "priceAs", model: "cheap" });
  });

  test("of several prices the dearest", () => {
    const [cheap, dear] = [limit(as("cheap")), limit(as("dear"))];
    expect(judge(cheap, free, dear)).toEqual({ rule: "priceAs", model: "dear" });
    expect(judge(dear, cheap)).toEqual({ rule: "priceAs", model: "dear" });
  });
});
