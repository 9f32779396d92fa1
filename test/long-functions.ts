/** How long functions are. */
import type { Node } from "./sources.ts";

/** Methods begin with their names, and have a function as their value. */
const FUNCTIONS = new Set([
  "ArrowFunctionExpression",
  "FunctionDeclaration",
  "FunctionExpression",
  "MethodDefinition",
]);

/** The first lines of functions of more than `most` lines, methods and signatures included. */
export function longFunctions(text: string, nodes: readonly Node[], most: number): number[] {
  const lineOf = (offset: number) => text.slice(0, offset).split("\n").length;
  const found = nodes
    .filter(({ type }) => FUNCTIONS.has(type))
    .map(({ start, end }) => ({ first: lineOf(start), last: lineOf(end) }))
    .filter(({ first, last }) => last - first + 1 > most);
  return [...new Set(found.map(({ first }) => first))];
}
