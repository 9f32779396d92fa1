/**
 * Small changes to an expression's text before it is compiled, with the way back to the positions
 * that its author sees:
 *   has(a.b["c"])            → (a.?b[?"c"]).hasValue(): false, too, where `a.b` is missing, and
 *                              with index keys, as Kuadrant's documentation writes it
 *   s.matches("…")           → s.matchesWithinLimit("…"), and so for others (function-names.ts)
 *   request.headers["X-A"]   → request.headers["x-a"]: header names have no letter case
 *   request.headers.host     → request.headers[":authority"]
 *   request.host == "A:8080" → request.host == "a": as hosts are spelled here (request-host.ts),
 *                              and so for paths (request-path.ts)
 */
import type { ASTNode } from "@marcbachmann/cel-js";
import { comparedLiterals } from "./compared-literals.ts";
import { RENAMED_FUNCTIONS } from "./function-names.ts";
import { headerName } from "./roots.ts";
import { accessChain, boundVariable, childNodes, literalString } from "./syntax-tree.ts";

interface Edit {
  start: number;
  end: number;
  text: string;
}

export interface RewrittenExpression {
  text: string;
  /** Offset in the author's text of an offset in `text`. */
  toOriginal(offset: number): number;
}

const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]*$/;

function isHeaders(node: ASTNode): boolean {
  const chain = accessChain(node);
  return (
    chain?.root.op === "id" && chain.root.args === "request" && chain.keys.join() === "headers"
  );
}

function optionalChain(operand: ASTNode): string | null {
  const chain = accessChain(operand);
  if (chain === null || chain.root.op !== "id") return null;
  let text = chain.root.args;
  for (const [i, key] of chain.keys.entries()) {
    if (typeof key !== "string") return null;
    const isHeader = text === "request.?headers" && i === 1;
    if (IDENTIFIER.test(key) && !isHeader) text += `.?${key}`;
    else text += `[?${JSON.stringify(isHeader ? headerName(key) : key)}]`;
  }
  return `(${text}).hasValue()`;
}

function hasEdit(node: ASTNode): Edit | null {
  if (node.op !== "call" || node.args[0] !== "has" || node.args[1].length !== 1) return null;
  const text = optionalChain(node.args[1][0] as ASTNode);
  return text === null ? null : { start: node.start, end: node.end, text };
}

function nameEdit(node: ASTNode): Edit | null {
  if (node.op !== "rcall" && node.op !== "call") return null;
  const [name] = node.args;
  const text = RENAMED_FUNCTIONS.get(name);
  if (text === undefined) return null;
  const start = node.input.indexOf(name, node.op === "rcall" ? node.args[1].end : node.start);
  return start === -1 ? null : { start, end: start + name.length, text };
}

/** `request.headers.Name`, where that is not the name that the header has here. */
function headerFieldEdit(node: ASTNode): Edit | null {
  if ((node.op !== "." && node.op !== ".?") || !isHeaders(node.args[0])) return null;
  const [headers, field] = node.args;
  const name = headerName(field);
  if (name === field) return null;
  const text = `[${node.op === ".?" ? "?" : ""}${JSON.stringify(name)}]`;
  return { start: headers.end, end: node.end, text };
}

function headerEdit(node: ASTNode): Edit | null {
  let key: ASTNode | undefined;
  if (node.op === "[]" || node.op === "[?]")
    key = isHeaders(node.args[0]) ? node.args[1] : undefined;
  else if (node.op === "in") key = isHeaders(node.args[1]) ? node.args[0] : undefined;
  const name = literalString(key);
  if (key === undefined || name === null || name === headerName(name)) return null;
  return { start: key.start, end: key.end, text: JSON.stringify(headerName(name)) };
}

/** `isShadowed`: `request` is a variable of a macro here, and not the request. */
function collectEdits(node: ASTNode, edits: Edit[], isShadowed = false): void {
  const whole = hasEdit(node);
  if (whole !== null) {
    edits.push(whole);
    return;
  }
  for (const { literal, spelled } of isShadowed ? [] : comparedLiterals(node)) {
    const { start, end } = literal;
    if (spelled !== null) edits.push({ start, end, text: JSON.stringify(spelled) });
  }
  const edit = nameEdit(node) ?? (isShadowed ? null : (headerEdit(node) ?? headerFieldEdit(node)));
  if (edit !== null) edits.push(edit);
  const shadows = isShadowed || boundVariable(node) === "request";
  for (const child of childNodes(node)) collectEdits(child, edits, shadows);
}

/** Rewrites the expression that was parsed to `ast`. */
export function rewriteExpression(ast: ASTNode): RewrittenExpression {
  const edits: Edit[] = [];
  collectEdits(ast, edits);
  edits.sort((a, b) => a.start - b.start);
  let text = "";
  let copied = 0;
  const placed = edits.map((edit) => {
    text += ast.input.slice(copied, edit.start);
    const at = text.length;
    text += edit.text;
    copied = edit.end;
    return { ...edit, at };
  });
  text += ast.input.slice(copied);
  const toOriginal = (offset: number): number => {
    const edit = placed.findLast(({ at }) => at <= offset);
    if (edit === undefined) return offset;
    const after = offset - (edit.at + edit.text.length);
    return after < 0 ? edit.start : edit.end + after;
  };
  return { text, toOriginal };
}
