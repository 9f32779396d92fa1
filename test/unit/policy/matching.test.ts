import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { limited, load, matched, policy, problemsOf, request } from "./fixture.ts";
import { files, httpRoute, prefix } from "./route-fixture.ts";

const limits = (...names: string[]) =>
  `{${names.map((name) => `${name}: {rates: [{limit: 1, window: 1h}]}`).join(", ")}}`;
const bare = (name: string, kind: string, ...names: string[]) =>
  policy(`  limits: ${limits(...names)}\n`, { name, kind, target: `t-${name}` });
const group = (name: string, rules: string, strategy: string, ...names: string[]) =>
  policy(`  ${rules}: {strategy: ${strategy}, limits: ${limits(...names)}}\n`, { name });

describe("defaults and overrides", () => {
  const route = bare("route", "HTTPRoute", "chat", "burst");
  test.each<[string, string[], string[]]>([
    ["bare gateway limits alone", [bare("gw", "Gateway", "all")], ["all"]],
    [
      "route limits stand instead of bare gateway limits",
      [bare("gw", "Gateway", "all"), route],
      ["chat", "burst"],
    ],
    [
      "… and of atomic defaults",
      [group("gw", "defaults", "atomic", "all"), route],
      ["chat", "burst"],
    ],
    ["atomic defaults without route limits", [group("gw", "defaults", "atomic", "all")], ["all"]],
    [
      "merged defaults add names that the route lacks",
      [group("gw", "defaults", "merge", "all", "chat"), route],
      ["chat", "burst", "all"],
    ],
    [
      "atomic overrides replace the route's",
      [group("gw", "overrides", "atomic", "all"), route],
      ["all"],
    ],
    [
      "merged overrides win by name",
      [group("gw", "overrides", "merge", "all", "chat"), route],
      ["all", "chat", "burst"],
    ],
    [
      "policies of one level are united",
      [
        bare("gw1", "Gateway", "a"),
        bare("gw2", "Gateway", "b"),
        group("gw3", "overrides", "merge", "c"),
      ],
      ["c", "a", "b"],
    ],
    ["… on routes, too", [route, bare("other", "HTTPRoute", "chat")], ["chat", "burst", "chat"]],
  ])("%s", (_, policies, expected) => {
    const loaded = load(policies.join("---\n"));
    expect(problemsOf(loaded)).toEqual([]);
    expect(matched(loaded, request())).toEqual(expected);
  });

  test("a merged override is the gateway's limit, not the route's", () => {
    const loaded = load([group("gw", "overrides", "merge", "chat"), route].join("---\n"));
    const found = loaded.set.match(request()).limits.map((limit) => [limit.policy, limit.limit]);
    expect(found).toEqual([
      ["default/gw", "chat"],
      ["default/route", "burst"],
    ]);
  });
});

describe("targets", () => {
  const policies = [
    bare("api", "Gateway", "gateway"),
    bare("other", "Gateway", "elsewhere"),
    bare("chat", "HTTPRoute", "chat"),
    bare("images", "HTTPRoute", "images"),
  ].join("---\n");
  const taking = (path: string) => `rules: [{matches: [${prefix(path)}]}]`;
  const of = "parentRefs: [{name: t-api}]";
  const routes = [
    httpRoute("t-chat", `{${of}, hostnames: ["*.example.com"], ${taking("/v1/chat")}}`),
    httpRoute("t-images", `{${of}, ${taking("/v1/images")}}`),
    httpRoute("t-rest", `{${of}, ${taking("/")}}`),
  ].join("---\n");
  test.each([
    ["/v1/chat/completions", ["chat"]],
    ["/v1/chatter", ["gateway"]],
    ["/v1/images", ["images"]],
    ["/v1/embeddings", ["gateway"]],
  ])("%s", (path, expected) => {
    expect(matched(load(files(policies, routes)), request({ path }))).toEqual(expected);
  });

  test("without routes: every target matches, and no limit is off", () => {
    const all = ["gateway", "elsewhere", "chat", "images"];
    expect(matched(load(policies), request({ path: "/x" }))).toEqual(all);
  });
});

