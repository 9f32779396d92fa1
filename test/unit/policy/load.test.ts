import { describe, expect, test } from "vitest";
import {
  type LoadedPolicies,
  loadPolicyTexts,
  problemText,
} from "../../../limitador-bridge/policy/load.ts";
import { limited, load, matched, policy, problemsOf, request } from "./fixture.ts";

const simple = (name: string, limit = name) =>
  policy(`  limits: {${limit}: {rates: [{limit: 1, window: 1h}]}}\n`, { name });
const identity = (name: string) =>
  `apiVersion: tollgate.dev/v1alpha1\nkind: Identity\nmetadata: {name: ${name}}\nspec: {}\n`;

function reload(previous: LoadedPolicies, files: Record<string, string>): LoadedPolicies {
  return loadPolicyTexts(new Map(Object.entries(files)), { previous });
}

const budget = (name: string, scope: string, usd: number, more = "") =>
  `apiVersion: ai.systemhardening.com/v1\nkind: LLMBudget\nmetadata: {name: ${name}}\n` +
  `spec:\n  ${scope}\n  monthlyBudgetUSD: ${usd}\n${more}`;

describe("expressions in YAML: line and column of what is wrong", () => {
  test.each([
    [
      "plain",
      "        - predicate: request.pth == 1\n",
      'policies.yaml:11:22: spec.limits.a.when[0].predicate: "request" has no field "pth"; ' +
        'did you mean "path"?',
    ],
    [
      "single quotes",
      "        - predicate: 'true && request.pth == 1'\n",
      'policies.yaml:11:31: spec.limits.a.when[0].predicate: "request" has no field "pth"; ' +
        'did you mean "path"?',
    ],
    [
      "folded",
      "        - predicate: >\n            true &&\n            request.pth == 1\n",
      'policies.yaml:13:13: spec.limits.a.when[0].predicate: "request" has no field "pth"; ' +
        'did you mean "path"?',
    ],
    [
      "literal",
      "        - predicate: |-\n            true\n              && request.pth == 1\n",
      'policies.yaml:13:18: spec.limits.a.when[0].predicate: "request" has no field "pth"; ' +
        'did you mean "path"?',
    ],
    [
      "syntax",
      '        - predicate: request.path == "x" &&\n',
      "policies.yaml:11:44: spec.limits.a.when[0].predicate: Unexpected token: EOF",
    ],
    [
      "types",
      "        - predicate: true && request.path == 5\n",
      "policies.yaml:11:30: spec.limits.a.when[0].predicate: no such overload: string == int",
    ],
    [
      "behind a rewritten part",
      "        - predicate: has(auth.a) && request.path == 5\n",
      "policies.yaml:11:37: spec.limits.a.when[0].predicate: no such overload: string == int",
    ],
    [
      "escapes: the beginning of the text",
      '        - predicate: "true\\u0020&& request.pth == 1"\n',
      'policies.yaml:11:22: spec.limits.a.when[0].predicate: "request" has no field "pth"; ' +
        'did you mean "path"?',
    ],
    [
      "empty",
      "        - predicate: ''\n",
      'policies.yaml:11:22: spec.limits.a.when[0].predicate: expected a CEL expression, found ""',
    ],
    [
      "not a text",
      "        - predicate: true\n",
      "policies.yaml:11:22: spec.limits.a.when[0].predicate: expected a CEL expression, found true",
    ],
  ])("%s", (_, lines, problem) => {
    const text = policy(`  limits:\n    a:\n      rates: []\n      when:\n${lines}`);
    expect(problemsOf(load(text))).toEqual([problem]);
  });

  test("every problem of a file is told at once, in order", () => {
    const text = policy(
      "  limits:\n    a:\n      when: [{predicate: nope}]\n      counters: [{expression: " +
        "request.x}, {expression: '[1]'}]\n",
    );
    expect(problemsOf(load(text))).toEqual([
      'policies.yaml:9:26: spec.limits.a.when[0].predicate: unknown attribute "nope"',
      'policies.yaml:10:31: spec.limits.a.counters[0].expression: "request" has no field "x"',
      "policies.yaml:10:57: spec.limits.a.counters[1].expression: the expression must give " +
        "a single value, found list<int>",
    ]);
  });
});

