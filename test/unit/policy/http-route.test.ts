/** Which HTTPRoute, and which rule of it, takes a request. */
import { describe, expect, test } from "vitest";
import { matchRequest } from "../../../limitador-bridge/policy/match-memo.ts";
import { LLM, load, matched, problemsOf, type RequestParts, request } from "./fixture.ts";
import { files, httpRoute, onGateway, onRoute, onSection, prefix } from "./route-fixture.ts";

const gateway = onGateway("gw", "gw", "gateway");

/** Rules of the route `r`, each with a policy whose limit has its number: `1` is `rule-1`. */
function rules(...matches: string[]): string {
  const route = httpRoute("r", `{rules: [${matches.map((m) => `{matches: [${m}]}`).join(", ")}]}`);
  const policies = matches.map((_, i) =>
    onSection("r", `rule-${i + 1}`, `p${i + 1}`, `"${i + 1}"`),
  );
  return files(gateway, route, ...policies);
}

const at = (path: string) => `{path: {type: Exact, value: ${path}}}`;
const like = (pattern: string) => `{path: {type: RegularExpression, value: '${pattern}'}}`;

describe("a rule takes a request", () => {
  test.each<[string, string[], RequestParts, string[]]>([
    ["by exact path", [at("/v1/chat")], { path: "/v1/chat" }, ["1"]],
    ["… not by what is below it", [at("/v1/chat")], { path: "/v1/chat/x" }, ["gateway"]],
    ["by prefix", [prefix("/v1")], { path: "/v1/chat" }, ["1"]],
    ["… that is the path", [prefix("/v1/chat")], { path: "/v1/chat" }, ["1"]],
    ["… by whole segments", [prefix("/v1/chat")], { path: "/v1/chatter" }, ["gateway"]],
    ["… with a slash at its end", [prefix("/v1/chat/")], { path: "/v1/chat" }, ["1"]],
    ["… at the path's end", [prefix("/v1/chat")], { path: "/v1/chat/" }, ["1"]],
    ["… however it is written", [prefix("/v1/chat")], { path: "/v1//x/../%63hat/a" }, ["1"]],
    ["by pattern, as a whole", [like("/v[12]/.*")], { path: "/v2/chat" }, ["1"]],
    ["… not by a part", [like("/v[12]|/v3")], { path: "/v2/chat" }, ["gateway"]],
    ["… letter case", [like("(?i)/V1/CHAT")], { path: "/v1/chat" }, ["1"]],
    ["without a match, any", ["{}"], { path: "/" }, ["1"]],
    ["by method", ["{method: POST}"], {}, ["1"]],
    ["… not by another one", ["{method: GET}"], {}, ["gateway"]],
    ["by query", ["{queryParams: [{name: v, value: a}]}"], { path: "/x?u=1&v=a&v=b" }, ["1"]],
    [
      "… first value",
      ["{queryParams: [{name: v, value: b}]}"],
      { path: "/x?v=a&v=b" },
      ["gateway"],
    ],
    [
      "by header, the first of one name",
      ["{headers: [{name: X-Plan, value: gold}, {name: x-plan, value: other}]}"],
      { headers: { "x-plan": "gold" } },
      ["1"],
    ],
    [
      "… by pattern, as a whole",
      ["{headers: [{type: RegularExpression, name: x-plan, value: 'g.*'}]}"],
      { headers: { "x-plan": "a gold one" } },
      ["gateway"],
    ],
    ["… not where it is missing", ["{headers: [{name: a, value: ''}]}"], {}, ["gateway"]],
    ["by any of its matches", [`${at("/a")}, ${at("/b")}`], { path: "/b" }, ["1"]],
    [
      "where all of one match holds",
      [prefix("/v1", ", method: GET")],
      { path: "/v1" },
      ["gateway"],
    ],
  ])("%s", (_, matches, parts, expected) => {
    const loaded = load(rules(...matches));
    expect([problemsOf(loaded), loaded.warnings]).toEqual([[], []]);
    expect(matched(loaded, request(parts))).toEqual(expected);
  });
});

