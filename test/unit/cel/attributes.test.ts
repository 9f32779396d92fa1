import { describe, expect, test } from "vitest";
import { activationOf, toRequestContext } from "../../../limitador-bridge/cel/attributes.ts";
import { compileExpression } from "../../../limitador-bridge/cel/expression.ts";
import { normalPath, splitTarget } from "../../../limitador-bridge/cel/request-path.ts";
import { LLM } from "../policy/fixture.ts";

function evaluate(
  source: string,
  attributes: Record<string, unknown>,
  body?: Record<string, unknown>,
): unknown {
  const result = compileExpression(source, "single value");
  if ("problems" in result) throw new Error(result.problems[0]?.message);
  const context = toRequestContext(attributes, body === undefined ? LLM : { ...LLM, body });
  return result.expression.evaluate(context.attributes);
}

const json = (text: string): Record<string, unknown> => JSON.parse(text);

describe("shapes", () => {
  test.each<[string, Record<string, unknown>, unknown]>([
    ["request.path", { "request.path": "/a?b" }, "/a"],
    ["request.path", { request: { path: "/nested" }, "request.path": "/dotted" }, "/nested"],
    ["request.headers['x-a']", { "request.headers": { "X-A": "1" } }, "1"],
    ["request.headers['x-a']", { "request.headers.X-A": "1" }, "1"],
    ["request.headers['x-a']", { request: { headers: { "x-a": ["1", "2"] } } }, "1,2"],
    ["request.headers['x-a']", { request: { headers: { "x-a": "1", "X-A": "2" } } }, "1,2"],
    ["source.port", { "source.port": 80 }, 80n],
    ["source.port", { "source.port": "80" }, 80n],
    ["connection.mtls", { "connection.mtls": "true" }, true],
    ["request.host", { request: { host: 5 } }, "5"],
    ["string(request.time)", { "request.time": 0 }, "1970-01-01T00:00:00Z"],
    ["string(request.time)", { "request.time": "1700000000000000000" }, "2023-11-14T22:13:20Z"],
    ["filter_state['a.b']", { "filter_state.a.b": "x" }, "x"],
    ["filter_state.a", { filter_state: { a: "x" } }, "x"],
    ["auth.a", { metadata: { "envoy.filters.http.jwt_authn": { a: "jwt" } } }, "jwt"],
    [
      "auth.i.a + auth.i.b",
      {
        metadata: {
          "envoy.filters.http.jwt_authn": { i: { a: "jwt", b: "jwt" } },
          "envoy.filters.http.ext_authz": { i: { b: "ext" } },
        },
      },
      "jwtext",
    ],
    ["request.auth.a", { metadata: { "envoy.filters.http.ext_authz": { a: "x" } } }, "x"],
  ])("%s of %j", (source, attributes, expected) => {
    expect(evaluate(source, attributes)).toEqual(expected);
  });

  test("whole numbers of the body are ints, those of metadata doubles", () => {
    expect(evaluate("type(requestBodyJSON('/n')) == int", {}, { "/n": 5 })).toBe(true);
    const metadata = { "envoy.filters.http.ext_authz": { n: 5 } };
    expect(evaluate("type(auth.n) == double", { metadata })).toBe(true);
  });

  test("a context made elsewhere is brought into shape", () => {
    const activation = activationOf({ attributes: { "request.path": "/a?b" }, llm: LLM });
    expect((activation.request as { path: string }).path).toBe("/a");
  });
});

