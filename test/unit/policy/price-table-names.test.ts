/** PriceTables have names as all objects have. */
import { expect, test } from "vitest";
import { SERVICE_KINDS } from "../../../limitador-bridge/admission/price-source.ts";
import { loadPolicyTexts, problemText } from "../../../limitador-bridge/policy/load.ts";

function load(metadata: string, models = "[{match: m, perMillionTokensUSD: {input: 1}}]") {
  const text =
    "apiVersion: tollgate.dev/v1alpha1\nkind: PriceTable\n" +
    `metadata: ${metadata}\nspec: {models: ${models}}\n`;
  return loadPolicyTexts(new Map([["p.yaml", text]]), { kinds: SERVICE_KINDS });
}

const EXPECTED = 'of lower-case letters, digits, "-" and ".", found';

test.each([
  ["{name: POST}", [`p.yaml:3:18: metadata.name: expected a name ${EXPECTED} "POST"`]],
  [
    "{name: a, namespace: A_b}",
    [`p.yaml:3:32: metadata.namespace: expected a namespace ${EXPECTED} "A_b"`],
  ],
  ["{name: a.b-1, namespace: infra, labels: {A: B}}", []],
])("%s", (metadata, problems) => {
  const loaded = load(metadata);
  expect(loaded.problems.map(problemText)).toEqual(problems);
  expect(loaded.documents.map(({ object }) => object !== null)).toEqual(
    problems.length === 0 ? [true] : [],
  );
});

test("a wrong name is told beside what else is wrong", () => {
  expect(load("{name: POST}", "[]").problems.map(problemText)).toEqual([
    `p.yaml:3:18: metadata.name: expected a name ${EXPECTED} "POST"`,
    "p.yaml:4:16: spec.models: expected a list that is not empty, found an empty list",
  ]);
});
