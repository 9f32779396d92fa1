import { expect, test } from "vitest";
import { loadPolicyTexts } from "../../../limitador-bridge/policy/load.ts";
import { quoteTernaries } from "../../../limitador-bridge/policy/ternary-quotes.ts";

test.each([
  ["  user: has(a.b) ? a.b : c", "  user: 'has(a.b) ? a.b : c'"],
  ['  user: x == "y" ? "it\'s" : null', "  user: 'x == \"y\" ? \"it''s\" : null'"],
  ["- expression: a ? b : c  # who", "- expression: 'a ? b : c'  # who"],
  ['  user: "a ? b : c"', '  user: "a ? b : c"'],
  ["  user: 'a ? b : c'", "  user: 'a ? b : c'"],
  ["  user: |", "  user: |"],
  ["  map: {a: 1}", "  map: {a: 1}"],
  ["  plain: a b", "  plain: a b"],
])("%s", (line, expected) => {
  expect(quoteTernaries(line)).toBe(expected);
});

test("an Identity with an unquoted ternary is taken as it is meant", () => {
  const text = `apiVersion: tollgate.dev/v1alpha1
kind: Identity
metadata: {name: default}
spec:
  team: request.headers["x-team"]
  user: has(auth.identity.userid) ? auth.identity.userid : request.headers["x-user"]
  trustedHeaders: [x-team, x-user]
`;
  const { set, problems } = loadPolicyTexts(new Map([["identity.yaml", text]]));
  expect(problems).toEqual([]);
  const attributes = { "request.headers": { "x-team": "ml", "x-user": "ann" } };
  const llm = {
    api: null,
    model: null,
    stream: false,
    maxOutputTokens: null,
    choices: 1,
    inputBytes: 0,
  };
  expect(set.payer({ attributes, llm })).toEqual({
    team: "ml",
    app: null,
    user: "ann",
    task: null,
  });
});
