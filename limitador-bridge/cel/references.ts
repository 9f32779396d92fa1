/** Walks an expression's syntax tree for the attributes that it reads, literally or at worst. */
import type { ASTNode } from "@marcbachmann/cel-js";
import { closestName, suggestion } from "./closest-name.ts";
import { comparedLiterals } from "./compared-literals.ts";
import { patternProblem } from "./regex-safety.ts";
import {
  AUTH_NAMESPACES,
  CONSTANT_NAMES,
  FIELDS,
  type FieldType,
  headerName,
  isTypedRoot,
  ROOT_NAMES,
  type TypedRoot,
} from "./roots.ts";
import {
  accessChain,
  BINDING_MACROS,
  boundVariable,
  type ChainKey,
  childNodes,
  isBind,
  literalString,
} from "./syntax-tree.ts";
import { TIME_GETTERS, zoneProblem } from "./time-functions.ts";

/** What an expression, or all of them, must be given. */
export interface Reads {
  /** Lower-case names; "*": all. */
  headers: Set<string>;
  /** Envoy property name to type. */
  properties: Map<string, FieldType>;
  /** Namespace, then keys. */
  metadata: string[][];
  bodyPointers: Set<string>;
  /** Fields of `llm`. */
  llm: Set<string>;
}

/** Something wrong with an expression; offsets are characters into its text. */
export interface CelProblem {
  message: string;
  start: number;
}

/** No reads at all. */
export function noReads(): Reads {
  const bodyPointers = new Set<string>();
  return { headers: new Set(), properties: new Map(), metadata: [], bodyPointers, llm: new Set() };
}

/** Adds what `source` reads to `target`. */
export function addReads(target: Reads, source: Reads): void {
  for (const header of source.headers) target.headers.add(header);
  for (const [name, type] of source.properties) target.properties.set(name, type);
  target.metadata.push(...source.metadata);
  for (const pointer of source.bodyPointers) target.bodyPointers.add(pointer);
  for (const field of source.llm) target.llm.add(field);
}

class ReferenceWalk {
  readonly reads = noReads();
  readonly problems: CelProblem[] = [];

  problem(node: ASTNode, message: string): void {
    this.problems.push({ message, start: node.start });
  }

  visit(node: ASTNode, scope: ReadonlySet<string>): void {
    if (!scope.has("request")) this.checkLiterals(node);
    const chain = accessChain(node);
    if (chain !== null) this.visitChain(node, chain.root, chain.keys, scope);
    else if (node.op === "id") this.readRoot(node, node.args, [], scope);
    else if (node.op === "call") this.visitCall(node, node.args[0], node.args[1], scope);
    else if (node.op === "rcall") this.visitMethod(node, ...node.args, scope);
    else if (node.op !== "in" || !this.readHeaderPresence(node.args, scope)) {
      for (const child of childNodes(node)) this.visit(child, scope);
    }
  }

  /** Texts that no host or path here can have would switch a limit off. */
  checkLiterals(node: ASTNode): void {
    for (const { literal, problem } of comparedLiterals(node)) {
      if (problem !== null) this.problem(literal, problem);
    }
  }

  visitChain(node: ASTNode, root: ASTNode, keys: ChainKey[], scope: ReadonlySet<string>): void {
    for (const key of keys) if (typeof key !== "string") this.visit(key, scope);
    if (root.op === "id") this.readRoot(node, root.args, keys, scope);
    else this.visit(root, scope);
  }

  visitCall(node: ASTNode, name: string, args: ASTNode[], scope: ReadonlySet<string>): void {
    if (name === "responseBodyJSON") {
      this.problem(
        node,
        "responseBodyJSON() is not available: limits are matched before the response",
      );
      return;
    }
    if (name === "requestBodyJSON") {
      const pointer = args.length === 1 ? literalString(args[0]) : null;
      if (pointer === null || !/^(?:\/(?:[^~/]|~[01])*)+$/.test(pointer)) {
        this.problem(node, 'requestBodyJSON() takes one literal JSON pointer such as "/model"');
      } else this.reads.bodyPointers.add(pointer);
      return;
    }
    if (name === "matches" && args.length === 2) this.checkPattern(node, args[1]);
    for (const arg of args) this.visit(arg, scope);
  }

  visitMethod(
    node: ASTNode,
    method: string,
    receiver: ASTNode,
    args: ASTNode[],
    scope: ReadonlySet<string>,
  ): void {
    this.visit(receiver, scope);
    const [first, ...rest] = args;
    const variable = boundVariable(node);
    if (variable !== null) {
      const inner = new Set(scope).add(variable);
      rest.forEach((arg, i) => {
        this.visit(arg, isBind(method, receiver) && i === 0 ? scope : inner);
      });
      return;
    }
    if (rest.length > 0 && this.isMistypedMacro(node, method, first, scope)) return;
    if (method === "matches" && args.length === 1) this.checkPattern(node, first);
    if (TIME_GETTERS.has(method)) this.checkZone(literalString(first), first);
    for (const arg of args) this.visit(arg, scope);
  }

