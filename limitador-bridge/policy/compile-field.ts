/** Compiles an expression that stands in a document, and places its problems there. */
import {
  type CompiledExpression,
  compileExpression,
  type ExpectedResult,
} from "../cel/expression.ts";
import type { PolicyProblem } from "./policy-set.ts";
import type { FieldPath, SourceDocument } from "./source-document.ts";

/** The expression at `path`, or null after its problems were added to `problems`. */
export function compileField(
  document: SourceDocument,
  path: FieldPath,
  source: string,
  expected: ExpectedResult,
  problems: PolicyProblem[],
): CompiledExpression | null {
  const result = compileExpression(source, expected);
  if ("expression" in result) return result.expression;
  for (const { message, start } of result.problems) {
    problems.push(document.problem(path, message, document.locateInText(path, start)));
  }
  return null;
}