describe("documents", () => {
  test.each([
    [
      "a: [1\n",
      "policies.yaml:2:1: YAML: Flow sequence in block collection must be sufficiently " +
        "indented and end with a ]",
    ],
    [
      "user: x: y\n",
      "policies.yaml:1:7: YAML: Nested mappings are not allowed in compact mappings",
    ],
    ["a: 1\na: 2\n", "policies.yaml:2:1: YAML: Map keys must be unique"],
    [
      "just text\n",
      "policies.yaml:1:1: apiVersion: is missing: expected a Kubernetes object with " +
        "apiVersion, kind and metadata",
    ],
    [
      "apiVersion: v1\n",
      "policies.yaml:1:1: kind: is missing: expected a Kubernetes object with apiVersion, " +
        "kind and metadata",
    ],
    [
      "apiVersion: kuadrant.io/v1\nkind: TokenRateLimitPolicy\n",
      'policies.yaml:1:13: apiVersion: expected "kuadrant.io/v1alpha1", found "kuadrant.io/v1"',
    ],
    [
      "apiVersion: kuadrant.io/v1alpha1\nkind: TokenRatelimitPolcy\n",
      'policies.yaml:2:7: kind: unknown kind "TokenRatelimitPolcy": expected TokenRateLimitPolicy',
    ],
    [
      "apiVersion: tollgate.dev/v1alpha1\nkind: Budget\n",
      'policies.yaml:2:7: kind: unknown kind "Budget": expected Identity or PriceTable or ApiRoute',
    ],
    [
      "apiVersion: tollgate.dev/v1alpha1\nkind: Identity\nmetadata: {}\nspec: {}\n",
      "policies.yaml:3:11: metadata.name: is missing: expected a name",
    ],
    [
      "apiVersion: tollgate.dev/v1alpha1\nkind: Identity\nmetadata: {name: Über}\nspec: {}\n",
      "policies.yaml:3:18: metadata.name: expected a name of lower-case letters, digits, " +
        '"-" and ".", found "Über"',
    ],
    [
      "apiVersion: tollgate.dev/v1alpha1\nkind: Identity\nmetadata: {name: a}\n",
      "policies.yaml:1:1: spec: is missing: expected a map",
    ],
  ])("%j is refused", (text, problem) => {
    expect(problemsOf(load(text))).toEqual([problem]);
  });

  test("aliases that expand without end are refused", () => {
    const bomb = `a: &a [x, x, x, x, x, x, x, x, x, x]\n${"bcdefgh"
      .split("")
      .map((name, i) => `${name}: &${name} [${Array(10).fill(`*${"abcdefg"[i]}`).join(", ")}]\n`)
      .join("")}`;
    expect(problemsOf(load(bomb))).toEqual([
      "policies.yaml:1:1: YAML: Excessive alias count indicates a resource exhaustion attack",
    ]);
  });

  test("other Kubernetes objects are ignored, and shown so", () => {
    const loaded = load(
      "---\n# nothing\n---\napiVersion: kuadrant.io/v1\nkind: AuthPolicy\nmetadata: {name: " +
        "auth, namespace: team-a}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: key}\n",
    );
    expect(problemsOf(loaded)).toEqual([]);
    const common = {
      file: "policies.yaml",
      accepted: false,
      problems: [],
      inForce: false,
      ignored: true,
    };
    expect(loaded.set.status()).toEqual([
      { kind: "AuthPolicy", namespace: "team-a", name: "auth", ...common },
      { kind: "Secret", namespace: "default", name: "key", ...common },
    ]);
  });

  test("an LLMBudget is accepted, with its warnings", () => {
    const loaded = load(budget("b", "team: x", 1, "  users: {a: {maxMonthlyUSD: 2}}\n"));
    expect(problemsOf(loaded)).toEqual([]);
    expect(loaded.warnings.map(problemText)).toEqual([
      "policies.yaml:7:30: spec.users.a.maxMonthlyUSD: " +
        "2 is over the whole budget of 1 USD: it limits nothing",
    ]);
    expect(
      loaded.set.status().map(({ kind, accepted, inForce }) => [kind, accepted, inForce]),
    ).toEqual([["LLMBudget", true, true]]);
  });

  test.each([
    ["team: x", 'team "x"'],
    ['team: "*"', "teams without a budget"],
    ["organization: x", 'organization "x"'],
  ])("two budgets for %s are a problem that names both", (scope, subject) => {
    const loaded = load({ "a.yaml": budget("one", scope, 1), "b.yaml": budget("two", scope, 2) });
    expect(problemsOf(loaded)).toEqual([
      "b.yaml:3:18: metadata.name: LLMBudget default/two and LLMBudget default/one are both " +
        `for ${subject}; the other one is defined in a.yaml:1:1`,
    ]);
    expect(loaded.documents.map(({ source }) => source.name)).toEqual(["one"]);
    const inOne = load(`${budget("one", scope, 1)}---\n${budget("two", scope, 2)}`);
    expect(problemsOf(inOne)).toEqual([
      "policies.yaml:10:18: metadata.name: LLMBudget default/two and LLMBudget default/one " +
        `are both for ${subject}; the other one is defined in policies.yaml:1:1`,
    ]);
  });

  test("a team and an organization of one name do not clash", () => {
    const loaded = load(
      `${budget("one", "team: x", 1)}---\n${budget("two", "organization: x", 2)}`,
    );
    expect(problemsOf(loaded)).toEqual([]);
  });

  test("PriceTable documents are handed on with their positions", () => {
    const text = `${simple("p")}---
apiVersion: tollgate.dev/v1alpha1
kind: PriceTable
metadata: {name: default}
spec:
  models:
  - match: "gpt-*"
`;
    const [table, ...others] = load(text).documents.flatMap(({ source, kind }) =>
      kind?.kind === "PriceTable" ? [source] : [],
    );
    expect(others).toEqual([]);
    expect(table?.value).toMatchObject({ spec: { models: [{ match: "gpt-*" }] } });
    expect(table?.locate(["spec", "models", 0, "match"])).toEqual({ line: 14, column: 12 });
    expect(table?.problem(["spec", "models", 0, "price"], "is missing")).toEqual({
      file: "policies.yaml",
      line: 14,
      column: 5,
      field: "spec.models[0].price",
      message: "is missing",
    });
  });
});

