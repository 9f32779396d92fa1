/** The house style's checks see what they are for. */
import { describe, expect, test } from "vitest";
import { moduleOf, unusedValues } from "../exports.ts";
import { longFunctions } from "../long-functions.ts";
import { nodesIn } from "../sources.ts";

test.each([
  [1, "function plain() {\n\n\n}"],
  [1, "export async function signature(\n  a: number,\n  b: number,\n) {}"],
  [2, "class Has {\n  #hold(\n    a: i32,\n    b: i32,\n  ): void {}\n}"],
  [2, "class Has {\n  plain(): void {\n\n\n  }\n}"],
  [2, "class Has {\n  constructor(\n    a: i32,\n    b: i32,\n  ) {}\n}"],
  [1, "const arrow = (\n  a: i32,\n) =>\n  a;"],
  [2, "const object = {\n  method() {\n\n\n  },\n};"],
])("a function of 4 lines is one of more than 3: at line %i of %j", (first, text) => {
  const nodes = nodesIn("its.ts", text);
  expect(longFunctions(text, nodes, 3)).toEqual([first]);
  expect(longFunctions(text, nodes, 4)).toEqual([]);
});

describe("a value that is exported", () => {
  const unused = (files: Record<string, string>) =>
    unusedValues(Object.entries(files).map(([file, text]) => moduleOf(file, nodesIn(file, text))));

  test("and imported by no other file is told", () => {
    const text =
      "export const a = 1, { b, c: [d] } = o;\nexport function e() {}\nexport class F {}\n" +
      "export default a;\nexport { a as g };\nexport type H = 1;\nexport interface I {}\n";
    expect(unused({ "x/a.ts": text, "x/b.ts": 'import { z } from "./c.ts";' })).toEqual(
      ["a", "b", "d", "e", "F", "default", "g"].map((name) => `x/a.ts:${name}`),
    );
  });

  test.each([
    'import { a } from "../x/a.ts";',
    'import { a as b } from "../x/a.ts";',
    'import type { a } from "../x/a.ts";',
    'import * as all from "../x/a.ts";',
    'export { a } from "../x/a.ts";',
    'const { a } = await import("../x/a.ts");',
  ])("and imported is not: %s", (text) => {
    const told = unused({ "x/a.ts": "export class a {}", "y/b.ts": text });
    expect(told.filter((name) => name.startsWith("x/"))).toEqual([]);
  });

  test("beside a type of its name is told where only the type is imported", () => {
    const text = "export const A = 1;\nexport type A = typeof A;";
    for (const its of ["type { A }", "{ type A }"]) {
      expect(unused({ "a.ts": text, "b.ts": `import ${its} from "./a.ts";` })).toEqual(["a.ts:A"]);
    }
    expect(unused({ "a.ts": text, "b.ts": 'import { A } from "./a.ts";' })).toEqual([]);
  });
});
