/** Literals that paths and hosts are compared with: in the spelling those have, or refused. */
import { describe, expect, test } from "vitest";
import { toRequestContext } from "../../../limitador-bridge/cel/attributes.ts";
import { compileExpression } from "../../../limitador-bridge/cel/expression.ts";
import { LLM } from "../policy/fixture.ts";

function evaluate(source: string, request: Record<string, unknown>): unknown {
  const result = compileExpression(source, "bool");
  if ("problems" in result) throw new Error(result.problems[0]?.message);
  return result.expression.evaluate(toRequestContext({ request }, LLM).attributes);
}

function problemsOf(source: string): unknown[] {
  const result = compileExpression(source, "bool");
  return "problems" in result ? result.problems : [];
}

describe("a path", () => {
  test.each([
    ["request.path == '/v1/chat/completions/'", "/v1/chat/completions"],
    ["request.path == '/v1/chat/completions/'", "/v1/chat/completions/"],
    ["request.path == '/v1/chat%2Fcompletions'", "/v1/chat/completions"],
    ["request.url_path == '/v1/chat%2Dx'", "/v1/chat%2dx?a=b"],
    ["'/openai//v1/chat/completions' == request.path", "/openai//v1/chat/completions"],
    ["request.path in ['/x', '/a/./%62']", "/a/b"],
    ["request.path == '/files/'", "/files/"],
    ["!(request.path != '/v1/chat/completions/')", "/v1/chat/completions"],
    ["request.path.startsWith('/v1/%2F')", "/v1/%2f/x"],
  ])("%s counts %s", (source, path) => {
    expect(evaluate(source, { path })).toBe(true);
  });

  test.each([
    ["request.path == '/files/'", "/files"],
    ["request.path != '/v1/chat/completions/'", "/v1/chat/completions/"],
  ])("%s does not count %s", (source, path) => {
    expect(evaluate(source, { path })).toBe(false);
  });

  const query = (found: string) =>
    `request.path is without the query, which is request.query, found "${found}"`;
  const spelling = (expected: string, found: string) =>
    "request.path has single slashes, and nothing encoded that need not be: " +
    `expected "${expected}", found "${found}"`;
  test.each([
    ["request.path == '/a?beta=1'", query("/a?beta=1"), 16],
    ["request.path in ['/b', '/a?b']", query("/a?b"), 23],
    ["'/a#b' != request.url_path", query("/a#b"), 0],
    ["request.path.contains('?beta')", query("?beta"), 22],
    ["request.path.startsWith('/v1/chat%2Dx')", spelling("/v1/chat-x", "/v1/chat%2Dx"), 24],
    ["request.path.endsWith('%2fx')", spelling("%2Fx", "%2fx"), 22],
    ["request.path.startsWith('//v1')", spelling("/v1", "//v1"), 24],
  ])("%s is refused", (source, message, start) => {
    expect(problemsOf(source)).toEqual([{ message, start }]);
  });

  test.each([
    "request.query == 'a?b'",
    "request.path == '/v1/chat'",
    "request.path.startsWith('/v1/')",
    "[{'path': '/a?b'}].exists(request, request.path == '/a?b')",
  ])("%s is not", (source) => {
    expect(problemsOf(source)).toEqual([]);
  });
});

describe("the host as a header", () => {
  const spellings = [
    "api.example.com",
    "API.EXAMPLE.COM",
    "api.example.com:22100",
    "api.example.com.",
  ];

  test.each(spellings)("%s", (host) => {
    const headers = { ":authority": host };
    expect(evaluate("request.headers['host'].endsWith('.example.com')", { headers })).toBe(true);
    expect(evaluate("request.headers.host == 'API.example.com:80'", { headers })).toBe(true);
    expect(evaluate("request.headers[':authority'] in ['Api.Example.com']", { headers })).toBe(
      true,
    );
    expect(evaluate("request.headers.Host == 'api.example.com'", { headers: { host } })).toBe(true);
  });

  test("a part that no host has is refused", () => {
    const expected = 'expected ".test", found ".TEST:80"';
    const message = `request.host is in lower case, without a port: ${expected}`;
    const source = "request.headers['host'].endsWith('.TEST:80')";
    expect(problemsOf(source)).toEqual([{ message, start: 33 }]);
  });

  test("other headers stay as they are", () => {
    const headers = { "x-host": "A:80" };
    expect(evaluate("request.headers['x-host'] == 'A:80'", { headers })).toBe(true);
  });
});