describe("clashes between files", () => {
  test("the same object twice names both files", () => {
    const loaded = load({
      "a.yaml": simple("p", "first"),
      "b.yaml": `# b\n${simple("p", "second")}`,
    });
    expect(problemsOf(loaded)).toEqual([
      "b.yaml:5:9: metadata.name: TokenRateLimitPolicy default/p is already defined in a.yaml:1:1",
    ]);
    expect(matched(loaded, request())).toEqual(["first"]);
  });

  test("the same object twice in one file", () => {
    expect(problemsOf(load(`${simple("p")}---\n${simple("p")}`))).toEqual([
      "policies.yaml:12:9: metadata.name: TokenRateLimitPolicy default/p is already " +
        "defined in policies.yaml:1:1",
    ]);
  });

  test("the same name in two namespaces is two objects", () => {
    const other = simple("p", "other").replace("name: p\n", "name: p\n  namespace: team-a\n");
    expect(matched(load({ "a.yaml": simple("p"), "b.yaml": other }), request())).toEqual([
      "p",
      "other",
    ]);
  });

  test("two Identities", () => {
    expect(problemsOf(load({ "a.yaml": identity("one"), "b.yaml": identity("two") }))).toEqual([
      "b.yaml:3:18: metadata.name: only one Identity can be in force, and Identity " +
        "default/one is defined in a.yaml:1:1",
    ]);
  });

  test("what is new is at fault, also where its name comes first", () => {
    const before = load({ "b.yaml": simple("p", "old") });
    const after = reload(before, { "a.yaml": simple("p", "new"), "b.yaml": simple("p", "old") });
    expect(problemsOf(after)).toEqual([
      "a.yaml:4:9: metadata.name: TokenRateLimitPolicy default/p is already defined in b.yaml:1:1",
    ]);
    expect(matched(after, request())).toEqual(["old"]);
    const moved = reload(after, { "a.yaml": simple("p", "new") });
    expect(problemsOf(moved)).toEqual([]);
    expect(matched(moved, request())).toEqual(["new"]);
  });
});