  /** `groups.exist(g, …)`: it is the name that is wrong, not the variable. */
  isMistypedMacro(
    node: ASTNode,
    method: string,
    first: ASTNode | undefined,
    scope: ReadonlySet<string>,
  ): boolean {
    if (first?.op !== "id" || scope.has(first.args) || ROOT_NAMES.includes(first.args))
      return false;
    const meant = closestName(method, BINDING_MACROS);
    if (meant === null) return false;
    this.problem(node, `unknown function "${method}"; did you mean "${meant}"?`);
    return true;
  }

  checkPattern(node: ASTNode, argument: ASTNode | undefined): void {
    const pattern = literalString(argument);
    if (pattern === null) {
      this.problem(argument ?? node, "matches() takes a literal pattern, so that it can be vetted");
      return;
    }
    const wrong = patternProblem(pattern);
    if (wrong !== null)
      this.problem(argument ?? node, `the pattern ${JSON.stringify(pattern)} ${wrong}`);
  }

  /** A zone that is not known would fail on every request. */
  checkZone(zone: string | null, argument: ASTNode | undefined): void {
    const wrong = zone === null ? null : zoneProblem(zone);
    if (wrong !== null && argument !== undefined) this.problem(argument, wrong);
  }

  /** `"x-user" in request.headers` reads one header, not all of them. */
  readHeaderPresence([key, map]: [ASTNode, ASTNode], scope: ReadonlySet<string>): boolean {
    const name = literalString(key);
    const chain = accessChain(map);
    if (name === null || chain?.root.op !== "id" || scope.has("request")) return false;
    if (chain.root.args !== "request" || chain.keys.join() !== "headers") return false;
    this.reads.headers.add(headerName(name));
    return true;
  }

  readRoot(node: ASTNode, root: string, keys: ChainKey[], scope: ReadonlySet<string>): void {
    if (scope.has(root)) return;
    if (root === "auth") this.readAuth(keys);
    else if (root === "metadata") this.readMetadata(node, keys);
    else if (root === "filter_state") this.readFilterState(node, keys);
    else if (isTypedRoot(root)) this.readField(node, root, keys);
    else if (!CONSTANT_NAMES.has(root)) {
      this.problem(node, `unknown attribute "${root}"${suggestion(root, ROOT_NAMES)}`);
    }
  }

  readField(node: ASTNode, root: TypedRoot, keys: ChainKey[]): void {
    const [field, ...rest] = keys;
    const fields = FIELDS[root];
    if (typeof field !== "string") {
      const example = fields.keys().next().value;
      this.problem(node, `"${root}" is read field by field, e.g. ${root}.${example}`);
      return;
    }
    const known = fields.get(field);
    if (root === "request" && field === "headers") this.readHeader(rest);
    else if (root === "request" && field === "auth") this.readAuth(rest);
    else if (known === undefined) {
      const names = root === "request" ? [...fields.keys(), "headers", "auth"] : fields.keys();
      this.problem(node, `"${root}" has no field "${field}"${suggestion(field, names)}`);
    } else if (root === "llm") this.reads.llm.add(field);
    else if (known.property !== null) this.reads.properties.set(known.property, known.type);
  }

  readHeader([name]: ChainKey[]): void {
    this.reads.headers.add(typeof name === "string" ? headerName(name) : "*");
  }

  readAuth(keys: ChainKey[]): void {
    for (const namespace of AUTH_NAMESPACES) {
      this.reads.metadata.push([namespace, ...literalPrefix(keys)]);
    }
  }

  readMetadata(node: ASTNode, keys: ChainKey[]): void {
    const [first, namespace, ...rest] = keys;
    if (first !== "filter_metadata" || typeof namespace !== "string") {
      this.problem(node, 'metadata is read by namespace: metadata.filter_metadata["namespace"]');
      return;
    }
    this.reads.metadata.push([namespace, ...literalPrefix(rest)]);
  }

  readFilterState(node: ASTNode, [key]: ChainKey[]): void {
    if (typeof key !== "string") {
      this.problem(node, 'filter_state is read by literal key: filter_state["key"]');
      return;
    }
    this.reads.properties.set(`filter_state.${key}`, "string");
  }
}

function literalPrefix(keys: ChainKey[]): string[] {
  const end = keys.findIndex((key) => typeof key !== "string");
  return (end === -1 ? keys : keys.slice(0, end)) as string[];
}

/**
 * What the expression under `ast` reads, and what is wrong with how it reads it: unknown
 * attributes, keys that the filter could not be asked for, patterns that are not safe.
 */
export function findReads(ast: ASTNode): { reads: Reads; problems: CelProblem[] } {
  const walk = new ReferenceWalk();
  walk.visit(ast, new Set());
  return { reads: walk.reads, problems: walk.problems };
}
