import { describe, expect, test } from "vitest";
import { toRequestContext } from "../../../limitador-bridge/cel/attributes.ts";
import {
  compileExpression,
  type ExpectedResult,
} from "../../../limitador-bridge/cel/expression.ts";
import { compiled } from "./compiled.ts";
import { failureOf } from "./failure.ts";

const context = toRequestContext(
  {
    request: {
      path: "/v1/chat/completions?user=bob",
      method: "POST",
      host: "llm.example.com",
      time: "2026-11-21T09:30:00Z",
      size: 512,
      headers: { "X-User": "alice", "x-roles": "admin,staff", "X-Limit": "7" },
    },
    source: { address: "192.0.2.7:5678", port: 5678 },
    connection: { mtls: true, id: 12 },
    filter_state: { "wasm.tenant": "blue" },
    metadata: {
      "envoy.filters.http.ext_authz": {
        identity: { userid: "alice", level: 3, groups: ["a", "b"], none: null },
      },
      custom: { plan: { name: "pro" } },
    },
  },
  {
    api: "openai.chat",
    model: "gpt-4o",
    stream: true,
    maxOutputTokens: null,
    choices: 2,
    inputBytes: 900,
    body: { "/model": "gpt-4o", "/max_tokens": 100, "/metadata": { user: "carol" } },
  },
);

function problems(source: string, expected: ExpectedResult = "bool") {
  const result = compileExpression(source, expected);
  return "problems" in result ? result.problems : [];
}

describe("evaluates", () => {
  test.each<[string, unknown]>([
    ['request.path == "/v1/chat/completions"', true],
    ["request.url_path", "/v1/chat/completions"],
    ["request.query", "user=bob"],
    ['request.headers["x-user"]', "alice"],
    ['request.headers["X-User"]', "alice"],
    ['"X-User" in request.headers', true],
    ['"x-nope" in request.headers', false],
    ['has(request.headers["X-User"])', true],
    ['has(request.headers["x-nope"])', false],
    ['request.headers[?"x-group"].orValue("guest")', "guest"],
    ["int(request.headers['x-limit']) < 10", true],
    ["auth.identity.userid", "alice"],
    ["request.auth.identity.userid", "alice"],
    ["auth.identity.level == 3", true],
    ["auth.identity.groups.all(g, g.size() == 1)", true],
    ["auth.identity.groups.exists_one(g, g == 'a')", true],
    ["auth.identity.groups.filter(g, g != 'a').map(g, g + '!')[0]", "b!"],
    ["auth.identity.groups.join('/')", "a/b"],
    ["has(auth.identity.userid) ? auth.identity.userid : 'nobody'", "alice"],
    ["has(auth.missing.userid) ? auth.missing.userid : 'nobody'", "nobody"],
    ["has(auth.identity.none)", true],
    ["!has( (auth.missing).x )", true],
    ["auth.missing.x == 1 || auth.identity.userid == 'alice'", true],
    ["auth.missing.x == 1 && auth.identity.userid == 'bob'", false],
    ['metadata.filter_metadata["custom"].plan.name', "pro"],
    ['filter_state["wasm.tenant"]', "blue"],
    ["source.address", "192.0.2.7:5678"],
    ["source.port == 5678", true],
    ["connection.mtls", true],
    ["request.time.getHours()", 9n],
    ["request.time < timestamp('2027-01-01T00:00:00Z')", true],
    ["string(request.time)", "2026-11-21T09:30:00Z"],
    ["string(timestamp('2026-11-21T09:30:00.120Z'))", "2026-11-21T09:30:00.12Z"],
    ["int(duration('1m1ms'))", 60_001_000_000n],
    ["request.size > 100", true],
    ["llm.model", "gpt-4o"],
    ["llm.stream", true],
    ["llm.choices * 2", 4n],
    ["has(llm.maxOutputTokens)", false],
    ['requestBodyJSON("/model") in ["gpt-4o", "gpt-4o-mini"]', true],
    ['requestBodyJSON("/max_tokens") * 2', 200n],
    ['requestBodyJSON("/metadata").user', "carol"],
    ['requestBodyJSON("/nothing") == null', true],
    ['{"gold": 1, "free": 2}["free"]', 2n],
    ["{'a': request.method}['a'].lowerAscii()", "post"],
    ["[1, 'a', true].size()", 3n],
    ['request.headers["x-roles"].split(",").exists(r, r == "staff")', true],
    ["'a-b-c'.replace('-', '+', 1)", "a+b-c"],
    ["'a-b-c'.replace('-', '$&')", "a$&b$&c"],
    ["'abc'.reverse() + 'abc'.charAt(1)", "cbab"],
    ["request.path.matches('^/v1/[^/]+/completions$')", true],
    ["request.path.matches('(?i)^/V1/')", true],
    ["cel.bind(id, auth.identity, id.userid)", "alice"],
    ["[1, 2].exists(request, request == 2)", true],
  ])("%s", (source, expected) => {
    expect(compiled(source).evaluate(context.attributes)).toEqual(expected);
  });
});

describe("fails on a request, with the reason", () => {
  test.each([
    ["auth.nope", "No such key: nope"],
    ['request.headers["x-nope"]', "No such key: x-nope"],
    ["llm.maxOutputTokens > 5", "No such key: maxOutputTokens"],
    ["auth.identity.level.split(',')[0]", "found no matching overload for 'double.split(string)'"],
    ["10 / (llm.choices - 2)", "division by zero"],
  ])("%s", (source, message) => {
    expect(failureOf(compiled(source), context)).toBe(message);
  });

  test("matches() on a text longer than 2048 characters", () => {
    const expression = compiled("request.headers['x-long'].matches('a.*b')");
    const long = toRequestContext(
      { request: { headers: { "x-long": "a".repeat(2049) } } },
      context.llm,
    );
    expect(() => expression.evaluate(long.attributes)).toThrow(
      "matches() reads at most 2048 characters, found 2049",
    );
  });
});