describe("of several rules", () => {
  test.each<[string, string[], RequestParts, string[]]>([
    ["exact is before pattern", [like("/v1/.*"), at("/v1/a")], { path: "/v1/a" }, ["2"]],
    ["pattern is before prefix", [prefix("/v1/a"), like("/v1/.*")], { path: "/v1/a" }, ["2"]],
    ["the longest pattern is first", [like("/v1/.*"), like("/v1/a.*")], { path: "/v1/a" }, ["2"]],
    ["the longest prefix is first", [prefix("/v1"), prefix("/v1/a")], { path: "/v1/a/b" }, ["2"]],
    ["… before a method", ["{method: POST}", prefix("/v1")], { path: "/v1" }, ["2"]],
    [
      "a method is before headers",
      ["{headers: [{name: a, value: b}]}", "{method: POST}"],
      { headers: { a: "b" } },
      ["2"],
    ],
    [
      "more headers are before fewer",
      ["{headers: [{name: a, value: b}]}", "{headers: [{name: a, value: b}, {name: c, value: d}]}"],
      { headers: { a: "b", c: "d" } },
      ["2"],
    ],
    [
      "a header is before query parameters",
      ["{queryParams: [{name: q, value: '1'}]}", "{headers: [{name: a, value: b}]}"],
      { path: "/x?q=1", headers: { a: "b" } },
      ["2"],
    ],
    [
      "more query parameters are before fewer",
      [prefix("/"), "{queryParams: [{name: q, value: '1'}]}"],
      { path: "/x?q=1" },
      ["2"],
    ],
    ["of equal ones the first", [prefix("/v1"), prefix("/v1")], { path: "/v1" }, ["1"]],
    [
      "the next takes what the nearest does not",
      [prefix("/v1"), prefix("/v1/a", ", method: GET")],
      { path: "/v1/a" },
      ["1"],
    ],
  ])("%s", (_, matches, parts, expected) => {
    expect(matched(load(rules(...matches)), request(parts))).toEqual(expected);
  });
});

describe("of several routes", () => {
  const routes = (...specs: [string, string?][]) =>
    load(
      files(
        gateway,
        ...specs.map(([spec, metadata], i) => httpRoute(`r${i + 1}`, spec, metadata)),
        ...specs.map((_, i) => onRoute(`r${i + 1}`, `p${i + 1}`, `"${i + 1}"`)),
      ),
    );

  const hosts = routes(
    ["{}"],
    ['{hostnames: ["*.example.com"]}'],
    ['{hostnames: ["*.a.example.com", other.org]}'],
    ["{hostnames: [Llm.Example.com]}"],
  );
  test.each([
    ["llm.example.com", ["4"]],
    ["LLM.example.com:8443", ["4"]],
    ["x.example.com", ["2"]],
    ["x.y.example.com", ["2"]],
    ["x.a.example.com", ["3"]],
    ["a.example.com", ["2"]],
    ["example.com", ["1"]],
    ["other.org", ["3"]],
    ["[::1]:8080", ["1"]],
  ])("host %s", (name, expected) => {
    const context = request({ attributes: { request: { path: "/", host: name } } });
    expect(matched(hosts, context)).toEqual(expected);
  });

  test("where no rule of the nearest host takes a request, the next one is asked", () => {
    const loaded = routes(
      ["{hostnames: [llm.example.com], rules: [{matches: [{method: GET}]}]}"],
      ['{hostnames: ["*.example.com"]}'],
    );
    expect(matched(loaded, request())).toEqual(["2"]);
  });

  test("the older one is first, then the one whose name is", () => {
    const since = (year: number) => `, creationTimestamp: "${year}-01-01T00:00:00Z"`;
    expect(matched(routes(["{}", since(2026)], ["{}", since(2025)]), request())).toEqual(["2"]);
    expect(matched(routes(["{}"], ["{}", since(2025)]), request())).toEqual(["2"]);
    expect(matched(routes(["{}"], ["{}"]), request())).toEqual(["1"]);
  });

  test("a request that no route takes has the Gateway's limits alone", () => {
    const loaded = routes(["{rules: [{matches: [{path: {value: /a}}]}]}"]);
    expect(matched(loaded, request({ path: "/a" }))).toEqual(["1"]);
    expect(matched(loaded, request({ path: "/b" }))).toEqual(["gateway"]);
  });
});

