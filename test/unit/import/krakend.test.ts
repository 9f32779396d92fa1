import { describe, expect, test } from "vitest";
import { importKrakend } from "../../../limitador-bridge/import/krakend.ts";
import { load, problemsOf, request } from "../policy/fixture.ts";
import { config, endpoint, PROCESSORS, type Quota, SAMPLE_QUOTA } from "./krakend-sample.ts";

function translate(value: unknown) {
  const text = JSON.stringify(value, null, 2);
  const { yaml, policies, remarks } = importKrakend(text, "krakend.json", { gateway: "gw" });
  const loaded = load(yaml);
  expect(problemsOf(loaded)).toEqual([]);
  expect(loaded.set.status().length).toBe(policies);
  const told = remarks.map(({ field, message }) => `${field}: ${message}`);
  return { yaml, remarks, told, loaded };
}

const counted = (loaded: ReturnType<typeof load>, parts: Parameters<typeof request>[0]) =>
  loaded.set.match(request(parts)).limits.map(({ key, amount }) => [key, amount]);

describe("KrakenD's own sample", () => {
  const { yaml, told, loaded } = translate(config([endpoint(SAMPLE_QUOTA)]));

  test("becomes this policy", () => {
    expect(yaml).toBe(`apiVersion: kuadrant.io/v1alpha1
kind: TokenRateLimitPolicy
metadata:
  name: public-plans
spec:
  targetRef:
    group: gateway.networking.k8s.io
    kind: Gateway
    name: gw
  failureMode: allow
  when:
    - predicate: request.method == "POST" && request.path == "/v1/chat/completions"
  dataExtraction:
    response:
      totalTokens:
        - /credits_consumed
  limits:
    rule_gold:
      rates:
        - limit: 10000
          window:
            calendar: hour
          unit: total
        - limit: 250000
          window:
            calendar: month
          unit: total
      when:
        - predicate: '"x-level" in request.headers && request.headers["x-level"] == "gold"'
      counters:
        - expression: request.headers["x-user-id"]
    rule_bronze:
      rates:
        - limit: 100
          window: 1m
          unit: total
      when:
        - predicate: '!("x-level" in request.headers && request.headers["x-level"] == "gold")'
      counters:
        - expression: source.address.substring(0, source.address.lastIndexOf(":"))
`);
  });

  test("is told of where it differs", () => {
    const at = 'endpoints[0].extra_config["governance/quota"]';
    expect(told).toEqual([
      'extra_config["governance/processors"].quotas[0].hash_keys: ' +
        "has no counterpart and is left out",
      `${at}: X-Quota headers are sent as X-RateLimit headers`,
      `${at}.weight_key: counted as tokens, read at /credits_consumed of the answer; an answer ` +
        "with a usage object of its own counts the tokens that it names there",
    ]);
  });

  test("counts each request in one tier", () => {
    const from = { attributes: { "source.address": "203.0.113.7:51234" } };
    const month = "default/public-plans/rule_gold/total/calendar:month:UTC|u1";
    const gold = { headers: { "X-Level": "gold", "X-User-Id": "u1" }, ...from };
    expect(counted(loaded, gold)).toEqual([
      ["default/public-plans/rule_gold/total/calendar:hour:UTC|u1", 10_000],
      [month, 250_000],
    ]);
    const bronze = [["default/public-plans/rule_bronze/total/fixed:60000|203.0.113.7", 100]];
    expect(counted(loaded, { headers: {}, ...from })).toEqual(bronze);
    expect(counted(loaded, { headers: { "x-level": "tin" }, ...from })).toEqual(bronze);
    expect(counted(loaded, { path: "/v1/other", ...gold })).toEqual([]);
    const v6 = { attributes: { "source.address": "[2001:db8::1]:443" } };
    expect(counted(loaded, { headers: {}, ...v6 })).toEqual([
      ["default/public-plans/rule_bronze/total/fixed:60000|[2001:db8::1]", 100],
    ]);
  });

  test("a gold request that names no user is refused, not free", () => {
    const { limits, errors } = loaded.set.match(request({ headers: { "x-level": "gold" } }));
    expect(limits).toEqual([]);
    expect(errors.map(({ limit, failureMode }) => [limit, failureMode])).toEqual([
      ["rule_gold", "deny"],
    ]);
  });

  test("alone, without processors, it cannot be translated", () => {
    const result = translate({ "governance/quota": SAMPLE_QUOTA });
    expect([result.yaml, result.told]).toEqual([
      "",
      [
        '["governance/quota"]: not translated: no processor "public_plans" in ' +
          "governance/processors says how much is allowed",
      ],
    ]);
  });
});

