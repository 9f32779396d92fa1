import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { load, matched, policy, problemsOf, request, userAuth } from "./fixture.ts";

const tiersFile = "policies/examples/kuadrant-tiers/token-limits.yaml";
const tiers = load({ [tiersFile]: await readFile(tiersFile, "utf8") });

describe("the two tiers of Kuadrant's documentation, verbatim", () => {
  test("is accepted", () => {
    expect(problemsOf(tiers)).toEqual([]);
    expect(tiers.set.status()).toEqual([
      {
        kind: "TokenRateLimitPolicy",
        namespace: "default",
        name: "llm-token-limits",
        file: tiersFile,
        accepted: true,
        problems: [],
        inForce: true,
        targetRef: { group: "gateway.networking.k8s.io", kind: "Gateway", name: "api-gateway" },
        limits: ["free", "gold"],
      },
    ]);
  });

  test("a free user counts on the free limit, alone", () => {
    const { limits, errors } = tiers.set.match(request({ auth: userAuth("alice", "free") }));
    expect(errors).toEqual([]);
    expect(limits).toEqual([
      {
        policy: "default/llm-token-limits",
        limit: "free",
        key: "default/llm-token-limits/free/total/fixed:86400000|alice",
        unit: "total",
        amount: 20000,
        window: { kind: "fixed", lengthMs: 86_400_000 },
        reservation: "none",
        mode: "enforce",
        failureMode: "allow",
      },
    ]);
  });

  test.each([
    ["gold", ["gold"]],
    ["staff,gold", ["gold"]],
    ["free,gold", ["free", "gold"]],
    ["silver", []],
    ["", []],
  ])("groups %j match %j", (groups, expected) => {
    expect(matched(tiers, request({ auth: userAuth("bob", groups) }))).toEqual(expected);
  });

  test("another path matches nothing, whatever the user is", () => {
    expect(tiers.set.match(request({ path: "/v1/messages" }))).toEqual({ limits: [], errors: [] });
  });

  test.each([
    "/v1/chat/completions?x=1",
    "/v1/%63hat/completions",
    "/v1/%63hat/comp%6Cetions?x",
    "/v1/x/../chat/completions",
    "//v1/./chat//completions",
    "/v1/chat/completions#x",
  ])("%s does not dodge the limit", (path) => {
    expect(matched(tiers, request({ path, auth: userAuth("alice", "free") }))).toEqual(["free"]);
  });

  test("a request without groups is an error of both limits, never silently free", () => {
    const { limits, errors } = tiers.set.match(request());
    expect(limits).toEqual([]);
    expect(errors.map(({ limit, message, failureMode }) => [limit, message, failureMode])).toEqual([
      ["free", "No such key: identity", "deny"],
      ["gold", "No such key: identity", "deny"],
    ]);
  });

  test("groups without a user id are an error of the counter", () => {
    const auth = { identity: { metadata: { annotations: { "kuadrant.io/groups": "free" } } } };
    expect(tiers.set.match(request({ auth })).errors).toEqual([
      {
        policy: "default/llm-token-limits",
        limit: "free",
        expression: "auth.identity.userid",
        message: "No such key: userid",
        failureMode: "deny",
      },
    ]);
  });

  test("the filter is asked for just what is read", () => {
    const groups = ["identity", "metadata", "annotations", "kuadrant.io/groups"];
    expect(tiers.set.needs).toEqual({
      headers: [],
      properties: [
        { name: "request.host", type: "string" },
        { name: "request.method", type: "string" },
        { name: "request.path", type: "string" },
      ],
      metadata: [
        ["envoy.filters.http.ext_authz", ...groups],
        ["envoy.filters.http.ext_authz", "identity", "userid"],
        ["envoy.filters.http.jwt_authn", ...groups],
        ["envoy.filters.http.jwt_authn", "identity", "userid"],
      ],
      bodyPointers: [],
    });
  });
});

