/**
 * Reads the plain part of YAML that nearly all policies keep to, many times faster than the full
 * parser: block maps, lists and texts, and scalars and flow collections on one line, in ASCII. What
 * it reads is what the full parser reads; of all else, mistakes included, it says nothing. Pure.
 */
import { InlineReader, NOT_PLAIN, setOnce } from "./plain-inline.ts";

const MAX_DEPTH = 32;
/** Not ASCII, or white space at a line's end, which may count or not. */
const NOT_TIDY = /[^\n\x20-\x7e]| (?:\n|$)/;
const BLOCK_TEXT: ReadonlySet<string> = new Set(["|", "|-", ">", ">-"]);

interface Line {
  /** Column of its first character that is no space; -1 at a document's end. */
  indent: number;
  text: string;
  /** What was left out right before it. */
  after: "line" | "blank lines" | "comment";
}

function isEnd({ indent }: Line): boolean {
  return indent < 0;
}

function isItem({ indent, text }: Line): boolean {
  return text[indent] === "-" && (text.length === indent + 1 || text[indent + 1] === " ");
}

/** One document's lines, read from the first to the last. */
class BlockReader {
  readonly #lines: readonly Line[];
  #next = 0;

  constructor(lines: readonly Line[]) {
    this.#lines = lines;
  }

  /** Null where there are no lines. */
  document(): unknown {
    const first = this.#line;
    if (isEnd(first)) return null;
    if (first.indent !== 0) throw NOT_PLAIN;
    const value = this.#block(0);
    if (!isEnd(this.#line)) throw NOT_PLAIN;
    return value;
  }

  get #line(): Line {
    return this.#lines[this.#next] as Line;
  }

  /** The map or list that begins with the next line. */
  #block(depth: number): unknown {
    if (depth > MAX_DEPTH) throw NOT_PLAIN;
    const line = this.#line;
    if (isItem(line)) return this.#list(line.indent, depth);
    return this.#map(new InlineReader(line.text, line.indent), line.indent, depth);
  }

  /** A map whose keys stand in column `indent`; `first` has come to the first of them. */
  #map(first: InlineReader, indent: number, depth: number): Record<string, unknown> {
    const map: Record<string, unknown> = {};
    let reader = first;
    for (;;) {
      const key = reader.key();
      if (key === null) throw NOT_PLAIN;
      const value = this.#value(reader, indent);
      setOnce(map, key, value === undefined ? this.#nested(indent, depth) : value);
      const line = this.#line;
      // Deeper is either a scalar that goes on or a mistake.
      if (line.indent > indent) throw NOT_PLAIN;
      if (line.indent < indent || isItem(line)) return map;
      reader = new InlineReader(line.text, indent);
    }
  }

  /** What stands on the line from where `reader` is, and the text below it where that is one. */
  #value(reader: InlineReader, indent: number): unknown {
    this.#next++;
    return BLOCK_TEXT.has(reader.rest) ? this.#text(reader.rest, indent) : reader.value();
  }

  /** A literal or folded text without empty lines or lines of their own indentation. */
  #text(header: string, outer: number): string {
    const first = this.#line;
    if (first.indent <= outer || first.after !== "line") throw NOT_PLAIN;
    const texts: string[] = [];
    let line = first;
    for (; line.indent >= first.indent; line = this.#line) {
      if (line.indent > first.indent || line.after !== "line") throw NOT_PLAIN;
      texts.push(line.text.slice(line.indent));
      this.#next++;
    }
    if (line.after === "comment") throw NOT_PLAIN;
    const text = texts.join(header[0] === "|" ? "\n" : " ");
    return header[1] === "-" ? text : `${text}\n`;
  }

  /** What belongs to a key with nothing behind it; a list may stand in the key's own column. */
  #nested(indent: number, depth: number): unknown {
    const line = this.#line;
    if (line.indent > indent) return this.#block(depth + 1);
    return line.indent === indent && isItem(line) ? this.#list(indent, depth + 1) : null;
  }

  #list(indent: number, depth: number): unknown[] {
    const list: unknown[] = [];
    for (let line = this.#line; line.indent === indent && isItem(line); line = this.#line) {
      list.push(this.#item(line, depth));
      if (this.#line.indent > indent) throw NOT_PLAIN;
    }
    return list;
  }

  #item({ indent, text }: Line, depth: number): unknown {
    let at = indent + 1;
    while (text[at] === " ") at++;
    const reader = new InlineReader(text, at);
    const isMap = reader.key() !== null;
    if (isMap) return this.#map(new InlineReader(text, at), at, depth + 1);
    const value = this.#value(reader, indent);
    if (value === undefined) throw NOT_PLAIN;
    return value;
  }
}

/** The lines of each document, without blank ones and comments, and one more for its end. */
function documentLines(text: string): Line[][] {
  let lines: Line[] = [];
  let after: Line["after"] = "line";
  const documents = [lines];
  const add = (indent: number, line: string) => {
    lines.push({ indent, text: line, after });
    after = "line";
  };
  for (const line of text.split("\n")) {
    const indent = line.length - line.trimStart().length;
    if (line.startsWith("---") || line.startsWith("...")) {
      if (line !== "---") throw NOT_PLAIN;
      add(-1, "");
      lines = [];
      documents.push(lines);
    } else if (line === "") after = after === "line" ? "blank lines" : after;
    else if (line[indent] === "#") after = "comment";
    else add(indent, line);
  }
  add(-1, "");
  return documents;
}

/** The documents that are not empty, as plain JavaScript values; null where not all are plain. */
export function readPlainYaml(text: string): unknown[] | null {
  if (NOT_TIDY.test(text)) return null;
  try {
    return documentLines(text)
      .map((lines) => new BlockReader(lines).document())
      .filter((value) => value !== null);
  } catch (error) {
    if (error === NOT_PLAIN) return null;
    throw error;
  }
}