describe("quotas", () => {
  const requests = (change: Quota = {}): Quota => ({
    ...SAMPLE_QUOTA,
    weight_key: undefined,
    ...change,
  });

  test("on several endpoints share one policy, so that they share their counters", () => {
    const { yaml, loaded } = translate(
      config([
        endpoint(requests(), "/v1/chat/completions"),
        endpoint(requests(), "/v1/models/{model}/chat"),
        endpoint(requests(), "/proxy/*", "GET"),
      ]),
    );
    expect(yaml).toContain(
      '    - predicate: (request.method == "POST" && request.path == ' +
        '"/v1/chat/completions") || (request.method == "POST" && ' +
        'request.path.matches("^/v1/models/[^/]+/chat$")) || ' +
        '(request.method == "GET" && request.path.startsWith("/proxy/"))\n',
    );
    const gold = { headers: { "x-level": "gold", "x-user-id": "u" } };
    const keys = counted(loaded, gold);
    expect(keys.length).toBe(2);
    expect(counted(loaded, { ...gold, path: "/v1/models/m/chat" })).toEqual(keys);
    expect(counted(loaded, { ...gold, path: "/v1/models/m/n/chat" })).toEqual([]);
    expect(counted(loaded, { ...gold, path: "/proxy/x" })).toEqual([]);
  });

  test("attached in two ways are two policies, and the report says what that means", () => {
    const other = requests({ tier_key: "X-Plan" });
    const { yaml, told } = translate(config([endpoint(requests()), endpoint(other, "/b")]));
    expect(yaml.match(/ name: public-plans.*/g)).toEqual([
      " name: public-plans",
      " name: public-plans-2",
    ]);
    expect(told).toContain(
      'endpoints[1].extra_config["governance/quota"]: quota "public_plans" is attached elsewhere ' +
        "in another way: there each identity has a counter of its own, where KrakenD has one for " +
        "both",
    );
  });

  test("of the service count every request, whatever their weight", () => {
    const { yaml, told } = translate({
      extra_config: { "governance/processors": PROCESSORS, "governance/quota": SAMPLE_QUOTA },
    });
    expect(yaml).not.toContain("request.path");
    expect(yaml.match(/unit: .*/g)).toEqual(["unit: requests", "unit: requests", "unit: requests"]);
    expect(told).toContain(
      'extra_config["governance/quota"].weight_key: ignored for a service, as KrakenD does: ' +
        "requests are counted",
    );
  });

  test.each([
    ["total_tokens", "body", "total", false],
    ["usage.prompt_tokens", "body", "input", false],
    ["usage.completion_tokens", "body", "output", false],
    ["X-Tokens-Used", "header", "total", false],
    ["X-Cost", "header", "total", true],
  ])("weight %s in the %s counts %s", (weight_key, weight_strategy, unit, isShadow) => {
    const { yaml, told } = translate(config([endpoint(requests({ weight_key, weight_strategy }))]));
    expect(new Set(yaml.match(/(?<=unit: ).*/g))).toEqual(new Set([unit]));
    expect(yaml.includes("  mode: shadow\n")).toBe(isShadow);
    expect(yaml).not.toContain("dataExtraction");
    expect(told.filter((line) => line.includes("weight_key")).length).toBe(isShadow ? 1 : 0);
  });

  test("without a last tier refuse what is of none, unless that is allowed", () => {
    const [gold] = SAMPLE_QUOTA.tiers;
    const silver = { ...gold, tier_value: "silver" };
    const { yaml, told, loaded } = translate(
      config([endpoint(requests({ tiers: [gold, silver] }))]),
    );
    const listed = '["gold", "silver"]';
    expect(yaml).toContain(`    unmatched-tier:
      rates:
        - limit: 0
          window: 1m
          unit: requests
      when:
        - predicate: '!("x-level" in request.headers && request.headers["x-level"] in ${listed})'
`);
    expect(told).toContain(
      'endpoints[0].extra_config["governance/quota"]: a request of no tier is answered with 429, ' +
        "not with 400",
    );
    const names = (level: string) =>
      loaded.set
        .match(request({ headers: { "x-level": level, "x-user-id": "u" } }))
        .limits.map(({ limit }) => limit);
    expect(names("silver")).toEqual(["rule_gold", "rule_gold"]);
    expect(names("tin")).toEqual(["unmatched-tier"]);
    const open = translate(
      config([endpoint(requests({ tiers: [gold], on_unmatched_tier_allow: true }))]),
    );
    expect(open.yaml).not.toContain("unmatched-tier");
  });

  test("tiers that cannot be translated are told of", () => {
    const [gold, bronze] = SAMPLE_QUOTA.tiers;
    const tiers = [
      { ...gold, tier_value_as: "policy", tier_value: "'x' in JWT.roles" },
      { ...gold, rule_name: "rule_platinum", tier_value: "platinum" },
      { ...gold, tier_value: "team", strategy: "param", key: "team" },
      { ...gold, tier_value: "query", strategy: "query" },
      gold,
      { ...gold, rule_name: "rule_bronze" },
      bronze,
      gold,
    ];
    const { told, loaded } = translate(
      config([endpoint(requests({ tiers, disable_quota_headers: true }), "/v1/chat/completions")]),
    );
    const at = 'endpoints[0].extra_config["governance/quota"]';
    expect(told.filter((line) => line.startsWith(at))).toEqual([
      `${at}.disable_quota_headers: X-RateLimit headers are sent all the same`,
      `${at}.tiers[0]: not translated: KrakenD's expression "'x' in JWT.roles" has to be written ` +
        "for Envoy's attributes; its requests fall to the tiers below",
      `${at}.tiers[1]: not translated: quota "public_plans" has no rule "rule_platinum"`,
      `${at}.tiers[2]: not translated: the endpoint has no parameter {team}`,
      `${at}.tiers[3]: not translated: the strategy "query" is not known`,
      `${at}.tiers[5]: not translated: a tier before it takes "gold"`,
      `${at}.tiers[7]: not translated: a tier "*" before it takes all requests`,
    ]);
    expect(loaded.set.status()[0]?.limits).toEqual(["rule_gold", "rule_bronze"]);
  });

  test("with a path parameter count by its value", () => {
    const tier = { rule_name: "rule_gold", tier_value_as: "*", strategy: "param", key: "Team" };
    const { loaded } = translate(
      config([endpoint(requests({ tiers: [tier] }), "/teams/{team}/chat")]),
    );
    expect(counted(loaded, { path: "/teams/blue/chat" })[0]?.[0]).toBe(
      "default/public-plans/rule_gold/requests/calendar:hour:UTC|blue",
    );
  });

  test("limits that are none are told of; a year is 365 days", () => {
    const limits = [
      { amount: 5, unit: "fortnight" },
      { amount: -1, unit: "day" },
      { amount: 2.5, unit: "day" },
      { amount: 9, unit: "year" },
    ];
    const processors = { quotas: [{ name: "q", rules: [{ name: "r", limits }] }, {}] };
    const quota = {
      quota_name: "q",
      tier_key: "x",
      tiers: [{ rule_name: "r", tier_value_as: "*", strategy: "ip" }],
    };
    const { yaml, told } = translate(config([endpoint(quota)], processors));
    expect(yaml).toContain(`  failureMode: deny
  when:
    - predicate: request.method == "POST" && request.path == "/v1/chat/completions"
  limits:
    r:
      rates:
        - limit: 2
          window:
            calendar: day
          unit: requests
        - limit: 9
          window: 365d
          unit: requests
      counters:
`);
    const at = 'extra_config["governance/processors"].quotas';
    const tier = 'endpoints[0].extra_config["governance/quota"].tiers[0]';
    expect(told).toEqual([
      `${at}[0].rules[0].limits[0]: not translated: the unit "fortnight" is not known`,
      `${at}[0].rules[0].limits[1]: not translated: expected an amount of at least 0, found -1`,
      `${at}[0].rules[0].limits[2]: the amount is rounded down to 2`,
      `${at}[1]: not translated: it has no name`,
      'endpoints[0].extra_config["governance/quota"]: ' +
        "X-Quota headers are sent as X-RateLimit headers",
      `${tier}: a year is counted as 365 days from the first request`,
    ]);
  });

  test("of backends count at their endpoint; those of agents cannot", () => {
    const backend = [{ extra_config: { "governance/quota": requests() } }];
    const { told, loaded } = translate({
      ...config([{ endpoint: "/v1/chat/completions", method: "POST", backend }]),
      async_agent: [{ backend }],
    });
    expect(loaded.set.status().length).toBe(1);
    expect(
      told.filter((line) => line.includes("backend[0]")).map((line) => line.split(": ")[1]),
    ).toEqual([
      "counted once for each request to the endpoint, not the backend",
      "X-Quota headers are sent as X-RateLimit headers",
      "not translated",
    ]);
  });
});
