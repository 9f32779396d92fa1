/** What the nodes of an expression's syntax tree are. Pure. */
import type { ASTNode } from "@marcbachmann/cel-js";

/** A key of an access chain: its text where it is literal, else the node that gives it. */
export type ChainKey = string | ASTNode;

/** Methods whose first argument names a variable. */
export const BINDING_MACROS: ReadonlySet<string> = new Set(
  "all exists exists_one map filter optMap optFlatMap".split(" "),
);
const ACCESS_OPERATORS = new Set([".", ".?", "[]", "[?]"]);

/** The string that a node is a literal of, or null. */
export function literalString(node: ASTNode | undefined): string | null {
  return node?.op === "value" && typeof node.args === "string" ? node.args : null;
}

/** Splits `a.b["c"]` into its innermost operand and its keys. Null: not an access. */
export function accessChain(node: ASTNode): { root: ASTNode; keys: ChainKey[] } | null {
  const keys: ChainKey[] = [];
  let current = node;
  while (ACCESS_OPERATORS.has(current.op)) {
    const [operand, key] = current.args as [ASTNode, ASTNode | string];
    keys.unshift(typeof key === "string" ? key : (literalString(key) ?? key));
    current = operand;
  }
  return keys.length === 0 ? null : { root: current, keys };
}

/** Nodes directly below a node, macros' arguments included. */
export function childNodes(node: ASTNode): ASTNode[] {
  const children: ASTNode[] = [];
  const collect = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(collect);
    else if (typeof value === "object" && value !== null && "op" in value) {
      children.push(value as ASTNode);
    }
  };
  if (node.op !== "value") collect(node.args);
  return children;
}

/** The variable that a macro (`exists(v, …)`, `cel.bind(v, …)`) gives to its last arguments. */
export function boundVariable(node: ASTNode): string | null {
  if (node.op !== "rcall") return null;
  const [method, receiver, [first, ...rest]] = node.args;
  if (first?.op !== "id") return null;
  const isMacro = BINDING_MACROS.has(method) && rest.length > 0;
  return isMacro || isBind(method, receiver) ? first.args : null;
}

/** Whether a method call is `cel.bind(…)`. */
export function isBind(method: string, receiver: ASTNode): boolean {
  return method === "bind" && receiver.op === "id" && receiver.args === "cel";
}
