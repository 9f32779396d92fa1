/**
 * Vets a literal pattern of `matches()` at load. CEL means RE2, which is linear; JavaScript's
 * engine backtracks, so a pattern that could take more than quadratic time is refused. So is what
 * RE2 has (https://github.com/google/re2/wiki/Syntax) and JavaScript reads as something else.
 */

interface Group {
  /** Something inside can match in more than one length or way. */
  ambiguous: boolean;
}

/** Exponent of the worst time over the subject's length that is let through. */
const MAX_DEGREE = 2;
/** Ways in which `x?` and `x{n,m}` together can match; each degree takes four bits of them. */
const MAX_WAYS = 4096;
const DEGREE_BITS = 4;

/** What JavaScript takes for a letter or a class, and what to write instead. */
const ONLY_RE2: readonly (readonly [RegExp, string])[] = [
  [/^\\A/, "write ^"],
  [/^\\[zZ]/, "write $"],
  [/^\[\^?\[:\^?\w+:\]/, "write a class such as [A-Za-z]"],
  [/^\\[pP]/, "write a class such as [A-Za-z]"],
  [/^\\x\{/, "write the character itself"],
  [/^\\[QE]/, "put a backslash before each sign"],
  [/^\\[aC]/, "write the character itself"],
];

interface Scan {
  pattern: string;
  flags: string;
  at: number;
  groups: Group[];
  /** The group that has just been closed, while it can still be repeated. */
  closed: Group | null;
  /** Text of the last single-character item (class, escape or literal). */
  item: string | null;
  /** Open repetitions that may give back what they took. */
  degree: number;
  /** One that ends where it ends: `x*` right before a literal that x cannot be. */
  delimited: boolean;
  /** The product of the ways in which each bounded repetition can match. */
  ways: number;
}

/** A pattern and its flags: RE2's `(?i)` at the beginning is a flag in JavaScript. */
function splitFlags(pattern: string): { body: string; flags: string } {
  const found = /^\(\?([ims]+)\)/.exec(pattern);
  if (found === null) return { body: pattern, flags: "" };
  return { body: pattern.slice(found[0].length), flags: [...new Set(found[1])].join("") };
}

/** RE2's way to begin a named group; JavaScript knows only the other one that RE2 has, `(?<`. */
const NAMED_GROUP = /(?<!\\)\(\?P</g;

/** The pattern as JavaScript runs it. Throws SyntaxError where it is none. */
export function compilePattern(pattern: string): RegExp {
  const { body, flags } = splitFlags(pattern);
  return new RegExp(body.replace(NAMED_GROUP, "(?<"), flags);
}

function skipClass(pattern: string, start: number): number {
  let at = start + 1;
  if (pattern[at] === "^") at++;
  while (at < pattern.length && pattern[at] !== "]") at += pattern[at] === "\\" ? 2 : 1;
  return at + 1;
}

function countOpenRepetition(scan: Scan): void {
  const next = scan.pattern[scan.at];
  // At the very end it has matched at once.
  if (next === undefined) return;
  const isLast = next === "$" && scan.at + 1 === scan.pattern.length;
  if (isLast && scan.item !== null) scan.delimited = true;
  else if (scan.item === null || /[\\[(|.*+?{)^$]/.test(next)) scan.degree++;
  else if (new RegExp(`^(?:${scan.item})$`, scan.flags).test(next)) scan.degree++;
  else scan.delimited = true;
}

interface Quantifier {
  length: number;
  repeats: boolean;
  open: boolean;
  /** In how many lengths it can match; of one that is open, 1. */
  ways: number;
}

/** Reads a quantifier at scan.at, or null. */
function quantifierAt(scan: Scan): Quantifier | null {
  const found = /^(?:[*+?]|\{(\d+)(,?)(\d*)\})\??/.exec(scan.pattern.slice(scan.at));
  if (found === null) return null;
  const { length } = found[0];
  const sign = found[0][0];
  if (sign === "?") return { length, repeats: false, open: false, ways: 2 };
  if (sign === "*" || sign === "+") return { length, repeats: true, open: true, ways: 1 };
  const min = Number(found[1]);
  const max = found[2] === "" ? min : found[3] === "" ? Infinity : Number(found[3]);
  const open = max > 16 && max !== min;
  return { length, repeats: max > 1, open, ways: open ? 1 : max - min + 1 };
}

function applyQuantifier(scan: Scan): string | null {
  const quantifier = quantifierAt(scan);
  if (quantifier === null) return null;
  if (quantifier.repeats && scan.closed?.ambiguous === true) {
    return "repeats a group that can itself match in several ways, which can take for ever";
  }
  scan.at += quantifier.length;
  scan.ways *= quantifier.ways;
  if (quantifier.open) countOpenRepetition(scan);
  const group = scan.groups.at(-1);
  if (group !== undefined) group.ambiguous = true;
  return null;
}

function openGroup(scan: Scan): string | null {
  const rest = scan.pattern.slice(scan.at);
  if (/^\(\?(?:[=!]|<[=!])/.test(rest)) return "has a lookaround, which RE2 does not have";
  scan.at += /^\((?:\?(?:[a-z-]*:|P?<\w+>))?/.exec(rest)?.[0].length ?? 1;
  scan.groups.push({ ambiguous: false });
  scan.closed = null;
  scan.item = null;
  return null;
}

function closeGroup(scan: Scan): void {
  const group = scan.groups.pop() ?? { ambiguous: false };
  const outer = scan.groups.at(-1);
  if (outer !== undefined && group.ambiguous) outer.ambiguous = true;
  scan.closed = group;
  scan.item = null;
  scan.at++;
}

function step(scan: Scan): string | null {
  const char = scan.pattern[scan.at];
  if (char === "(") return openGroup(scan);
  if (char === ")") {
    closeGroup(scan);
    return applyQuantifier(scan);
  }
  scan.closed = null;
  if (char === "|") {
    const group = scan.groups.at(-1);
    if (group !== undefined) group.ambiguous = true;
    scan.item = null;
    scan.at++;
    return null;
  }
  const start = scan.at;
  if (char === "\\" && /^\\(?:[1-9]|k<)/.test(scan.pattern.slice(start, start + 3))) {
    return "has a back-reference, which RE2 does not have";
  }
  scan.at = char === "[" ? skipClass(scan.pattern, start) : start + (char === "\\" ? 2 : 1);
  scan.item = scan.pattern.slice(start, scan.at);
  return applyQuantifier(scan);
}

/** What stands in the pattern that only RE2 reads as it is meant. */
function onlyRe2Problem(body: string): string | null {
  for (let at = 0; at < body.length; at += body[at] === "\\" ? 2 : 1) {
    const rest = body.slice(at, at + 20);
    for (const [sign, instead] of ONLY_RE2) {
      const found = sign.exec(rest);
      if (found !== null) return `has ${found[0]}, which is not supported: ${instead}`;
    }
  }
  return null;
}

/** Says what is wrong with `pattern` for `matches()`, or null where it is fine. */
export function patternProblem(pattern: string): string | null {
  const foreign = onlyRe2Problem(splitFlags(pattern).body);
  if (foreign !== null) return foreign;
  try {
    compilePattern(pattern);
  } catch (error) {
    return `is not a regular expression: ${(error as Error).message}`;
  }
  const { body, flags } = splitFlags(pattern);
  const start = { at: 0, groups: [], closed: null, item: null, degree: 0, delimited: false };
  const scan: Scan = { pattern: body, flags, ...start, ways: 1 };
  while (scan.at < body.length) {
    const problem = step(scan);
    if (problem !== null) return problem;
  }
  // A search that may begin anywhere is one more loop around the whole.
  const anywhere = body.startsWith("^") ? 0 : 1;
  const degree = anywhere + scan.degree + (scan.delimited ? 1 : 0);
  if (degree > MAX_DEGREE) {
    return (
      "has too many open repetitions, which can take very long; " +
      "begin with ^ and repeat [^x]* up to the x that follows"
    );
  }
  if (scan.ways <= MAX_WAYS >> (DEGREE_BITS * degree)) return null;
  return "has too many optional or bounded repetitions together, which can take very long";
}
