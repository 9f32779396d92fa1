/** One YAML document of a policy file, with the way from any of its fields to line and column. */
import {
  type Document,
  isMap,
  isNode,
  isScalar,
  type LineCounter,
  type Node,
  type Scalar,
} from "yaml";
import type { PolicyProblem } from "./policy-set.ts";

export type FieldPath = readonly (string | number)[];

export interface Position {
  line: number;
  column: number;
}

/** A document as the full parser has it. */
export interface ParsedDocument {
  yaml: Document.Parsed;
  /** Where in the file an offset into `text` is. */
  lines: Pick<LineCounter, "linePos">;
  /** What was parsed: the file, or this document's part of it. */
  text: string;
}

/** `spec.limits.free.rates[0].window`; keys that are no plain names are quoted. */
export function fieldText(path: FieldPath): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === "number") return `${text}[${key}]`;
    if (!/^[A-Za-z_][\w-]*$/.test(key)) return `${text}[${JSON.stringify(key)}]`;
    return text === "" ? key : `${text}.${key}`;
  }, "");
}

function textOf(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function member(value: unknown, key: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
  return (value as Record<string, unknown>)[key];
}

export class SourceDocument {
  readonly file: string;
  /** The document as plain JavaScript values. */
  readonly value: unknown;
  readonly apiVersion: string | null;
  readonly kind: string | null;
  /** Null where the document names none: whoever applies it decides. */
  readonly statedNamespace: string | null;
  /** `default` where the document names none. */
  readonly namespace: string;
  readonly name: string | null;
  readonly #parsed: () => ParsedDocument;
  /** Where the object stands in what was parsed: within a List, not at the top. */
  readonly #root: FieldPath;

  /** `parsed` is asked for only where a position is: when something is wrong. */
  constructor(file: string, value: unknown, parsed: () => ParsedDocument, root: FieldPath = []) {
    this.file = file;
    this.#parsed = parsed;
    this.#root = root;
    this.value = value;
    const metadata = member(this.value, "metadata");
    this.apiVersion = textOf(member(this.value, "apiVersion"));
    this.kind = textOf(member(this.value, "kind"));
    this.statedNamespace = textOf(member(metadata, "namespace"));
    this.namespace = this.statedNamespace ?? "default";
    this.name = textOf(member(metadata, "name"));
  }

  /** What the object is called in messages: `Identity default/main`. */
  get title(): string {
    return `${this.kind} ${this.namespace}/${this.name}`;
  }

  /** The value at `path` as a document of its own. */
  within(path: FieldPath, value: unknown): SourceDocument {
    return new SourceDocument(this.file, value, this.#parsed, [...this.#root, ...path]);
  }

  #node(path: FieldPath): Node | null {
    const { yaml } = this.#parsed();
    const whole = [...this.#root, ...path];
    if (whole.length === 0) return isNode(yaml.contents) ? yaml.contents : null;
    const node = yaml.getIn(whole, true);
    return isNode(node) ? node : null;
  }

  #position(offset: number): Position {
    const { line, col } = this.#parsed().lines.linePos(offset);
    return { line, column: col };
  }

  /** The YAML tag that the value at `path` is given, as `!name` is; null: none of its own. */
  tag(path: FieldPath): string | null {
    const tag = this.#node(path)?.tag;
    return tag?.startsWith("!") === true ? tag : null;
  }

  /** Where the value at `path` begins; of a missing one, where its nearest parent begins. */
  locate(path: FieldPath): Position {
    const start = this.#node(path)?.range?.[0];
    if (start !== undefined) return this.#position(start);
    if (path.length > 0) return this.locate(path.slice(0, -1));
    return this.#position(this.#parsed().yaml.range[0]);
  }

  /** Where the key at the end of `path` stands. */
  locateKey(path: FieldPath): Position {
    const parent = this.#node(path.slice(0, -1));
    const key = path.at(-1);
    const pair = isMap(parent)
      ? parent.items.find((item) => isScalar(item.key) && item.key.value === key)
      : undefined;
    const start = isNode(pair?.key) ? pair.key.range?.[0] : undefined;
    return start === undefined ? this.locate(path) : this.#position(start);
  }

  /** Where the character at `offset` of the text at `path` stands in the file. */
  locateInText(path: FieldPath, offset: number): Position {
    const node = this.#node(path);
    const at = isScalar(node) ? offsetInSource(this.#parsed().text, node, offset) : null;
    return at === null ? this.locate(path) : this.#position(at);
  }

  /** A problem with the value at `path`. */
  problem(path: FieldPath, message: string, position = this.locate(path)): PolicyProblem {
    return { file: this.file, ...position, field: fieldText([...this.#root, ...path]), message };
  }
}

/**
 * Offset in the file of a character of a scalar. Folding and indentation change only white space,
 * so the other characters are counted on both sides; null where they do not agree (escapes).
 */
function offsetInSource(text: string, scalar: Scalar, offset: number): number | null {
  if (typeof scalar.value !== "string" || scalar.range == null) return null;
  const [start, end] = scalar.range;
  const isBlock = scalar.type === "BLOCK_FOLDED" || scalar.type === "BLOCK_LITERAL";
  const isQuoted = scalar.type === "QUOTE_DOUBLE" || scalar.type === "QUOTE_SINGLE";
  let at = isBlock ? text.indexOf("\n", start) + 1 : isQuoted ? start + 1 : start;
  for (let i = 0; i < scalar.value.length; i++) {
    const char = scalar.value[i] as string;
    if (/\s/.test(char)) {
      if (i >= offset) return at;
      continue;
    }
    while (at < end && /\s/.test(text[at] as string)) at++;
    if (text[at] !== char) return null;
    if (i >= offset) return at;
    at++;
  }
  return at;
}
