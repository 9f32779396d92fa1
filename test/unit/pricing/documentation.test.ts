/** The examples in the documentation are taken as they stand. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { SERVICE_KINDS } from "../../../limitador-bridge/admission/price-source.ts";
import { loadPolicyTexts, problemText } from "../../../limitador-bridge/policy/load.ts";

const examplesIn = (file: string) =>
  [...readFileSync(file, "utf8").matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, text = ""]) => text);

test.each([
  ["docs/prices.md", ["PriceTable"]],
  ["docs/usage.md", ["ApiRoute"]],
])("%s", (file, kinds) => {
  const examples = examplesIn(file);
  const loaded = examples.map((text) =>
    loadPolicyTexts(new Map([["example.yaml", text]]), { kinds: SERVICE_KINDS }),
  );
  expect(loaded.flatMap(({ problems }) => problems.map(problemText))).toEqual([]);
  expect(loaded.flatMap(({ set }) => set.status().map(({ kind }) => kind))).toEqual(kinds);
});
