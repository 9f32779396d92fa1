/**
 * Values that stand on one line of plain YAML: scalars and flow collections. What is not plain
 * beyond doubt is left to the full parser. Pure.
 */

/** Thrown where the text is not plain; it says nothing of whether it is good YAML. */
export const NOT_PLAIN = new Error("not plain YAML");

const MAX_DEPTH = 32;
/** What a plain scalar begins with: no indicator, no sign, no dot. */
const PLAIN_START = /^[A-Za-z0-9_/($]/;
/** No ": " and no " #" inside, no ":" at the end. */
const NOT_IN_PLAIN = /: | #|:$/;
const KEY = /[A-Za-z_][\w./-]{0,200}/y;
const DOUBLE_QUOTED = /"(?:[^"\\]|\\["\\/nt])*"/y;
const SINGLE_QUOTED = /'(?:[^']|'')*'/y;
const FLOW_PLAIN = /[^,[\]{}]+/y;
const SPACES = / */y;
const COMMENT = / +#/;

const NUMBER = /^-?\d{1,15}$|^-?\d{1,9}\.\d{1,9}$/;
/** Other numbers of the core schema (YAML 1.2.2, 10.3.2) that begin with a digit. */
const OTHER_NUMBER = /^\d[\d.]*(?:[eE][-+]?\d+)?$|^0[ox]/;
const WORDS = new Map<string, boolean | null>([
  ...["null", "Null", "NULL"].map((word) => [word, null] as const),
  ...["true", "True", "TRUE"].map((word) => [word, true] as const),
  ...["false", "False", "FALSE"].map((word) => [word, false] as const),
]);

/** Sets a key that is not there yet. Throws NOT_PLAIN for others, and for names with a meaning. */
export function setOnce(map: Record<string, unknown>, key: string, value: unknown): void {
  if (Object.hasOwn(map, key) || key === "__proto__") throw NOT_PLAIN;
  map[key] = value;
}

function plainScalar(text: string): unknown {
  if (NUMBER.test(text)) return Number(text);
  if (!PLAIN_START.test(text) || NOT_IN_PLAIN.test(text) || OTHER_NUMBER.test(text)) {
    throw NOT_PLAIN;
  }
  const word = WORDS.get(text);
  return word === undefined ? text : word;
}

/** Reads one line from a place on; every method throws NOT_PLAIN where that is not plain. */
export class InlineReader {
  readonly #text: string;
  #at: number;

  /** `text` has no white space at its end. */
  constructor(text: string, at: number) {
    this.#text = text;
    this.#at = at;
  }

  /** What is not read yet. */
  get rest(): string {
    return this.#text.slice(this.#at);
  }

  /** A key and its colon, or null where there is none; then nothing is read. */
  key(): string | null {
    const start = this.#at;
    const first = this.#text[start];
    const isQuoted = first === '"' || first === "'";
    const key = isQuoted ? this.#quoted() : this.#take(KEY);
    if (key !== null && this.#text[this.#at] === ":") {
      const next = this.#text[++this.#at];
      if (next === undefined || next === " ") {
        if (!isQuoted && WORDS.has(key)) throw NOT_PLAIN;
        this.#take(SPACES);
        return key;
      }
    }
    this.#at = start;
    return null;
  }

  /** All that is left of the line but a comment; undefined where nothing is. */
  value(): unknown {
    const first = this.#text[this.#at];
    if (first === undefined || first === "#") return undefined;
    if (first === "{" || first === "[" || first === '"' || first === "'") {
      const value = this.#flowValue(0);
      if (this.rest !== "" && this.rest.search(COMMENT) !== 0) throw NOT_PLAIN;
      return value;
    }
    const { rest } = this;
    const comment = rest.search(COMMENT);
    return plainScalar(comment < 0 ? rest : rest.slice(0, comment));
  }

  #take(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found === undefined) return null;
    this.#at += found.length;
    return found;
  }

  /** A quoted string at a quote. Of its escapes, those are plain that JSON has, too. */
  #quoted(): string {
    const isDouble = this.#text[this.#at] === '"';
    const found = this.#take(isDouble ? DOUBLE_QUOTED : SINGLE_QUOTED);
    if (found === null) throw NOT_PLAIN;
    if (isDouble) return JSON.parse(found) as string;
    return found.slice(1, -1).replaceAll("''", "'");
  }

  #flowValue(depth: number): unknown {
    if (depth > MAX_DEPTH) throw NOT_PLAIN;
    const first = this.#text[this.#at];
    if (first === "{") return this.#flowMap(depth);
    if (first === "[") return this.#flowList(depth);
    if (first === '"' || first === "'") return this.#quoted();
    return plainScalar((this.#take(FLOW_PLAIN) ?? "").trimEnd());
  }

  #flowMap(depth: number): Record<string, unknown> {
    const map: Record<string, unknown> = {};
    this.#flowItems("}", () => {
      const key = this.key();
      if (key === null) throw NOT_PLAIN;
      setOnce(map, key, this.#flowValue(depth + 1));
    });
    return map;
  }

  #flowList(depth: number): unknown[] {
    const list: unknown[] = [];
    this.#flowItems("]", () => list.push(this.#flowValue(depth + 1)));
    return list;
  }

  /** From the opening bracket to the closing one; no comma before that. */
  #flowItems(close: string, readItem: () => void): void {
    this.#at++;
    this.#take(SPACES);
    if (this.#text[this.#at] === close) {
      this.#at++;
      return;
    }
    for (;;) {
      readItem();
      this.#take(SPACES);
      const next = this.#text[this.#at++];
      if (next === close) return;
      if (next !== ",") throw NOT_PLAIN;
      this.#take(SPACES);
    }
  }
}
