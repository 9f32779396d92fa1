/** Reads a pattern that JavaScript takes into a tree, as far as its running time depends on it. */

export type PatternNode =
  /** One character. `literal`: the only one that it can be (in any letter case), or null. */
  | { kind: "item"; text: string; literal: string | null }
  /** `^`, `$`, `\b` or `\B`. */
  | { kind: "assertion"; text: string }
  | { kind: "group"; alternatives: PatternNode[][] }
  /** `max` may be Infinity. */
  | { kind: "repeat"; node: PatternNode; min: number; max: number };

/** A pattern in which something stands that no pattern here may have. */
export class PatternRefused extends Error {}

interface Reader {
  pattern: string;
  at: number;
  depth: number;
}

/** As in Go's regexp, which Kuadrant runs patterns with, but less deep. */
const MAX_DEPTH = 200;
const MAX_REPEATED = 1000;
/** Escapes of one character, or of a class of them. `\b` and `\B` are none. */
const ESCAPE = /^\\(?:x[\dA-Fa-f]{2}|u[\dA-Fa-f]{4}|c[A-Za-z]|0[0-7]{0,2}|[\s\S])/;
const QUANTIFIER = /^(?:([*+?])|\{(\d+)(,?)(\d*)\})\??/;
const GROUP_START = /^\((?:\?(?:[a-z-]*:|P?<[^>]*>))?/;

function readClass(reader: Reader): PatternNode {
  const { pattern, at: start } = reader;
  let at = pattern[start + 1] === "^" ? start + 2 : start + 1;
  if (pattern[at] === "]") {
    const sign = pattern.slice(start, at + 1);
    throw new PatternRefused(
      `begins a class with ${sign}, which is not supported: write \\] for ]`,
    );
  }
  while (at < pattern.length && pattern[at] !== "]") at += pattern[at] === "\\" ? 2 : 1;
  reader.at = at + 1;
  return { kind: "item", text: pattern.slice(start, at + 1), literal: null };
}

function readEscape(reader: Reader): PatternNode {
  const rest = reader.pattern.slice(reader.at, reader.at + 6);
  if (/^\\(?:[1-9]|k<)/.test(rest)) {
    throw new PatternRefused("has a back-reference, which RE2 does not have");
  }
  const text = ESCAPE.exec(rest)?.[0] ?? rest;
  reader.at += text.length;
  if (/^\\[bB]$/.test(text)) return { kind: "assertion", text };
  return { kind: "item", text, literal: /^\\\W$/.test(text) ? text.slice(1) : null };
}

function readGroup(reader: Reader): PatternNode {
  const rest = reader.pattern.slice(reader.at);
  if (/^\(\?(?:[=!]|<[=!])/.test(rest)) {
    throw new PatternRefused("has a lookaround, which RE2 does not have");
  }
  if (reader.depth === MAX_DEPTH) {
    throw new PatternRefused(`has groups within each other more than ${MAX_DEPTH} deep`);
  }
  reader.at += GROUP_START.exec(rest)?.[0].length ?? 1;
  reader.depth++;
  const alternatives = readAlternatives(reader);
  reader.depth--;
  reader.at++;
  return { kind: "group", alternatives };
}

function readOne(reader: Reader): PatternNode {
  const char = reader.pattern[reader.at] as string;
  if (char === "(") return readGroup(reader);
  if (char === "[") return readClass(reader);
  if (char === "\\") return readEscape(reader);
  reader.at++;
  if (char === "^" || char === "$") return { kind: "assertion", text: char };
  return { kind: "item", text: char, literal: char === "." ? null : char };
}

/** The node with the quantifier that follows it, if any. */
function readQuantifier(reader: Reader, node: PatternNode): PatternNode {
  const found = QUANTIFIER.exec(reader.pattern.slice(reader.at));
  if (found === null) return node;
  reader.at += found[0].length;
  const [, sign, from, comma, to] = found;
  if (sign === "?") return { kind: "repeat", node, min: 0, max: 1 };
  if (sign !== undefined) return { kind: "repeat", node, min: sign === "+" ? 1 : 0, max: Infinity };
  const min = Number(from);
  const max = comma === "" ? min : to === "" ? Infinity : Number(to);
  if (min > MAX_REPEATED || (max > MAX_REPEATED && max !== Infinity)) {
    throw new PatternRefused(`has ${found[0]}: RE2 repeats at most ${MAX_REPEATED} times`);
  }
  return { kind: "repeat", node, min, max };
}

function readAlternatives(reader: Reader): PatternNode[][] {
  let sequence: PatternNode[] = [];
  const alternatives = [sequence];
  while (reader.at < reader.pattern.length && reader.pattern[reader.at] !== ")") {
    if (reader.pattern[reader.at] === "|") {
      reader.at++;
      sequence = [];
      alternatives.push(sequence);
    } else sequence.push(readQuantifier(reader, readOne(reader)));
  }
  return alternatives;
}

/**
 * The alternatives of a whole pattern, each a sequence.
 *
 * @param pattern without flags in front, and one that JavaScript compiles
 * @throws PatternRefused where something in it is not supported
 */
export function parsePattern(pattern: string): PatternNode[][] {
  return readAlternatives({ pattern, at: 0, depth: 0 });
}
