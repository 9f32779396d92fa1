/** Positions of documents that are parsed by themselves. */
import { describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { documentTexts } from "../../../limitador-bridge/policy/document-texts.ts";
import { load, policy, problemsOf } from "./fixture.ts";

describe("the texts of a file's documents", () => {
  test.each<[string, number[]]>([
    ["a: 1\n", [0]],
    ["---\na: 1\n", [0]],
    ["# first\n---\na: 1\n---\n# none\n---\n--- # none\n---\nb: 1\n---", [1, 7]],
    ["--- {a: 1}\n--- text\n", [0, 1]],
    ["a: |\n  x\n\n   ---\n---- : 1\n--- \nb: 1", [0, 5]],
    ["a: ---\n- ---\n---\n", [0]],
    ["", []],
  ])("%j begin after lines %j", (text, expected) => {
    expect(documentTexts(text).map(({ linesBefore }) => linesBefore)).toEqual(expected);
  });

  test("are what the parser of the whole finds", () => {
    const text = "# x\n--- {a: 1}\n---\nb: |\n  y\n\n---\n# none\n---\nc: [1,\n  2]\n";
    const whole = parseAllDocuments(text).map((document) => document.toJS() as unknown);
    const parts = documentTexts(text).flatMap((part) =>
      parseAllDocuments(part.text).map((document) => document.toJS() as unknown),
    );
    expect(parts).toEqual(whole.filter((value) => value !== null));
  });
});

test.each([
  ["by itself", ""],
  ["within the whole file, where that is told apart by reading only", "---\nnull\n"],
])("a problem's place in the second document, parsed %s", (_, more) => {
  const wrong = policy("  limits: {a: {rates: [{limit: x, window: 1h}]}}\n");
  expect(
    problemsOf(load(`# top\n${policy("  limits: {a: {}}\n", { name: "q" })}${more}---\n${wrong}`)),
  ).toEqual([
    `policies.yaml:${more === "" ? 16 : 18}:32: spec.limits.a.rates[0].limit: expected an ` +
      'integer from 0 to 9007199254740991, found "x"',
  ]);
});
