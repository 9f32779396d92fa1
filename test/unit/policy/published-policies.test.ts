/** What Kuadrant accepts and people publish, and what is told of it. */
import { expect, test } from "vitest";
import { problemText } from "../../../limitador-bridge/policy/load.ts";
import { limited, load, policy, problemsOf } from "./fixture.ts";

const LIMITS = "  limits:\n    a: {rates: [{limit: 1, window: 1h0m0s}]}\n";

function loadWarnings(text: string): string[] {
  const loaded = load(text);
  expect(problemsOf(loaded)).toEqual([]);
  expect(loaded.set.status()[0]?.inForce).toBe(true);
  return loaded.warnings.map(problemText);
}

test("targets of dataExtraction that nothing reads are accepted, and told of", () => {
  const text = policy(`  dataExtraction:
    response:
      totalTokens: [/meta/tokens]
      promptSize: [/meta/prompt]
${LIMITS}`);
  expect(loadWarnings(text)).toEqual([
    "policies.yaml:10:7: spec.dataExtraction.response.promptSize: no limit counts this: " +
      "totalTokens is the only target that is read",
  ]);
  expect(load(text).set.totalTokensPointers).toEqual(["/meta/tokens"]);
});

test("so are those of defaults, by their own place", () => {
  const text = policy(`  defaults:
    dataExtraction: {response: {cached: [/c]}}
    limits:
      a: {rates: [{limit: 1, window: 1h}]}
`);
  expect(loadWarnings(text)).toEqual([
    "policies.yaml:8:33: spec.defaults.dataExtraction.response.cached: no limit counts this: " +
      "totalTokens is the only target that is read",
  ]);
});

test("a target takes one to eight pointers", () => {
  const text = policy(`  dataExtraction: {response: {cached: [c], other: []}}\n${LIMITS}`);
  expect(problemsOf(load(text))).toEqual([
    "policies.yaml:7:40: spec.dataExtraction.response.cached[0]: expected a JSON pointer such as " +
      '"/usage/total_tokens", found "c"',
    "policies.yaml:7:51: spec.dataExtraction.response.other: expected 1 to 8 items, found 0",
  ]);
});

test("a counter that every connection has by itself is told of", () => {
  expect(loadWarnings(limited("true", "source.address"))).toEqual([
    "policies.yaml:11:31: spec.limits.one.counters[0].expression: counts each connection by " +
      "itself, since Envoy's address has the port: source.remote_address is the client's " +
      "address without it",
  ]);
  expect(loadWarnings(limited("true", "source.remote_address"))).toEqual([]);
});

test('a value that begins with "!" is a YAML tag, and the message says so', () => {
  const text = policy(`  limits:
    a:
      rates: [{limit: 1, window: 1h}]
      when:
      - predicate: !auth.identity.email_verified
`);
  expect(problemsOf(load(text))).toEqual([
    "policies.yaml:11:49: spec.limits.a.when[0].predicate: expected a CEL expression, found the " +
      'YAML tag "!auth.identity.email_verified": put a value that begins with "!" into quotes',
  ]);
});
