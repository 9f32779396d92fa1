/** Getters of a time in a zone: by name, and by a fixed offset as CEL has them. */
import { describe, expect, test } from "vitest";
import { toRequestContext } from "../../../limitador-bridge/cel/attributes.ts";
import { compileExpression } from "../../../limitador-bridge/cel/expression.ts";
import { LLM } from "../policy/fixture.ts";
import { compiled } from "./compiled.ts";
import { failureOf } from "./failure.ts";

function at(time: string, zone = "") {
  return toRequestContext({ request: { time, headers: { "x-zone": zone } } }, LLM);
}

/** All getters in one text, from the year to the milliseconds, and then the days. */
function fields(zone: string, time: string): string {
  const argument = zone === "" ? "" : `'${zone}'`;
  const names =
    "FullYear Month Date Hours Minutes Seconds Milliseconds DayOfMonth DayOfWeek DayOfYear";
  const reads = names.split(" ").map((name) => `string(request.time.get${name}(${argument}))`);
  return String(compiled(`[${reads.join(", ")}].join(' ')`).evaluate(at(time).attributes));
}

test.each([
  ["", "2026-11-22T07:05:09.120Z", "2026 10 22 7 5 9 120 21 0 325"],
  ["UTC", "2026-11-22T07:05:09.120Z", "2026 10 22 7 5 9 120 21 0 325"],
  ["-08:00", "2026-11-22T07:05:09.120Z", "2026 10 21 23 5 9 120 20 6 324"],
  ["+05:45", "2026-11-22T07:05:09.120Z", "2026 10 22 12 50 9 120 21 0 325"],
  ["02:00", "2026-11-22T07:05:09.120Z", "2026 10 22 9 5 9 120 21 0 325"],
  ["America/Los_Angeles", "2026-11-22T07:05:09Z", "2026 10 21 23 5 9 0 20 6 324"],
  ["Europe/Berlin", "2026-07-01T22:30:00Z", "2026 6 2 0 30 0 0 1 4 182"],
  ["-08:00", "2023-01-01T05:30:00Z", "2022 11 31 21 30 0 0 30 6 364"],
  ["Asia/Kathmandu", "2024-12-31T18:15:00Z", "2025 0 1 0 0 0 0 0 3 0"],
])("in %j of %s", (zone, time, expected) => {
  expect(fields(zone, time)).toBe(expected);
});

test("of a duration they take none", () => {
  const { attributes } = at("2026-11-22T07:05:09Z");
  expect(compiled("duration('3723s').getHours()").evaluate(attributes)).toBe(1n);
  expect(compiled("duration('3723s').getMinutes()").evaluate(attributes)).toBe(62n);
});

describe("a zone that is not known", () => {
  const expected = 'expected a name such as "Europe/Berlin" or an offset such as "-08:00"';

  test.each(["Nope/X", "", "-8:00", "+24:00", "+02:60", "+0200", "Z+1"])("%j at load", (zone) => {
    expect(compileExpression(`request.time.getHours('${zone}') < 9`, "bool")).toEqual({
      problems: [{ message: `unknown time zone: ${expected}, found "${zone}"`, start: 22 }],
    });
  });

  test("of a request", () => {
    const expression = compiled("request.time.getHours(request.headers['x-zone'])");
    const time = "2026-11-22T07:05:09Z";
    expect(expression.evaluate(at(time, "-08:00").attributes)).toBe(23n);
    const failure = failureOf(expression, at(time, "Nope/X"));
    expect(failure).toBe(`unknown time zone: ${expected}, found "Nope/X"`);
  });
});