describe("what the filter is asked for", () => {
  const plans = load(
    rules(
      "{headers: [{name: X-Plan, value: gold}]}",
      "{headers: [{name: x-plan, value: free}, {name: x-region, value: eu}]}",
    ),
  );

  test("headers that routes read are sent, and tell requests apart", () => {
    expect(plans.set.needs.headers).toEqual(["x-plan", "x-region"]);
    const limits = ["gold", "free", "gold"].map((plan) => {
      const attributes = {
        "request.path": "/v1/chat",
        "request.headers": { "x-plan": plan, "x-region": "eu" },
      };
      return matchRequest(plans.set, attributes, LLM).limits.map(({ limit }) => limit);
    });
    expect(limits).toEqual([["1"], ["2"], ["1"]]);
  });

  test("queries tell requests apart", () => {
    const loaded = load(rules("{queryParams: [{name: q, value: '1'}]}"));
    const limits = ["/x?q=1", "/x?q=2"].map((path) =>
      matchRequest(loaded.set, { "request.path": path }, LLM).limits.map(({ limit }) => limit),
    );
    expect(limits).toEqual([["1"], ["gateway"]]);
  });

  test("nothing, where the same limits count the requests of all routes", () => {
    const route = httpRoute("r", "{rules: [{matches: [{headers: [{name: a, value: b}]}]}]}");
    expect(load(files(gateway, route)).set.needs.headers).toEqual([]);
  });

  test("a text too long for a pattern is refused, not passed by", () => {
    const loaded = load(rules(like("/v1/[^/]*/x")));
    const path = `/v1/${"a".repeat(2_048)}/x`;
    expect(loaded.set.match(request({ path })).errors).toEqual([
      {
        policy: "HTTPRoute",
        limit: "matches",
        expression: "/v1/[^/]*/x",
        message: "patterns of routes read at most 2048 characters, found 2054",
        failureMode: "deny",
      },
    ]);
  });
});

