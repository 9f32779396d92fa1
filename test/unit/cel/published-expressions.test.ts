/** Forms that Kuadrant's documents publish, and cel-js by itself refuses or reads otherwise. */
import { describe, expect, test } from "vitest";
import { toRequestContext } from "../../../limitador-bridge/cel/attributes.ts";
import { compileExpression } from "../../../limitador-bridge/cel/expression.ts";
import { LLM } from "../policy/fixture.ts";
import { compiled } from "./compiled.ts";
import { failureOf } from "./failure.ts";

function contextOf(address: string) {
  return toRequestContext(
    {
      request: {
        path: "/v1/chat/completions",
        headers: { ":authority": "a.example.com", "x-trace": "yes", "x-empty": "" },
      },
      source: { address },
      metadata: { "envoy.filters.http.ext_authz": { groups: ["a", "b"] } },
    },
    LLM,
  );
}

const context = contextOf("192.0.2.7:5678");

function problemsOf(source: string): { message: string; start: number }[] {
  const result = compileExpression(source, "bool");
  return "problems" in result ? result.problems : [];
}

describe("optional values", () => {
  test.each<[string, unknown]>([
    ["request.headers[?'x-trace'].optMap(v, v == 'yes').orValue(false)", true],
    ["request.headers[?'x-none'].optMap(v, v == 'yes').orValue(false)", false],
    ["optional.of(request.headers['x-trace']).optMap(v, v + '!').value()", "yes!"],
    ["request.headers[?'x-none'].optMap(v, v.size()).hasValue()", false],
    ["optional.of(2).optMap(a, optional.of(3).optMap(b, a * b).value()).value()", 6n],
    ["optional.of({'k': 1}).optFlatMap(m, m[?'k']).orValue(0)", 1n],
    ["optional.of({'k': 1}).optFlatMap(m, m[?'x']).orValue(0)", 0n],
    ["optional.ofNonZeroValue(request.headers['x-empty']).orValue('none')", "none"],
    ["optional.ofNonZeroValue(request.headers['x-trace']).orValue('none')", "yes"],
    ["optional.ofNonZeroValue(0).hasValue()", false],
    ["optional.ofNonZeroValue(0u).hasValue()", false],
    ["optional.ofNonZeroValue([]).hasValue()", false],
    ["optional.ofNonZeroValue(null).hasValue()", false],
    ["optional.ofNonZeroValue([0]).hasValue()", true],
    ["[3, 4].first().value()", 3n],
    ["[3, 4].last().value()", 4n],
    ["auth.groups.first().orValue('none')", "a"],
    ["auth.groups.filter(g, g == 'z').last().orValue('none')", "none"],
    ["[].first().hasValue()", false],
    ["optional.unwrap([optional.of(1), optional.none(), optional.of(3)]) == [1, 3]", true],
    ["[request.headers[?'x-trace'], request.headers[?'x-none']].unwrapOpt() == ['yes']", true],
  ])("%s", (source, expected) => {
    expect(compiled(source).evaluate(context.attributes)).toEqual(expected);
  });

  test.each([
    [
      "optional.of(1).optMap(v, w == 1).orValue(true)",
      { message: 'unknown attribute "w"', start: 25 },
    ],
    [
      "optional.of(1).optMap(v, v == 'a').orValue(true)",
      { message: "no such overload: int == string", start: 25 },
    ],
    [
      "'a'.optMap(v, v == 'a').orValue(true)",
      { message: "optMap() is of an optional value, found string", start: 0 },
    ],
  ])("%s is refused", (source, problem) => {
    expect(problemsOf(source)).toEqual([problem]);
  });
});

describe("strings", () => {
  test.each<[string, unknown]>([
    ["matches(request.path, '^/v1/chat')", true],
    ["matches(request.path, '^/v2')", false],
    ["'GrÜN'.lowerAscii()", "grÜn"],
    ["'straße'.upperAscii()", "STRAßE"],
    ["'banana'.indexOf('an', 2)", 3n],
    ["'banana'.indexOf('an', 6)", -1n],
    ["'banana'.indexOf('', 4)", 4n],
    ["'banana'.lastIndexOf('an')", 3n],
    ["'banana'.lastIndexOf('an', 2)", 1n],
    ["'banana'.lastIndexOf('an', 9)", -1n],
    ["'😀 ok'.indexOf('ok')", 2n],
    ["'😀 ok'.substring(2)", "ok"],
    ["'😀 ok'.substring(0, 1)", "😀"],
    ["'😀 ok'.charAt(2)", "o"],
    ["'ok'.charAt(2)", ""],
    ["strings.quote('a\"b\\\\ \\t\\u0007é')", '"a\\"b\\\\ \\t\\aé"'],
  ])("%s", (source, expected) => {
    expect(compiled(source).evaluate(context.attributes)).toEqual(expected);
  });

  test.each([
    ["request.path.indexOf('a', -1)", "indexOf(): -1 is out of range"],
    ["request.path.substring(3, 2)", "substring(3, 2) is out of range"],
    ["request.path.substring(99)", "substring(99, 20) is out of range"],
    ["request.path.charAt(21)", "charAt(21) is out of range"],
  ])("%s fails", (source, message) => {
    expect(failureOf(compiled(source), context)).toBe(message);
  });

  test.each([
    [
      "matches(request.path, '(a+)+$')",
      'the pattern "(a+)+$" repeats a group that can itself match in several ways, which ' +
        "can take for ever",
    ],
    [
      "matches(request.path, request.query)",
      "matches() takes a literal pattern, so that it can be vetted",
    ],
    ["request.path.lowerAscii(1) == ''", "found no matching overload for 'string.lowerAscii(int)'"],
    ["auth.identity.groups.exist(g, g == 'a')", 'unknown function "exist"; did you mean "exists"?'],
  ])("%s is refused", (source, message) => {
    expect(problemsOf(source).map((problem) => problem.message)).toEqual([message]);
  });
});