describe("predicates", () => {
  const all = (first: string, second: string) =>
    load(
      policy(
        `  limits:\n    one:\n      rates: [{limit: 1, window: 1h}]\n      when: ` +
          `[{predicate: ${first}}, {predicate: ${second}}]\n`,
      ),
    );

  test.each([
    ["auth.x == 1", "request.path == '/other'"],
    ["request.path == '/other'", "auth.x == 1"],
    ["auth.x == 1", "request.method == 'GET'"],
  ])("%s and %s: one that is false decides", (first, second) => {
    expect(all(first, second).set.match(request())).toEqual({ limits: [], errors: [] });
  });

  test("one that fails where none is false is an error", () => {
    expect(all("auth.x == 1", "request.method == 'POST'").set.match(request())).toEqual({
      limits: [],
      errors: [
        {
          policy: "default/p",
          limit: "one",
          expression: "auth.x == 1",
          message: "No such key: x",
          failureMode: "deny",
        },
      ],
    });
  });

  test("top-level predicates hold for every limit", () => {
    const loaded = load(
      policy(
        "  when: [{predicate: request.method == 'POST'}]\n  limits:\n    a: {rates: " +
          "[{limit: 1, window: 1h}]}\n    b: {rates: [{limit: 1, window: 1h}], when: " +
          "[{predicate: llm.stream}]}\n",
      ),
    );
    expect(matched(loaded, request())).toEqual(["a"]);
    expect(matched(loaded, request({ llm: { stream: true } }))).toEqual(["a", "b"]);
    expect(
      matched(loaded, request({ attributes: { request: { method: "GET", path: "/" } } })),
    ).toEqual([]);
  });

  test("predicates of defaults hold for their limits", () => {
    const loaded = load(
      policy(
        "  defaults:\n    when: [{predicate: llm.stream}]\n    limits: {a: {rates: " +
          "[{limit: 1, window: 1h}]}}\n",
      ),
    );
    expect(matched(loaded, request())).toEqual([]);
    expect(matched(loaded, request({ llm: { stream: true } }))).toEqual(["a"]);
  });
});

describe("counters", () => {
  const key = (expression: string, parts: Parameters<typeof request>[0]) => {
    const { limits, errors } = load(limited("true", expression)).set.match(request(parts));
    return limits[0]?.key ?? errors[0]?.message;
  };
  const prefix = "default/p/one/total/fixed:60000";

  test.each<[string, Parameters<typeof request>[0], string]>([
    ["auth.id", { auth: { id: "alice" } }, `${prefix}|alice`],
    ["auth.id", { auth: { id: 5 } }, `${prefix}|5`],
    ["auth.id", { auth: { id: true } }, `${prefix}|true`],
    ["auth.id", { auth: { id: "" } }, `${prefix}|`],
    ["auth.id", { auth: { id: "a|b/c%" } }, `${prefix}|a%7Cb%2Fc%25`],
    ["llm.choices", { llm: { choices: 3 } }, `${prefix}|3`],
    ["uint(llm.choices)", { llm: { choices: 3 } }, `${prefix}|3`],
    ["requestBodyJSON('/user')", { llm: { body: { "/user": 7 } } }, `${prefix}|7`],
    [
      "auth.id",
      { auth: { id: "x".repeat(257) } },
      `${prefix}|sha256:15eb95a462ee20bd91a415ae2d4aed341288186ddaa2b37908f7d592f0c3f85f`,
    ],
    ["auth.id", { auth: { id: null } }, "the counter's value is null"],
    ["requestBodyJSON('/user')", {}, "the counter's value is null"],
    [
      "auth.id",
      { auth: { id: ["a"] } },
      "the counter's value must be a single value, found a list",
    ],
    [
      "auth.id",
      { auth: { id: { a: 1 } } },
      "the counter's value must be a single value, found a map",
    ],
    ["auth.id", {}, "No such key: id"],
  ])("%s of %j", (expression, parts, expected) => {
    expect(key(expression, parts)).toBe(expected);
  });

  test("several values are one counter", () => {
    const loaded = load(
      policy(
        "  limits: {a/b: {rates: [{limit: 1, window: 1h}], counters: [{expression: " +
          "request.method}, {expression: llm.model}]}}\n",
      ),
    );
    expect(loaded.set.match(request()).limits[0]?.key).toBe(
      "default/p/a%2Fb/total/fixed:3600000|POST|gpt-4o-mini",
    );
  });
});