describe("rates", () => {
  const rates = (...lines: string[]) =>
    load(
      policy(
        `  limits:\n    a:\n      rates:\n${lines.map((line) => `      - ${line}\n`).join("")}`,
      ),
    );

  test.each([
    ["{limit: 5, window: 24h}", "total", 5, { kind: "fixed", lengthMs: 86_400_000 }],
    ["{limit: 5, window: 1h30m}", "total", 5, { kind: "fixed", lengthMs: 5_400_000 }],
    ["{limit: 5, window: 1m5ms}", "total", 5, { kind: "fixed", lengthMs: 60_005 }],
    ["{limit: 5, window: 1d}", "total", 5, { kind: "fixed", lengthMs: 86_400_000 }],
    ["{limit: 0, window: 1w}", "total", 0, { kind: "fixed", lengthMs: 604_800_000 }],
    ["{limit: 5, unit: input, window: 1s}", "input", 5, { kind: "fixed", lengthMs: 1000 }],
    [
      "{limit: 5, unit: output, window: {sliding: 1h}}",
      "output",
      5,
      { kind: "sliding", lengthMs: 3_600_000 },
    ],
    [
      "{limit: 5, unit: requests, window: {calendar: day, timeZone: Europe/Berlin}}",
      "requests",
      5,
      { kind: "calendar", period: "day", timeZone: "Europe/Berlin" },
    ],
    [
      "{limit: 5, window: {calendar: month}}",
      "total",
      5,
      { kind: "calendar", period: "month", timeZone: "UTC" },
    ],
    [
      "{limit: 0.1, unit: usd, window: 1d}",
      "usd",
      100_000_000,
      { kind: "fixed", lengthMs: 86_400_000 },
    ],
    [
      '{limit: "12.50", unit: usd, window: 1d}',
      "usd",
      12_500_000_000,
      { kind: "fixed", lengthMs: 86_400_000 },
    ],
    ["{limit: 1e-7, unit: usd, window: 1d}", "usd", 100, { kind: "fixed", lengthMs: 86_400_000 }],
    [
      "{limit: 9007199, unit: usd, window: 1d}",
      "usd",
      9_007_199_000_000_000,
      { kind: "fixed", lengthMs: 86_400_000 },
    ],
  ])("%s", (text, unit, amount, window) => {
    const loaded = rates(text);
    expect(problemsOf(loaded)).toEqual([]);
    expect(
      loaded.set.match(request()).limits.map((limit) => [limit.unit, limit.amount, limit.window]),
    ).toEqual([[unit, amount, window]]);
  });

  test.each([
    [
      "{limit: 1.5, window: 1h}",
      "policies.yaml:10:17: spec.limits.a.rates[0].limit: expected an integer from 0 to " +
        "9007199254740991, found 1.5",
    ],
    [
      '{limit: "5", window: 1h}',
      "policies.yaml:10:17: spec.limits.a.rates[0].limit: expected an integer from 0 to " +
        '9007199254740991, found "5"',
    ],
    [
      "{limit: -1, window: 1h}",
      "policies.yaml:10:17: spec.limits.a.rates[0].limit: expected an integer of at least " +
        "0 (or, with unit: usd, an amount such as 12.50), found -1",
    ],
    [
      "{limit: 9007200, unit: usd, window: 1h}",
      "policies.yaml:10:17: spec.limits.a.rates[0].limit: expected an amount from 0 to " +
        "9007199 USD with at most 9 decimals, found 9007200",
    ],
    [
      '{limit: "0.0000000001", unit: usd, window: 1h}',
      "policies.yaml:10:17: spec.limits.a.rates[0].limit: expected an amount from 0 to " +
        '9007199 USD with at most 9 decimals, found "0.0000000001"',
    ],
    [
      "{limit: 5, window: 1 hour}",
      "policies.yaml:10:28: spec.limits.a.rates[0].window: expected a duration such as " +
        '"24h", "1h30m" or "1d", or {calendar: day, timeZone: "…"}, or {sliding: "1h"}, ' +
        'found "1 hour"',
    ],
    [
      "{limit: 5, window: 60}",
      "policies.yaml:10:28: spec.limits.a.rates[0].window: expected a duration such as " +
        '"24h", "1h30m" or "1d", or {calendar: day, timeZone: "…"}, or {sliding: "1h"}, ' +
        "found 60",
    ],
    [
      "{limit: 5, window: 0h}",
      "policies.yaml:10:28: spec.limits.a.rates[0].window: expected a duration above zero, " +
        'found "0h"',
    ],
    [
      "{limit: 5, window: 26305h}",
      "policies.yaml:10:28: spec.limits.a.rates[0].window: expected a duration of at most " +
        '1096 days, found "26305h"',
    ],
    [
      "{limit: 5, window: {sliding: 1097d}}",
      "policies.yaml:10:38: spec.limits.a.rates[0].window.sliding: expected a duration of at " +
        'most 1096 days, found "1097d"',
    ],
    [
      "{limit: 5, window: {calendar: year}}",
      'policies.yaml:10:39: spec.limits.a.rates[0].window.calendar: expected "hour" or ' +
        '"day" or "week" or "month", found "year"',
    ],
    [
      "{limit: 5, window: {calendar: day, timeZone: Mars/Olympus}}",
      "policies.yaml:10:54: spec.limits.a.rates[0].window.timeZone: expected an IANA time " +
        'zone such as "Europe/Berlin", found "Mars/Olympus"',
    ],
    [
      "{window: 1h}",
      "policies.yaml:10:9: spec.limits.a.rates[0].limit: is missing: expected an integer " +
        "of at least 0 (or, with unit: usd, an amount such as 12.50)",
    ],
    [
      "{limit: 5, window: 1h, unit: tokens}",
      'policies.yaml:10:38: spec.limits.a.rates[0].unit: expected "total" or "input" or ' +
        '"output" or "requests" or "usd", found "tokens"',
    ],
    [
      "{limit: 5, windw: 1h, window: 1h}",
      'policies.yaml:10:20: spec.limits.a.rates[0].windw: unknown field "windw"; did you ' +
        'mean "window"?',
    ],
  ])("refused: %s", (text, problem) => {
    expect(problemsOf(rates(text))).toEqual([problem]);
  });

  test("two rates of one unit and window are two counters", () => {
    const keys = rates("{limit: 5, window: 1h}", "{limit: 9, window: 60m}")
      .set.match(request())
      .limits.map(({ key }) => key);
    expect(keys).toEqual(["default/p/a/total/fixed:3600000", "default/p/a/total/fixed:3600000#1"]);
  });

  test("a limit without rates limits nothing", () => {
    expect(load(policy("  limits:\n    a: {}\n")).set.match(request())).toEqual({
      limits: [],
      errors: [],
    });
  });
});