describe("the host is the header :authority", () => {
  test.each<[string, unknown]>([
    ["request.headers['host']", "a.example.com"],
    ["request.headers['Host']", "a.example.com"],
    ["request.headers.host", "a.example.com"],
    ["request.headers[?'host'].orValue('')", "a.example.com"],
    ["request.?headers.?host.orValue('')", "a.example.com"],
    ["has(request.headers['host'])", true],
    ["has(request.headers.host)", true],
    ["'host' in request.headers", true],
  ])("%s", (source, expected) => {
    const expression = compiled(source);
    expect(expression.evaluate(context.attributes)).toBe(expected);
    expect([...expression.reads.headers]).toEqual([":authority"]);
  });

  test("sent under its own name it is found, too", () => {
    const sent = toRequestContext({ request: { headers: { Host: "b.example.com" } } }, LLM);
    expect(compiled("request.headers.host").evaluate(sent.attributes)).toBe("b.example.com");
  });

  test("letter case does not count where a header is read as a field", () => {
    expect(compiled("request.headers.Host").evaluate(context.attributes)).toBe("a.example.com");
  });
});

describe("source.remote_address", () => {
  test.each([
    ["192.0.2.7:5678", "192.0.2.7"],
    ["[2001:db8::1]:443", "2001:db8::1"],
    ["2001:db8::1", "2001:db8::1"],
    ["192.0.2.7", "192.0.2.7"],
  ])("of %s is %s", (address, expected) => {
    const expression = compiled("source.remote_address");
    expect(expression.evaluate(contextOf(address).attributes)).toBe(expected);
    expect([...expression.reads.properties]).toEqual([["source.address", "string"]]);
  });

  test("is missing where there is no address", () => {
    const { attributes } = toRequestContext({}, LLM);
    expect(compiled("has(source.remote_address)").evaluate(attributes)).toBe(false);
  });
});

describe("request.host has one spelling", () => {
  test.each([
    ["api.example.com", "api.example.com"],
    ["API.Example.com", "api.example.com"],
    ["api.example.com:8443", "api.example.com"],
    ["api.example.com:", "api.example.com"],
    ["api.example.com.", "api.example.com"],
    ["api.example.com.:80", "api.example.com"],
    ["[2001:DB8::1]:443", "[2001:db8::1]"],
    ["[::1]", "[::1]"],
  ])("%s", (host, expected) => {
    const { attributes } = toRequestContext({ request: { host } }, LLM);
    expect(compiled("request.host").evaluate(attributes)).toBe(expected);
  });

  test.each([
    ["request.host == 'API.test'", true],
    ["'api.test:80' != request.host", false],
    ["request.host in ['a.test', 'Api.test.']", true],
    ["request.host == 'b.test:80' || has(request.host) && request.host == 'API.test:80'", true],
    ["request.host == 'b.test:80'", false],
  ])("%s compares it in that spelling", (source, expected) => {
    const { attributes } = toRequestContext({ request: { host: "api.TEST:8443" } }, LLM);
    expect(compiled(source).evaluate(attributes)).toBe(expected);
  });

  test("not where request is a variable", () => {
    const map = "{'host': 'A', 'headers': {'X': 'y'}}";
    const source = `[${map}].exists(request, request.host == 'A' && request.headers['X'] == 'y')`;
    expect(compiled(source).evaluate(context.attributes)).toBe(true);
  });

  test("a part that no host has is refused", () => {
    const expected = 'expected ".test", found ".test:80"';
    const message = `request.host is in lower case, without a port: ${expected}`;
    expect(problemsOf("request.host.endsWith('.test:80')")).toEqual([{ message, start: 22 }]);
  });

  test.each([
    "request.host == 'a.test'",
    "'a.test' == request.host",
    "request.host in ['a.test', 'b.test']",
    "request.method == 'POST'",
    "request.host.startsWith('api.')",
    "[{'host': 'A'}].exists(request, request.host == 'A')",
  ])("%s is not", (source) => {
    expect(problemsOf(source)).toEqual([]);
  });
});
