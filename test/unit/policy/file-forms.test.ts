/** Policies in the forms that people have them in: Lists, as kubectl prints them, and JSON. */
import { describe, expect, test } from "vitest";
import { load, matched, policy, problemsOf, request } from "./fixture.ts";

const simple = (name: string) =>
  policy(`  limits: {${name}: {rates: [{limit: 1, window: 1h}]}}\n`, { name });

/** `kubectl get … -o yaml` of these objects. */
function list(...texts: string[]): string {
  const items = texts.map((text) => `- ${text.trimEnd().replaceAll("\n", "\n  ")}\n`);
  const value = items.length === 0 ? " []\n" : `\n${items.join("")}`;
  return `apiVersion: v1\nitems:${value}kind: List\nmetadata:\n  resourceVersion: ""\n`;
}

const secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: key}\n";

describe("a List", () => {
  test("holds documents of their own", () => {
    const loaded = load(list(simple("a"), secret, simple("b")));
    expect(problemsOf(loaded)).toEqual([]);
    expect(matched(loaded, request())).toEqual(["a", "b"]);
    expect(loaded.set.status().map(({ kind, name, inForce }) => [kind, name, inForce])).toEqual([
      ["TokenRateLimitPolicy", "a", true],
      ["Secret", "key", false],
      ["TokenRateLimitPolicy", "b", true],
    ]);
  });

  test.each([
    ["js-yaml reads", ""],
    ["only the full parser reads", "# &\n"],
  ])("says where something is wrong, in a text that %s", (_, before) => {
    const lines = before === "" ? 0 : 1;
    const wrong = simple("b").replace("limit: 1", "limit: x");
    const loaded = load(before + list(simple("a"), wrong, "just text", simple("a")));
    expect(problemsOf(loaded)).toEqual([
      `policies.yaml:${16 + lines}:34: items[1].spec.limits.b.rates[0].limit: expected an ` +
        'integer from 0 to 9007199254740991, found "x"',
      `policies.yaml:${17 + lines}:3: items[2].apiVersion: is missing: expected a Kubernetes ` +
        "object with apiVersion, kind and metadata",
    ]);
  });

  test("names the place of what is there twice", () => {
    expect(problemsOf(load(list(simple("a"), simple("a"))))).toEqual([
      "policies.yaml:13:11: items[1].metadata.name: TokenRateLimitPolicy default/a is already " +
        "defined in policies.yaml:3:3",
    ]);
  });

  test("names the place of an unknown field, and of one within an expression", () => {
    const wrong = simple("a").replace("rates", "rate");
    const expression = simple("b").replace(
      "rates:",
      "when: [{predicate: 'request.pth == 1'}], rates:",
    );
    expect(problemsOf(load(list(wrong, expression)))).toEqual([
      'policies.yaml:9:18: items[0].spec.limits.a.rate: unknown field "rate"; did you mean ' +
        '"rates"?',
      'policies.yaml:16:38: items[1].spec.limits.b.when[0].predicate: "request" has no field ' +
        '"pth"; did you mean "path"?',
    ]);
  });

  test("may hold Lists, and nothing", () => {
    expect(matched(load(list(list(simple("a")), list())), request())).toEqual(["a"]);
  });

  test("that is none is refused", () => {
    expect(problemsOf(load("apiVersion: v1\nkind: List\nitems: {a: 1}\n"))).toEqual([
      "policies.yaml:3:8: items: expected the objects of the List, found no list",
    ]);
  });
});

describe("JSON", () => {
  const text = (limit: unknown, indent: number | string) =>
    JSON.stringify(
      {
        apiVersion: "kuadrant.io/v1alpha1",
        kind: "TokenRateLimitPolicy",
        metadata: { name: "p", annotations: { note: 'a / "b" \u{1f600} \t &x *y #z' } },
        spec: {
          targetRef: { group: "gateway.networking.k8s.io", kind: "Gateway", name: "gw" },
          limits: { one: { rates: [{ limit, window: "1h" }] } },
        },
      },
      null,
      indent,
    );

  test.each([0, 2, "\t"])("indented by %j is read as YAML is", (indent) => {
    const yaml = `apiVersion: kuadrant.io/v1alpha1
kind: TokenRateLimitPolicy
metadata: {name: p, annotations: {note: "a / \\"b\\" \u{1f600} \\t &x *y #z"}}
spec:
  targetRef: {group: gateway.networking.k8s.io, kind: Gateway, name: gw}
  limits: {one: {rates: [{limit: 1e3, window: 1h}]}}
`;
    const loaded = load({ "p.json": text(1000, indent) });
    expect(problemsOf(loaded)).toEqual([]);
    expect(loaded.documents[0]?.source.value).toEqual(load(yaml).documents[0]?.source.value);
  });

  test("is refused with line and column", () => {
    expect(problemsOf(load({ "p.json": text("x", 2) }))).toEqual([
      "p.json:20:22: spec.limits.one.rates[0].limit: expected an integer from 0 to " +
        '9007199254740991, found "x"',
    ]);
    expect(problemsOf(load({ "p.json": text("x", "\t") }))).toEqual([
      "p.json:20:16: spec.limits.one.rates[0].limit: expected an integer from 0 to " +
        '9007199254740991, found "x"',
    ]);
    expect(problemsOf(load({ "p.json": '{\n  "kind": "A"\n  "b": 1\n}\n' }))).toEqual([
      "p.json:3:3: YAML: Missing , between flow map items",
    ]);
  });
});
