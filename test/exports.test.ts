/** What is exported is there for another file. */
import { expect, test } from "vitest";
import { moduleOf, unusedValues } from "./exports.ts";
import { nodesOf, projectFiles } from "./sources.ts";

/** run-bundle.ts takes it from the bundle. */
const BUNDLED = "limitador-bridge/main.ts:started";

test("every value that the service's files export is imported by another file", () => {
  const modules = projectFiles("*.ts", "*.mjs").map((file) => moduleOf(file, nodesOf(file)));
  const unused = unusedValues(modules).filter((found) => found.startsWith("limitador-bridge/"));
  expect(unused).toEqual([BUNDLED]);
});