describe("the index", () => {
  /** `count` policies that this request does not match, and one that it does. */
  const crowd = (count: number, predicate: (i: number) => string) => {
    const documents = Array.from({ length: count }, (_, i) =>
      limited(predicate(i)).replace("name: p\n", `name: p${i}\n`),
    );
    const own = limited("request.path == '/v1/chat/completions'").replace(
      "name: p\n",
      "name: own\n",
    );
    return load([...documents, own].join("---\n"));
  };
  const evaluations = (loaded: ReturnType<typeof load>) => {
    const before = loaded.set.predicateEvaluations;
    const { limits, errors } = loaded.set.match(request({ headers: { "x-team": "mine" } }));
    expect([limits.map((limit) => limit.policy), errors]).toEqual([["default/own"], []]);
    return loaded.set.predicateEvaluations - before;
  };

  test.each<[number, string, (i: number) => string]>([
    [10_000, "paths", (i) => `request.path == '/v${i}'`],
    [500, "header values", (i) => `request.headers['X-Team'] == 'team-${i}'`],
    [500, "a literal on the left, within &&", (i) => `llm.stream && '/v${i}' == request.url_path`],
  ])("%i others by %s cost nothing", { timeout: 60_000 }, (count, _, predicate) => {
    expect(evaluations(crowd(10, predicate))).toBe(1);
    expect(evaluations(crowd(count, predicate))).toBe(1);
  });

  test("what cannot be indexed is evaluated", () => {
    expect(evaluations(crowd(10, (i) => `request.path.startsWith('/v${i}${i}')`))).toBe(11);
  });

  test("limits are found in the order of the policies, by whatever predicate", () => {
    const texts = [
      "request.path == '/a'",
      "true",
      "request.headers['x'] == 'y'",
      "request.path.startsWith('/')",
    ];
    const documents = texts.map((text, i) => limited(text).replace("name: p\n", `name: p${i}\n`));
    const { limits } = load(documents.join("---\n")).set.match(
      request({ path: "/a", headers: { x: "y" } }),
    );
    expect(limits.map((limit) => limit.policy)).toEqual([
      "default/p0",
      "default/p1",
      "default/p2",
      "default/p3",
    ]);
  });

  test("where the header is missing, its predicates are errors", () => {
    const { limits, errors } = load(limited("request.headers['x-team'] == 'a'")).set.match(
      request(),
    );
    expect(limits).toEqual([]);
    expect(errors.map(({ message }) => message)).toEqual(["No such key: x-team"]);
  });
});

describe("the per-user example", () => {
  const folder = "policies/examples/per-user-headers";
  test("counts each user, and knows who pays", async () => {
    const texts: Record<string, string> = {};
    for (const name of ["token-limits.yaml", "identity.yaml"]) {
      texts[name] = await readFile(`${folder}/${name}`, "utf8");
    }
    const loaded = load(texts);
    expect(problemsOf(loaded)).toEqual([]);
    const context = request({ headers: { "x-user": "alice", "x-team": "ml" } });
    expect(loaded.set.match(context).limits).toMatchObject([
      { key: "default/per-user/per-user/total/fixed:60000|alice", amount: 1000 },
    ]);
    expect(loaded.set.payer(context)).toEqual({ team: "ml", app: null, user: "alice", task: null });
    expect(loaded.set.needs.headers).toEqual(["x-app", "x-team", "x-user"]);
  });
});
