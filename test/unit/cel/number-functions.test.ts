/** int() and uint(): what is no such number is an error, and never another number. */
import { describe, expect, test } from "vitest";
import { toRequestContext } from "../../../limitador-bridge/cel/attributes.ts";
import { compileExpression } from "../../../limitador-bridge/cel/expression.ts";
import { LLM } from "../policy/fixture.ts";
import { compiled } from "./compiled.ts";
import { failureOf } from "./failure.ts";

function withNumber(number: string) {
  return toRequestContext({ request: { headers: { "x-number": number } } }, LLM);
}

describe("of a text", () => {
  test.each([
    ["42", 42n],
    ["-42", -42n],
    ["+42", 42n],
    ["007", 7n],
    ["9223372036854775807", 2n ** 63n - 1n],
    ["-9223372036854775808", -(2n ** 63n)],
  ])("int(%j)", (text, expected) => {
    const { attributes } = withNumber(text);
    expect(compiled("int(request.headers['x-number'])").evaluate(attributes)).toBe(expected);
  });

  test.each(["", " ", " 1", "1_0", "0x1", "1.0", "9223372036854775808", "-9223372036854775809"])(
    "int(%j) fails",
    (text) => {
      const failure = failureOf(
        compiled("int(request.headers['x-number']) >= 0"),
        withNumber(text),
      );
      expect(failure).toBe("int() type error: cannot convert to int");
    },
  );

  test.each(["", "-1", "+1", "18446744073709551616"])("uint(%j) fails", (text) => {
    const failure = failureOf(
      compiled("uint(request.headers['x-number']) >= 0u"),
      withNumber(text),
    );
    expect(failure).toBe("uint() type error: cannot convert to uint");
  });

  test.each(["int('') == 0", "uint('') == 0u"])("%s is refused at load", (source) => {
    const type = source.startsWith("u") ? "uint" : "int";
    const message = `${type}() type error: cannot convert to ${type}`;
    expect(compileExpression(source, "bool")).toEqual({ problems: [{ message, start: 0 }] });
  });
});

describe("of a number", () => {
  test.each<[string, unknown]>([
    ["int(1u)", 1n],
    ["int(-2.9)", -2n],
    ["int(-9.2e18)", -9_200_000_000_000_000_000n],
    ["uint(1.9) == 1u", true],
    ["uint('18446744073709551615') == 18446744073709551615u", true],
    ["uint(uint(7)) == 7u", true],
    ["type(int(1)) == int", true],
    ["int(timestamp('1970-01-01T00:00:01Z'))", 1n],
    ["int(duration('-1s'))", -1_000_000_000n],
    ["duration(1500000000) == duration('1500ms')", true],
    ["duration(-1500000000) == duration('-1500ms')", true],
  ])("%s", (source, expected) => {
    expect(compiled(source).evaluate(withNumber("").attributes)).toEqual(expected);
  });

  test.each([
    ["int(1e19) > 0", "int() type error: integer overflow"],
    ["int(-1e19) < 0", "int() type error: integer overflow"],
    ["int(18446744073709551615u) > 0", "int() type error: integer overflow"],
    ["uint(-1) > 0u", "uint() type error: integer overflow"],
    ["uint(-0.5) == 0u", "uint() type error: integer overflow"],
    ["uint(1e20) > 0u", "uint() type error: integer overflow"],
  ])("%s fails", (source, message) => {
    expect(failureOf(compiled(source), withNumber(""))).toBe(message);
  });

  test("a list is none", () => {
    expect(compileExpression("int([1]) == 1", "bool")).toEqual({
      problems: [{ message: "found no matching overload for 'int(list<int>)'", start: 0 }],
    });
  });
});