describe("HTTPRoute objects", () => {
  test("of v1beta1 are read, other kinds of the group are not", () => {
    const older = httpRoute("r", "{rules: [{backendRefs: [{name: llm, port: 80}]}]}").replace(
      "k8s.io/v1",
      "k8s.io/v1beta1",
    );
    const grpc = httpRoute("g", "{}").replace("HTTPRoute", "GRPCRoute");
    const loaded = load(files(older, grpc));
    expect(problemsOf(loaded)).toEqual([]);
    expect(
      loaded.set.status().map(({ kind, accepted, inForce }) => [kind, accepted, inForce]),
    ).toEqual([
      ["HTTPRoute", true, true],
      ["GRPCRoute", false, false],
    ]);
  });

  test.each([
    [
      httpRoute("r", "{}").replace("k8s.io/v1", "k8s.io/v1alpha2"),
      'policies.yaml:1:13: apiVersion: expected "gateway.networking.k8s.io/v1", found ' +
        '"gateway.networking.k8s.io/v1alpha2"',
    ],
    [
      httpRoute("r", "{hostnames: [a.*.com]}"),
      "policies.yaml:4:20: spec.hostnames[0]: expected a host name without a port, such as " +
        '"llm.example.com" or "*.example.com", found "a.*.com"',
    ],
    [
      httpRoute("r", "{hostnames: ['a.com:8080']}"),
      "policies.yaml:4:20: spec.hostnames[0]: expected a host name without a port, such as " +
        '"llm.example.com" or "*.example.com", found "a.com:8080"',
    ],
    [
      httpRoute("r", "{rules: [{matches: [{path: {value: v1}}]}]}"),
      "policies.yaml:4:42: spec.rules[0].matches[0].path.value: expected a path that begins " +
        'with "/", its characters encoded as in a URL, found "v1"',
    ],
    [
      httpRoute("r", "{rules: [{matches: [{path: {type: Exact, value: /v1?a=b}}]}]}"),
      "policies.yaml:4:55: spec.rules[0].matches[0].path.value: expected a path that begins " +
        'with "/", its characters encoded as in a URL, found "/v1?a=b"',
    ],
    [
      httpRoute("r", "{rules: [{matches: [{method: post}]}]}"),
      'policies.yaml:4:36: spec.rules[0].matches[0].method: expected "GET" or "HEAD" or ' +
        '"POST" or "PUT" or "DELETE" or "CONNECT" or "OPTIONS" or "TRACE" or "PATCH", found "post"',
    ],
    [
      httpRoute("r", "{parentRefs: [{name: null}], rules: [null]}"),
      "policies.yaml:4:21: spec.parentRefs[0].name: is missing: expected the parent's name\n" +
        "policies.yaml:4:44: spec.rules[0]: expected a map, found nothing",
    ],
    [
      httpRoute("r", "{rules: [{matches: [{path: {type: Prefix, value: /a}}]}]}"),
      'policies.yaml:4:41: spec.rules[0].matches[0].path.type: expected "Exact" or ' +
        '"PathPrefix" or "RegularExpression", found "Prefix"',
    ],
    [
      httpRoute("r", `{rules: [{matches: [${like("/a)(b")}]}]}`),
      'policies.yaml:4:67: spec.rules[0].matches[0].path.value: the pattern "/a)(b" is not a ' +
        "regular expression: Invalid regular expression: //a)(b/: Unmatched ')'",
    ],
    [
      httpRoute(
        "r",
        "{rules: [{matches: [{headers: [{type: RegularExpression, name: a, value: (a+)+}]}]}]}",
      ),
      'policies.yaml:4:80: spec.rules[0].matches[0].headers[0].value: the pattern "(a+)+" ' +
        "repeats a group that can itself match in several ways, which can take for ever",
    ],
    [
      httpRoute("r", `{rules: [{matches: [${like("/[a-z]+-?[a-z]+-?[a-z]+/")}]}]}`),
      "policies.yaml:4:67: spec.rules[0].matches[0].path.value: the pattern " +
        '"/[a-z]+-?[a-z]+-?[a-z]+/" has too many open repetitions, which can take very long; ' +
        "begin with ^ and repeat [^x]* up to the x that follows",
    ],
  ])("%j is refused", (text, problem) => {
    expect(problemsOf(load(text))).toEqual(problem.split("\n"));
  });

  test("fields that are null are left out", () => {
    const loaded = load(
      files(
        gateway,
        httpRoute("empty", "").replace("status: {parents: []}", "status:"),
        httpRoute("r", "{parentRefs: null, hostnames: null, rules: [{name: null, matches: null}]}"),
        onRoute("r", "p", "own"),
        httpRoute(
          "s",
          "{hostnames: [b.org], rules: [{matches: [{path: {type: null, value: /a}, method: null, " +
            "headers: null, queryParams: [{type: null, name: q, value: '1'}]}]}]}",
        ),
        onRoute("s", "t", "other"),
      ),
    );
    expect(problemsOf(loaded)).toEqual([]);
    expect(matched(loaded, request())).toEqual(["gateway"]);
    const other = { request: { path: "/a/b?q=1", host: "b.org" } };
    expect(matched(loaded, request({ attributes: other }))).toEqual(["other"]);
  });
});
