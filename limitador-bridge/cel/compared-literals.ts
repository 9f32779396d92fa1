/** Literals that hosts and paths are compared with, in the spelling that those have here. Pure. */
import type { ASTNode } from "@marcbachmann/cel-js";
import { comparedHost } from "./request-host.ts";
import { comparedPath, comparedPathPart } from "./request-path.ts";
import { HOST_HEADER, headerName } from "./roots.ts";
import { accessChain, literalString } from "./syntax-tree.ts";

/** A literal that could never be equal as it stands: one of the two is not null. */
export interface ComparedLiteral {
  literal: ASTNode;
  /** The text that stands for it: what a whole host or path is compared with. */
  spelled: string | null;
  /** Why it is refused. */
  problem: string | null;
}

interface Subject {
  whole(text: string): string;
  part(text: string): string;
  /** How the attribute is spelled. */
  rule: string;
  /** Says why no text of this kind is such a literal or a part of it, or null. */
  never(text: string): string | null;
}

const HOST: Subject = {
  whole: comparedHost,
  part: (text) => text.replace(/:\d+$/, "").toLowerCase(),
  rule: "request.host is in lower case, without a port",
  never: () => null,
};
const PATH: Subject = {
  whole: comparedPath,
  part: comparedPathPart,
  rule: "request.path has single slashes, and nothing encoded that need not be",
  never: (text) =>
    /[?#]/.test(text)
      ? `request.path is without the query, which is request.query, found ${JSON.stringify(text)}`
      : null,
};
const PART_METHODS: ReadonlySet<string> = new Set(["startsWith", "endsWith", "contains"]);

function subjectOf(node: ASTNode | undefined): Subject | null {
  const chain = node === undefined ? null : accessChain(node);
  if (chain?.root.op !== "id" || chain.root.args !== "request") return null;
  const [field, name, ...rest] = chain.keys;
  if (name === undefined) {
    if (field === "host") return HOST;
    return field === "path" || field === "url_path" ? PATH : null;
  }
  const isHost = field === "headers" && typeof name === "string" && rest.length === 0;
  return isHost && headerName(name) === HOST_HEADER ? HOST : null;
}

function whole(literal: ASTNode, subject: Subject): ComparedLiteral[] {
  const text = literalString(literal);
  if (text === null) return [];
  const problem = subject.never(text);
  if (problem !== null) return [{ literal, spelled: null, problem }];
  const spelled = subject.whole(text);
  return spelled === text ? [] : [{ literal, spelled, problem: null }];
}

function part(literal: ASTNode, subject: Subject): ComparedLiteral[] {
  const text = literalString(literal);
  if (text === null) return [];
  const spelled = subject.part(text);
  const expected = `expected ${JSON.stringify(spelled)}, found ${JSON.stringify(text)}`;
  const problem = subject.never(text) ?? (spelled === text ? null : `${subject.rule}: ${expected}`);
  return problem === null ? [] : [{ literal, spelled: null, problem }];
}

/** The literals that a host or a path is compared with in this node, and never equals. */
export function comparedLiterals(node: ASTNode): ComparedLiteral[] {
  if (node.op === "==" || node.op === "!=" || node.op === "in") {
    const [left, right] = node.args;
    const leftSubject = subjectOf(left);
    if (leftSubject === null) {
      const subject = subjectOf(right);
      return subject === null ? [] : whole(left, subject);
    }
    const literals = right.op === "list" ? right.args : [right];
    return literals.flatMap((literal) => whole(literal, leftSubject));
  }
  if (node.op !== "rcall" || !PART_METHODS.has(node.args[0])) return [];
  const subject = subjectOf(node.args[1]);
  return subject === null ? [] : node.args[2].flatMap((literal) => part(literal, subject));
}