describe("reload", () => {
  test("a broken file goes on serving its last good version, others change", () => {
    const first = load({ "a.yaml": simple("a"), "b.yaml": simple("b", "b1") });
    const broken = reload(first, { "a.yaml": "kind: [", "b.yaml": simple("b", "b2") });
    expect(matched(broken, request())).toEqual(["a", "b2"]);
    const problem = {
      file: "a.yaml",
      line: 1,
      column: 8,
      field: "",
      message:
        "YAML: Flow sequence in block collection must be sufficiently indented and end with a ]",
    };
    expect(broken.problems).toEqual([problem]);
    expect(broken.set.status()).toMatchObject([
      {
        name: "a",
        file: "a.yaml",
        accepted: false,
        inForce: true,
        problems: [problem],
        limits: ["a"],
      },
      { name: "b", file: "b.yaml", accepted: true, inForce: true, problems: [], limits: ["b2"] },
    ]);
    const mended = reload(broken, { "a.yaml": simple("a", "a2"), "b.yaml": simple("b", "b2") });
    expect(matched(mended, request())).toEqual(["a2", "b2"]);
    expect(mended.problems).toEqual([]);
  });

  test("broken twice in a row still serves the last good version", () => {
    let loaded = load({ "a.yaml": simple("a") });
    for (const text of ["kind: [", limited("request.pth == 1"), limited("request.path == 1")]) {
      loaded = reload(loaded, { "a.yaml": text });
      expect(loaded.problems.length).toBe(1);
      expect(matched(loaded, request())).toEqual(["a"]);
    }
  });

  test("one broken document holds back its whole file", () => {
    const first = load({ "a.yaml": `${simple("a", "a1")}---\n${simple("b", "b1")}` });
    const second = reload(first, {
      "a.yaml": `${simple("a", "a2")}---\n${simple("b", "b2")}  bad: 1\n`,
    });
    expect(matched(second, request())).toEqual(["a1", "b1"]);
    expect(
      second.set.status().map(({ name, accepted, inForce }) => [name, accepted, inForce]),
    ).toEqual([
      ["a", false, true],
      ["b", false, true],
    ]);
  });

  test("a broken file that never was good serves nothing, and is shown", () => {
    const loaded = load({ "a.yaml": "kind: [", "b.yaml": simple("b") });
    expect(matched(loaded, request())).toEqual(["b"]);
    expect(loaded.set.status()).toMatchObject([
      { kind: "", name: "", file: "a.yaml", accepted: false, inForce: false },
      { name: "b", accepted: true },
    ]);
  });

  test("a deleted file's objects are gone", () => {
    const first = load({ "a.yaml": simple("a"), "b.yaml": simple("b") });
    expect(matched(reload(first, { "b.yaml": simple("b") }), request())).toEqual(["b"]);
  });

  test("the version tells what is in force, and nothing else", () => {
    const first = load({ "a.yaml": simple("a") });
    expect(reload(first, { "a.yaml": simple("a") }).set.version).toBe(first.set.version);
    expect(reload(first, { "x.yml": `# moved\n${simple("a")}` }).set.version).toBe(
      first.set.version,
    );
    expect(reload(first, { "a.yaml": "kind: [" }).set.version).toBe(first.set.version);
    expect(reload(first, { "a.yaml": simple("a", "b") }).set.version).not.toBe(first.set.version);
  });
});
