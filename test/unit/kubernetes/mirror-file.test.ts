/** Objects as files: names, texts, and what is written and removed. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  asClusterObject,
  type ClusterObject,
} from "../../../limitador-bridge/kubernetes/cluster-object.ts";
import { BUDGET_KIND, MIRRORED_KINDS } from "../../../limitador-bridge/kubernetes/kinds.ts";
import {
  fileNameOf,
  fileTextOf,
  kindOfFile,
  planFolder,
} from "../../../limitador-bridge/kubernetes/mirror-file.ts";
import { readYamlFile } from "../../../limitador-bridge/policy/yaml-file.ts";

const named = (namespace: string, name: string): ClusterObject => ({
  metadata: { namespace, name },
});
const BUDGET = "llmbudget.ml.ml-team-budget.yaml";

describe("the name of a file", () => {
  test("is of kind, namespace and name in lower case", () => {
    expect(fileNameOf(BUDGET_KIND, named("ml", "ml-team-budget"))).toBe(BUDGET);
    expect(fileNameOf(BUDGET_KIND, named("ml", "a.b"))).toBe("llmbudget.ml.a.b.yaml");
  });

  test("is cut where a file system would not take it, and stays its object's alone", () => {
    const [one, other] = ["1", "2"].map((end) =>
      fileNameOf(BUDGET_KIND, named("n".repeat(63), `${"a".repeat(252)}${end}`)),
    );
    expect(one).toHaveLength(240);
    expect(one).toMatch(/^llmbudget\.n{63}\.a+~[0-9a-f]{16}\.yaml$/);
    expect(other).not.toBe(one);
    expect(kindOfFile(one as string)).toBe(BUDGET_KIND);
  });

  test.each([
    ["..", "x"],
    ["ml", "../../etc/passwd"],
    ["ml", ".hidden"],
    ["ml", "Upper"],
    ["a.b", "x"],
    ["", "x"],
  ])("is never made of namespace %s and name %s: that is no object", (namespace, name) => {
    expect(asClusterObject(named("ml", "a.b-c.1"))).not.toBe(null);
    expect(asClusterObject(named(namespace, name))).toBe(null);
  });

  test("tells the files of this program from others", () => {
    expect(kindOfFile(BUDGET)).toBe(BUDGET_KIND);
    const others = ["identity.yaml", "secret.ml.x.yaml", "llmbudget.ml.x.yml", `${BUDGET}.new`];
    expect(others.map(kindOfFile)).toEqual([null, null, null, null]);
  });
});

describe("the text of a file", () => {
  test("has what the service reads, and nothing that changes with a status", () => {
    const object = {
      apiVersion: "ai.systemhardening.com/v1",
      kind: "LLMBudget",
      metadata: {
        name: "ml-team-budget",
        namespace: "ml",
        uid: "1-2",
        generation: 3,
        resourceVersion: "17",
        creationTimestamp: "2026-11-01T00:00:00Z",
        annotations: { "kubectl.kubernetes.io/last-applied-configuration": "{}" },
        managedFields: [{}],
      },
      spec: { team: "ml-team", monthlyBudgetUSD: 8000 },
      status: { currentSpendUSD: 12.5 },
    };
    expect(fileTextOf(BUDGET_KIND, object)).toBe(`{
  "apiVersion": "ai.systemhardening.com/v1",
  "kind": "LLMBudget",
  "metadata": {
    "name": "ml-team-budget",
    "namespace": "ml",
    "creationTimestamp": "2026-11-01T00:00:00Z"
  },
  "spec": {
    "team": "ml-team",
    "monthlyBudgetUSD": 8000
  }
}
`);
  });

  test("is read by the service as the object was, whatever stands in it", () => {
    const anything = fc.jsonValue({ stringUnit: "grapheme", maxDepth: 4 });
    const odd = fc.constantFrom(
      "\u007f",
      "\u2028",
      "\ufeff",
      "a: &b",
      "<<",
      "\t",
      "#",
      "'\"",
      "\ud800",
    );
    fc.assert(
      fc.property(anything, odd, (value, text) => {
        const spec = { value, text, [text]: [text, { [`x${text}`]: text }] };
        const object = { ...named("ml", "x"), spec };
        const { sources, problems } = readYamlFile("f.yaml", fileTextOf(BUDGET_KIND, object));
        expect(problems).toEqual([]);
        const read = sources.map((source) => (source.value as { spec: unknown }).spec);
        expect(JSON.stringify(read)).toBe(JSON.stringify([spec]));
      }),
      { numRuns: 500 },
    );
  });
});

describe("the plan of a folder", () => {
  const identity = "identity.ml.default.yaml";

  test("writes what is new or changed, and removes what is gone", () => {
    const present = new Map([
      ["llmbudget.ml.same.yaml", "1"],
      ["llmbudget.ml.changed.yaml", "1"],
      ["llmbudget.ml.gone.yaml", "1"],
    ]);
    const wanted = new Map([
      ["llmbudget.ml.same.yaml", "1"],
      ["llmbudget.ml.changed.yaml", "2"],
      ["llmbudget.ml.new.yaml", "1"],
    ]);
    expect(planFolder(present, wanted, MIRRORED_KINDS)).toEqual({
      write: new Map([
        ["llmbudget.ml.changed.yaml", "2"],
        ["llmbudget.ml.new.yaml", "1"],
      ]),
      remove: ["llmbudget.ml.gone.yaml"],
    });
  });

  test("leaves files of kinds of which no list was seen, and files of others", () => {
    const present = new Map([
      [BUDGET, "1"],
      [identity, "1"],
      ["mine.yaml", "1"],
    ]);
    const plan = planFolder(present, new Map(), [BUDGET_KIND]);
    expect(plan).toEqual({ write: new Map(), remove: [BUDGET] });
  });
});
