/**
 * Finds the limits that a request may match without looking at the others: limits whose
 * predicates hold only for one literal path or header value are found by that value.
 */

import type { ASTNode } from "@marcbachmann/cel-js";
import { headerName } from "../cel/roots.ts";
import { accessChain, literalString } from "../cel/syntax-tree.ts";
import { addTo } from "../multi-map.ts";
import type { CompiledLimit } from "./kinds/token-rate-limit.ts";

export interface IndexedLimit extends CompiledLimit {
  /** Place in the order of results. */
  order: number;
}

/** One attribute that must equal one literal. `header` null: the path. */
interface LiteralKey {
  header: string | null;
  value: string;
}

function keyOf(attribute: ASTNode, literal: ASTNode): LiteralKey | null {
  const value = literalString(literal);
  const chain = accessChain(attribute);
  if (value === null || chain?.root.op !== "id" || chain.root.args !== "request") return null;
  const [field, name, ...rest] = chain.keys;
  if (name === undefined)
    return field === "path" || field === "url_path" ? { header: null, value } : null;
  if (field !== "headers" || typeof name !== "string" || rest.length > 0) return null;
  return { header: headerName(name), value };
}

/** The first `request.path == "…"` or `request.headers["…"] == "…"` that must hold. */
function requiredKey(ast: ASTNode): LiteralKey | null {
  if (ast.op === "&&") return requiredKey(ast.args[0]) ?? requiredKey(ast.args[1]);
  if (ast.op !== "==") return null;
  return keyOf(ast.args[0], ast.args[1]) ?? keyOf(ast.args[1], ast.args[0]);
}

class ValueIndex {
  readonly #byValue = new Map<string, IndexedLimit[]>();
  readonly #all: IndexedLimit[] = [];

  add(value: string, limit: IndexedLimit): void {
    addTo(this.#byValue, value, limit);
    this.#all.push(limit);
  }

  /** Where the attribute is missing every predicate on it fails, and each failure must be seen. */
  find(value: unknown): readonly IndexedLimit[] {
    return typeof value === "string" ? (this.#byValue.get(value) ?? []) : this.#all;
  }
}

export class MatchIndex {
  readonly #byPath = new ValueIndex();
  readonly #byHeader = new Map<string, ValueIndex>();
  readonly #others: IndexedLimit[] = [];

  constructor(limits: readonly CompiledLimit[]) {
    for (const [order, limit] of limits.entries()) {
      if (limit.rates.length > 0) this.#add({ ...limit, order });
    }
  }

  #add(limit: IndexedLimit): void {
    let key: LiteralKey | null = null;
    for (const { ast } of limit.when) key ??= requiredKey(ast);
    if (key === null) this.#others.push(limit);
    else if (key.header === null) this.#byPath.add(key.value, limit);
    else {
      let index = this.#byHeader.get(key.header);
      if (index === undefined) {
        index = new ValueIndex();
        this.#byHeader.set(key.header, index);
      }
      index.add(key.value, limit);
    }
  }

  /** The limits that this request may match, in order. */
  candidates(path: unknown, headers: ReadonlyMap<string, string>): IndexedLimit[] {
    const found = [...this.#others, ...this.#byPath.find(path)];
    for (const [name, index] of this.#byHeader) found.push(...index.find(headers.get(name)));
    return found.sort((a, b) => a.order - b.order);
  }
}