describe("fields beside the limits", () => {
  test("mode, reservation and failure modes reach what is matched", () => {
    const loaded = load(
      policy(`  mode: shadow
  failureMode: deny
  evaluationFailureMode: allow
  limits:
    a:
      rates: [{limit: 1, window: 1h}]
      reservation: worst-case
      mode: enforce
    b:
      rates: [{limit: 1, window: 1h}]
      reservation: {amount: 8000, ttl: 'duration("30s")'}
    c:
      rates: [{limit: 1, window: 1h}]
      when: [{predicate: auth.x == "y"}]
`),
    );
    expect(problemsOf(loaded)).toEqual([]);
    expect(loaded.set.failureMode).toBe("deny");
    const { limits, errors } = loaded.set.match(request());
    expect(limits).toMatchObject([
      { limit: "a", mode: "enforce", reservation: "worst-case", failureMode: "deny" },
      {
        limit: "b",
        mode: "shadow",
        reservation: "none",
        failureMode: "deny",
        reserveAmount: 8000,
        reserveTtlMs: 30_000,
      },
    ]);
    expect(errors).toMatchObject([{ limit: "c", failureMode: "allow" }]);
  });

  test("a limit in shadow never denies, not even by a failure", () => {
    const loaded = load(
      policy(
        "  mode: shadow\n  limits:\n    a: {rates: [{limit: 1, window: 1h}], counters: " +
          "[{expression: auth.x}]}\n",
      ),
    );
    expect(loaded.set.match(request()).errors).toMatchObject([{ failureMode: "allow" }]);
  });

  test("dataExtraction is accepted as published", () => {
    const loaded = load(
      policy(`  dataExtraction:
    response:
      totalTokens: [/usage/total_tokens, /meta/tokens]
  limits:
    a: {rates: [{limit: 1, window: 1h}]}
`),
    );
    expect(problemsOf(loaded)).toEqual([]);
    expect(loaded.set.totalTokensPointers).toEqual(["/usage/total_tokens", "/meta/tokens"]);
  });

  test.each([
    [
      "  limits: {a: {rates: []}}\n  defaults: {limits: {a: {rates: []}}}\n",
      "policies.yaml:7:3: spec.limits: cannot stand beside spec.defaults: use one of the two",
    ],
    [
      "  defaults: {limits: {a: {rates: []}}}\n  overrides: {limits: {a: {rates: []}}}\n",
      "policies.yaml:8:3: spec.overrides: cannot stand beside spec.defaults: use one of the two",
    ],
    [
      "",
      "policies.yaml:5:1: spec.limits: is missing: expected limits here, or in " +
        "spec.defaults or spec.overrides",
    ],
    ["  limits: {}\n", "policies.yaml:7:3: spec.limits: expected at least one limit, found none"],
    [
      "  overrides: {}\n",
      "policies.yaml:7:14: spec.overrides.limits: expected at least one limit, found none",
    ],
    [
      "  when: [{predicate: 'true'}]\n  defaults: {limits: {a: {rates: []}}}\n",
      "policies.yaml:7:3: spec.when: has no effect beside spec.defaults: put it into " +
        "spec.defaults.when",
    ],
    [
      "  limts: {}\n  limits: {a: {}}\n",
      'policies.yaml:7:3: spec.limts: unknown field "limts"; did you mean "limits"?',
    ],
    [
      "  defaults: {strategy: replace, limits: {a: {rates: []}}}\n",
      'policies.yaml:7:24: spec.defaults.strategy: expected "atomic" or "merge", found "replace"',
    ],
    [
      "  limits:\n    a: {rates: {limit: 1}}\n",
      "policies.yaml:8:16: spec.limits.a.rates: expected a list, found a map",
    ],
    [
      "  mode: off\n  limits: {a: {}}\n",
      'policies.yaml:7:9: spec.mode: expected "enforce" or "shadow", found "off"',
    ],
  ])("refused: %j", (spec, problem) => {
    expect(problemsOf(load(policy(spec)))).toEqual([problem]);
  });

  test("a target of another kind is refused", () => {
    const text = policy("  limits: {a: {}}\n", { kind: "Service" });
    expect(problemsOf(load(text))).toEqual([
      'policies.yaml:6:55: spec.targetRef.kind: expected "Gateway" or "HTTPRoute", found "Service"',
    ]);
  });
});
