import { expect } from "vitest";
import {
  type CompiledExpression,
  evaluationMessage,
} from "../../../limitador-bridge/cel/expression.ts";
import type { RequestContext } from "../../../limitador-bridge/policy/policy-set.ts";

/** The message with which an expression fails on a request; it must fail. */
export function failureOf(expression: CompiledExpression, { attributes }: RequestContext): string {
  try {
    expression.evaluate(attributes);
  } catch (error) {
    return evaluationMessage(error);
  }
  return expect.unreachable();
}