describe("hostile attributes", () => {
  test.each<[string, Record<string, unknown>, string]>([
    ["request.path", { request: { path: { a: 1 } } }, "No such key: path"],
    ["request.path", { request: null }, "No such key: path"],
    ["request.path", { request: "x" }, "No such key: path"],
    ["source.port", { "source.port": 1.5 }, "No such key: port"],
    ["source.port", { "source.port": "99999999999999999999" }, "No such key: port"],
    ["request.time < timestamp(0)", { "request.time": "soon" }, "No such key: time"],
    [
      "auth.toString",
      { metadata: { "envoy.filters.http.ext_authz": {} } },
      "No such key: toString",
    ],
    ["auth.x", json('{"metadata": {"__proto__": {"x": 1}}}'), "No such key: x"],
    ["auth.x", { metadata: { "envoy.filters.http.ext_authz": "x" } }, "No such key: x"],
    ["auth.x", { metadata: [] }, "No such key: x"],
    ["request.headers['a']", { request: { headers: { a: {} } } }, "No such key: a"],
    ["request.headers['a']", { request: { headers: [["a", "b"]] } }, "No such key: a"],
    ["request.host", json('{"__proto__": {"request": {"host": "evil"}}}'), "No such key: host"],
  ])("%s of %j", (source, attributes, message) => {
    expect(() => evaluate(source, attributes)).toThrow(message);
  });

  test("keys with meanings in JavaScript are keys like any other", () => {
    const attributes = json(
      '{"request": {"headers": {"constructor": "c", "__proto__": "p"}}, "metadata": ' +
        '{"envoy.filters.http.ext_authz": {"constructor": "x", "__proto__": {"y": "z"}}}}',
    );
    expect(
      evaluate("request.headers['constructor'] + request.headers['__proto__']", attributes),
    ).toBe("cp");
    expect(evaluate("auth['constructor'] + auth['__proto__'].y", attributes)).toBe("xz");
    expect(({} as Record<string, unknown>).y).toBeUndefined();
  });

  test("nesting without end is cut off", () => {
    let deep: unknown = "bottom";
    for (let i = 0; i < 20_000; i++) deep = { a: deep };
    const metadata = { "envoy.filters.http.ext_authz": deep };
    expect(evaluate("auth.a.a.a == null", { metadata })).toBe(false);
  });
});

describe("paths", () => {
  test.each([
    ["/v1/chat", "/v1/chat"],
    ["/v1/%63hat", "/v1/chat"],
    ["/v1/%2Fchat%7e", "/v1/%2Fchat~"],
    ["/v1/%2f%zz%2", "/v1/%2F%zz%2"],
    ["/v1/%2563hat", "/v1/%2563hat"],
    ["/a/./b/../c", "/a/c"],
    ["/a/%2e%2e/c", "/c"],
    ["/../../c", "/c"],
    ["//a///b/", "/a/b/"],
    ["/a/b/..", "/a/"],
    ["/", "/"],
    ["//", "/"],
    ["", ""],
    ["*", "*"],
    ["/a..b/c", "/a..b/c"],
  ])("%s is %s", (path, expected) => {
    expect(normalPath(path)).toBe(expected);
  });

  test.each([
    ["/v1/chat%2Fcompletions", "/v1/chat/completions"],
    ["/v1%2fchat%2fcompletions", "/v1/chat/completions"],
    ["/v1/x%2F..%2Fchat/completions", "/v1/chat/completions"],
    ["/v1/chat/completions/", "/v1/chat/completions"],
    ["/v1/chat%2Fcompletions%2F", "/v1/chat/completions"],
    ["/model/arn%3Aaws%3Abedrock%2Fx/invoke", "/model/arn%3Aaws%3Abedrock%2Fx/invoke"],
    ["/v1/models/meta%2Fllama:generateContent", "/v1/models/meta%2Fllama:generateContent"],
    ["/v1/models/a%3Ab%3AgenerateContent", "/v1/models/a%3Ab:generateContent"],
    ["/v1/models/m%3Aother", "/v1/models/m%3Aother"],
    ["/files/a%2Fb", "/files/a%2Fb"],
    ["/files/", "/files/"],
    ["/", "/"],
  ])("%s is compared as %s", (path, expected) => {
    expect(evaluate("request.path", { "request.path": path })).toBe(expected);
    expect(evaluate("request.url_path", { "request.path": `${path}?a=b` })).toBe(expected);
  });

  test.each([
    ["/a?b=c?d", { path: "/a", query: "b=c?d" }],
    ["/a#x?y", { path: "/a", query: "" }],
    ["/a?b#c", { path: "/a", query: "b" }],
    ["?", { path: "", query: "" }],
  ])("%s is split", (target, expected) => {
    expect(splitTarget(target)).toEqual(expected);
  });
});
