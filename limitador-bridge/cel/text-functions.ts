/**
 * String functions with the results of CEL's strings extension, as Kuadrant publishes them: case
 * is that of the letters A to Z alone, offsets count characters (not UTF-16 units), and a search
 * that begins beyond the end finds nothing. cel-js has others under the same names and takes no
 * second function for one, so rewrite.ts gives calls other names. Pure.
 */
import { ownName } from "./function-names.ts";
import { compilePattern } from "./regex-safety.ts";

/** Vetted patterns may be quadratic: this many characters then cost a few ms. */
export const MATCHES_SUBJECT_LIMIT_CHARS = 2048;

const patterns = new Map<string, RegExp>();

function matches(subject: string, pattern: string): boolean {
  if (subject.length > MATCHES_SUBJECT_LIMIT_CHARS) {
    throw new Error(
      `matches() reads at most ${MATCHES_SUBJECT_LIMIT_CHARS} characters, found ${subject.length}`,
    );
  }
  let compiled = patterns.get(pattern);
  if (compiled === undefined) {
    compiled = compilePattern(pattern);
    // Patterns are literals of policies, so the map is as small as the policies are.
    patterns.set(pattern, compiled);
  }
  return compiled.test(subject);
}

function lowerAscii(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

function upperAscii(text: string): string {
  return text.replace(/[a-z]+/g, (letters) => letters.toUpperCase());
}

/** Characters before the UTF-16 unit at `at`; -1 stays what it is. */
function characterIndex(text: string, at: number): bigint {
  return BigInt(at < 0 ? at : Array.from(text.slice(0, at)).length);
}

function charAt(text: string, index: bigint): string {
  const characters = Array.from(text);
  if (index < 0n || index > BigInt(characters.length))
    throw new Error(`charAt(${index}) is out of range`);
  return characters[Number(index)] ?? "";
}

/** UTF-16 units before the character at `index`; null: there is none. */
function unitsBefore(text: string, index: bigint, call: string): number | null {
  if (index < 0n) throw new Error(`${call}: ${index} is out of range`);
  const characters = Array.from(text);
  if (index >= BigInt(characters.length)) return null;
  return characters.slice(0, Number(index)).join("").length;
}

function indexOf(text: string, search: string, from = 0n): bigint {
  if (search === "" && from >= 0n) return from;
  const start = unitsBefore(text, from, "indexOf()");
  return start === null ? -1n : characterIndex(text, text.indexOf(search, start));
}

function lastIndexOf(text: string, search: string, from?: bigint): bigint {
  if (from === undefined) return characterIndex(text, text.lastIndexOf(search));
  if (search === "" && from >= 0n) return from;
  const start = unitsBefore(text, from, "lastIndexOf()");
  return start === null ? -1n : characterIndex(text, text.lastIndexOf(search, start));
}

function substring(text: string, start: bigint, end?: bigint): string {
  const characters = Array.from(text);
  const size = BigInt(characters.length);
  const until = end ?? size;
  if (start < 0n || start > until || until > size) {
    throw new Error(`substring(${start}, ${until}) is out of range`);
  }
  return characters.slice(Number(start), Number(until)).join("");
}

function replace(text: string, from: string, to: string, limit = -1n): string {
  if (limit < 0n) return text.replaceAll(from, () => to);
  let replaced = 0n;
  return text.replaceAll(from, (found) => (replaced++ < limit ? to : found));
}

const QUOTED: Readonly<Record<string, string>> = {
  "\u0007": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
  "\\": "\\\\",
  '"': '\\"',
};

function quote(text: string): string {
  return `"${Array.from(text.toWellFormed(), (char) => QUOTED[char] ?? char).join("")}"`;
}

/** What `strings` stands for, of which quote() is a method. */
export class StringsNamespace {}

/** By signature, under the names that calls are given. */
export const TEXT_FUNCTIONS: Readonly<Record<string, (...args: never[]) => unknown>> = {
  [`string.${ownName("matches")}(string): bool`]: matches,
  [`${ownName("matches")}(string, string): bool`]: matches,
  [`string.${ownName("lowerAscii")}(): string`]: lowerAscii,
  [`string.${ownName("upperAscii")}(): string`]: upperAscii,
  [`string.${ownName("indexOf")}(string): int`]: indexOf,
  [`string.${ownName("indexOf")}(string, int): int`]: indexOf,
  [`string.${ownName("lastIndexOf")}(string): int`]: lastIndexOf,
  [`string.${ownName("lastIndexOf")}(string, int): int`]: lastIndexOf,
  [`string.${ownName("substring")}(int): string`]: substring,
  [`string.${ownName("substring")}(int, int): string`]: substring,
  "string.charAt(int): string": charAt,
  "string.replace(string, string): string": replace,
  "string.replace(string, string, int): string": replace,
  "string.reverse(): string": (text: string) => Array.from(text).reverse().join(""),
  [`${StringsNamespace.name}.quote(string): string`]: (_: unknown, text: string) => quote(text),
};
