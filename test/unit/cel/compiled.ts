import {
  type CompiledExpression,
  compileExpression,
  type ExpectedResult,
} from "../../../limitador-bridge/cel/expression.ts";

/** An expression of a test. @throws Error with all that is wrong with it */
export function compiled(
  source: string,
  expected: ExpectedResult = "single value",
): CompiledExpression {
  const result = compileExpression(source, expected);
  if ("expression" in result) return result.expression;
  throw new Error(result.problems.map(({ message }) => message).join("; "));
}