describe("refused at load", () => {
  test.each<[string, ExpectedResult, string, number]>([
    ["request.path ==", "bool", "Unexpected token: EOF", 15],
    ["request.pth == 'x'", "bool", '"request" has no field "pth"; did you mean "path"?', 0],
    ["reqest.path == 'x'", "bool", 'unknown attribute "reqest"; did you mean "request"?', 0],
    ["true && user.id == 'x'", "bool", 'unknown attribute "user"', 8],
    ["request.path == 5", "bool", "no such overload: string == int", 0],
    ["request.path", "bool", "the expression must give a bool, found string", 0],
    ["[1]", "single value", "the expression must give a single value, found list<int>", 0],
    ["'x'", "int", "the expression must give an int, found string", 0],
    ["size(request) == 1", "bool", '"request" is read field by field, e.g. request.method', 5],
    ["request.path.nope()", "bool", "found no matching overload for 'string.nope()'", 0],
    [
      "has(auth.a) && request.path.substring('x') == ''",
      "bool",
      "found no matching overload for 'string.substring(string)'",
      15,
    ],
    [
      "responseBodyJSON('/usage') == 1",
      "bool",
      "responseBodyJSON() is not available: limits are matched before the response",
      0,
    ],
    [
      "requestBodyJSON(request.path) == 1",
      "bool",
      'requestBodyJSON() takes one literal JSON pointer such as "/model"',
      0,
    ],
    [
      "requestBodyJSON('model') == 1",
      "bool",
      'requestBodyJSON() takes one literal JSON pointer such as "/model"',
      0,
    ],
    [
      "metadata.filter_metadata[request.path].x == 1",
      "bool",
      'metadata is read by namespace: metadata.filter_metadata["namespace"]',
      0,
    ],
    [
      "filter_state.size() == 1",
      "bool",
      'filter_state is read by literal key: filter_state["key"]',
      0,
    ],
    ["int('abc') == 1", "bool", "int() type error: cannot convert to int", 0],
    ["duration('x') == duration('1s')", "bool", "Invalid duration string: x", 0],
    [
      "request.path.matches(request.query)",
      "bool",
      "matches() takes a literal pattern, so that it can be vetted",
      21,
    ],
    [
      "request.path.matches('(a+)+$')",
      "bool",
      'the pattern "(a+)+$" repeats a group that can itself match in several ways, which ' +
        "can take for ever",
      21,
    ],
  ])("%s", (source, expected, message, start) => {
    expect(problems(source, expected)).toEqual([{ message, start }]);
  });

  test("an expression of more than 8192 characters", () => {
    expect(problems(`request.path == "${"x".repeat(8192)}"`)).toEqual([
      { message: "an expression has at most 8192 characters", start: 0 },
    ]);
  });
});

describe("what is read", () => {
  const reads = (source: string) => {
    const { headers, properties, metadata, bodyPointers } = compiled(source).reads;
    return {
      headers: [...headers],
      properties: [...properties],
      metadata,
      bodyPointers: [...bodyPointers],
    };
  };
  const none = { headers: [], properties: [], metadata: [], bodyPointers: [] };
  const auth = (...path: string[]) => [
    ["envoy.filters.http.jwt_authn", ...path],
    ["envoy.filters.http.ext_authz", ...path],
  ];

  test.each([
    ["request.path", { properties: [["request.path", "string"]] }],
    ["request.query + request.url_path", { properties: [["request.path", "string"]] }],
    ["source.port", { properties: [["source.port", "int"]] }],
    ["request.time < timestamp(0)", { properties: [["request.time", "timestamp"]] }],
    ["connection.mtls", { properties: [["connection.mtls", "bool"]] }],
    [
      "connection.uri_san_peer_certificate",
      { properties: [["connection.uri_san_peer_certificate", "string"]] },
    ],
    ["llm.model", {}],
    ['request.headers["X-User"]', { headers: ["x-user"] }],
    ['"X-User" in request.headers', { headers: ["x-user"] }],
    ['has(request.headers["x-a"])', { headers: ["x-a"] }],
    ["request.headers.exists(h, h == 'x')", { headers: ["*"] }],
    [
      "request.headers[request.method]",
      { headers: ["*"], properties: [["request.method", "string"]] },
    ],
    ["has(auth.identity.userid)", { metadata: auth("identity", "userid") }],
    ["request.auth.a['b.c'].split(',').size()", { metadata: auth("a", "b.c") }],
    ["auth.roles[0]", { metadata: auth("roles") }],
    ["size(auth)", { metadata: auth() }],
    ["[auth].map(request, request.path)[0]", { metadata: auth() }],
    ["cel.bind(x, auth.a, x.path)", { metadata: auth("a") }],
    ['metadata.filter_metadata["ns"].a.b', { metadata: [["ns", "a", "b"]] }],
    ['filter_state["a.b"]', { properties: [["filter_state.a.b", "string"]] }],
    ['requestBodyJSON("/a/0/b")', { bodyPointers: ["/a/0/b"] }],
    [
      "llm.stream ? request.host : source.address",
      {
        properties: [
          ["request.host", "string"],
          ["source.address", "string"],
        ],
      },
    ],
  ])("%s", (source, expected) => {
    expect(reads(source)).toEqual({ ...none, ...expected });
  });
});
