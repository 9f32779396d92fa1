import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { readYamlFile } from "../../../limitador-bridge/policy/yaml-file.ts";
import { readYamlValues } from "../../../limitador-bridge/policy/yaml-values.ts";

/** What the full parser makes of it; null where it refuses it. */
function fullParse(text: string): unknown[] | null {
  const parsed = parseAllDocuments(text, { prettyErrors: false, logLevel: "silent" });
  if ("empty" in parsed) return [];
  if (parsed.some(({ errors }) => errors.length > 0)) return null;
  return parsed.map((yaml): unknown => yaml.toJS()).filter((value) => value !== null);
}

const POLICY = `# comment — é
apiVersion: kuadrant.io/v1alpha1
kind: TokenRateLimitPolicy
metadata: {name: "free", labels: {app.kubernetes.io/part-of: 'it''s'}}
spec:
  targetRef:   # comment
    group: gateway.networking.k8s.io

    kind: Gateway
  limits:
    free:
      rates:
      - limit: 20000
        window: 24h
      - {limit: 0.50, window: 1d,
         # comment
         unit: usd}
      when:
        - predicate: request.path == "/v1/chat/completions" && !has(a.b)
        - predicate: >
            groups.split(",")
            .exists(g, g == "free")
        - predicate: |-
            true

      counters: []
---
# nothing
---
other: [~, null, yes, 0o17, 017, 0x1f, 1e3, .5, +1, 1_000, -0, 2001-12-14, .inf]
"quoted": "a: \\"b\\" # c
  d"
z:
- {}
- "x"
- - 'y'
`;

describe("the values of YAML", () => {
  test("are read as the full parser reads them", () => {
    expect(readYamlValues(POLICY)).toEqual([
      {
        apiVersion: "kuadrant.io/v1alpha1",
        kind: "TokenRateLimitPolicy",
        metadata: { name: "free", labels: { "app.kubernetes.io/part-of": "it's" } },
        spec: {
          targetRef: { group: "gateway.networking.k8s.io", kind: "Gateway" },
          limits: {
            free: {
              rates: [
                { limit: 20000, window: "24h" },
                { limit: 0.5, window: "1d", unit: "usd" },
              ],
              when: [
                { predicate: 'request.path == "/v1/chat/completions" && !has(a.b)' },
                { predicate: 'groups.split(",") .exists(g, g == "free")\n' },
                { predicate: "true" },
              ],
              counters: [],
            },
          },
        },
      },
      {
        other: [
          ...[null, null, "yes", 15, 17, 31, 1000, 0.5, 1, "1_000", -0],
          ...["2001-12-14", Number.POSITIVE_INFINITY],
        ],
        quoted: 'a: "b" # c d',
        z: [{}, "x", ["y"]],
      },
    ]);
    expect(readYamlValues(POLICY)).toEqual(fullParse(POLICY));
  });

  test.each([
    ["an anchor", "a: &x 1\nb: *x\n"],
    ["a tag", "a: !t 1\n"],
    ["a merge key", "<<: {a: 1}\n"],
    ["a ternary", "a: x ? y : z\n"],
    ["the same key twice", "a: 1\na: 2\n"],
    ["a key in the wrong column", "a:\n    b: 1\n  c: 2\n"],
    ["a key that is a number", "1: a\n"],
    ["a key that is null", "null: a\n"],
    ["a key that is missing", ": a\n"],
    ["a key that is a list", "? [a]\n: b\n"],
    ["a tab", "a:\t1\n"],
    ["a carriage return", "a: 1\r\n"],
    ["a space that is none of ASCII's", "a:\n- []\u00a0: 1\n"],
    ["a byte order mark", "\ufeffa: 1\n"],
    ["a number beyond a double's range", "a: 1e400\n"],
    ["a directive", "%YAML 1.2\n---\na: 1\n"],
    ["an end mark", "a: 1\n...\n"],
    ["a document's mark that is indented", " --- a\n"],
    ["a text's own indentation", "a: |1\n b\n"],
    ["a text that keeps the lines at its end", "a: |+\n b\n\n "],
    ["an escaped line break", 'a: "b\\\n\n  c"\n'],
    ["a comment without a space", "a:\n#b\n c\nd: 1\n"],
    ["a comment before a flow map's end", "{a: 1\n# c\n}\n"],
    ["a key behind a flow map in a list", "a:\n- {}b: 1\n"],
    ["a key behind a flow list in a list of lists", "a:\n- - [] b: 1\n"],
    ["a key behind a quoted text in a list", 'a:\n- "\\""b: 1\n'],
    ["a key behind another quoted text in a list", "a:\n- ''''? b\n"],
    ["__proto__", "__proto__: 1\n"],
    ["an open quote", 'a: "b\n'],
    ["depth", `${"[".repeat(200)}${"]".repeat(200)}\n`],
  ])("%s is left to the full parser", (_, text) => {
    expect(readYamlValues(text)).toBeNull();
  });

  test("have their positions in the document they are of, with empty ones between", () => {
    const text = "---\n---\na: 1\n---\n# nothing\n---\nnull\n--- \nb:\n  c: 1\n---\n";
    expect(readYamlValues(text)).toEqual([{ a: 1 }, { b: { c: 1 } }]);
    const { sources, problems } = readYamlFile("x.yaml", text);
    expect(problems).toEqual([]);
    expect(sources.map((source) => source.value)).toEqual([{ a: 1 }, { b: { c: 1 } }]);
    expect(sources[0]?.locate(["a"])).toEqual({ line: 3, column: 4 });
    expect(sources[1]?.locate(["b", "c"])).toEqual({ line: 10, column: 6 });
  });

  test("whatever is read of a changed text, the full parser reads too", () => {
    const bits = [
      ..." |  |: |:|- |#| # c|{|}|[|]|,|\"|'|\\|>-|~|true|1e3|-1|0x1F|&a |*a|!t |?|é|\t".split("|"),
      ...["|", "\n", "\n  ", "\n\n", "\r\n", "\n# c\n", "\n---\n", "\n...\n"],
      ...["k: v", "? k", "{}", '""'],
    ];
    const lines = POLICY.split("\n");
    const edit = fc.record({
      at: fc.nat(),
      cut: fc.nat({ max: 3 }),
      bit: fc.constantFrom("", ...bits),
    });
    let read = 0;
    fc.assert(
      fc.property(
        fc.nat({ max: lines.length }),
        fc.nat({ max: lines.length }),
        fc.array(edit, { minLength: 1, maxLength: 3 }),
        (from, count, edits) => {
          let text = lines.slice(from, from + count).join("\n");
          for (const { at, cut, bit } of edits) {
            const place = at % (text.length + 1);
            text = text.slice(0, place) + bit + text.slice(place + cut);
          }
          const values = readYamlValues(text);
          if (values === null) return;
          read++;
          expect(values).toEqual(fullParse(text));
        },
      ),
      { numRuns: 3_000, seed: 20260101 },
    );
    expect(read).toBeGreaterThan(500);
  });
});
