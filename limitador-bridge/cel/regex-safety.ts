/**
 * Vets a literal pattern of `matches()` at load. CEL means RE2, which is linear; JavaScript's
 * engine backtracks, so a pattern that could take more than quadratic time is refused. So is what
 * RE2 has (https://github.com/google/re2/wiki/Syntax) and JavaScript reads as something else.
 */
import { addTo } from "../multi-map.ts";
import { type PatternNode, PatternRefused, parsePattern } from "./regex-syntax.ts";

/** What a node can make of the time to match, beyond reading its text once. */
interface Cost {
  /** Exponent, over the subject's length, of the number of ways to match from one place. */
  degree: number;
  /** The factor before it. */
  ways: number;
  /** Characters that each way reads before it can fail. Fixed text fails early, and counts 0. */
  reads: number;
  /** Something reads any number of characters, but ends in one place only. */
  walks: boolean;
}

/** What follows a node; "end": nothing, so that the pattern matches there. */
type Next = PatternNode | "end" | "unknown";

interface Vetting {
  flags: string;
  /** `^` and `$` stand at lines, too. */
  multiline: boolean;
}

/** Exponent of the worst time over the subject's length that is let through. */
const MAX_DEGREE = 2;
/** Ways in which `x?`, `x{n,m}` and `x|y` together can match; a degree takes four bits of them. */
const MAX_WAYS = 4096;
const DEGREE_BITS = 4;
/** Ranges of more, as in `x{0,17}`, and reads of more count as open ones. */
const MAX_RANGE = 16;
const MAX_READS = 32;
const MAX_REPEATED = 1000;
/** Characters at which alternatives are looked at for a difference. */
const MAX_COMPARED = 100;

const REPEATED = "repeats a group that can itself match in several ways, which can take for ever";

/** What JavaScript takes for a letter or a class, and what to write instead. */
const ONLY_RE2: readonly (readonly [RegExp, string])[] = [
  [/^\\A/, "write ^"],
  [/^\\[zZ]/, "write $"],
  [/^\[\^?\[:\^?\w+:\]/, "write a class such as [A-Za-z]"],
  [/^\\[pP]/, "write a class such as [A-Za-z]"],
  [/^\\x\{/, "write the character itself"],
  [/^\\[QE]/, "put a backslash before each sign"],
  [/^\\[aC]/, "write the character itself"],
  [/^\\(?![bBdDwWsSnrtfvxk])[A-Za-z]/, "no letter has this meaning in RE2"],
];

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

/** The character that a node begins with, where it can be no other and is not left out. */
function firstLiteral(node: PatternNode | undefined): string | null {
  if (node?.kind === "item") return node.literal;
  if (node?.kind === "repeat") return node.min > 0 ? firstLiteral(node.node) : null;
  const [only, ...others] = node?.kind === "group" ? node.alternatives : [];
  return others.length === 0 ? firstLiteral(only?.[0]) : null;
}

/** Whether a repetition of `item` ends in one place only, since what follows is no such item. */
function isDelimited(item: string, next: Next, { flags, multiline }: Vetting): boolean {
  if (typeof next === "string") return false;
  if (next.kind === "assertion") return next.text === "$" && !multiline;
  const literal = firstLiteral(next);
  if (literal === null) return false;
  // Also as if flags were set, for a group may set them.
  return ![flags, "is"].some((each) => new RegExp(`^(?:${item})$`, each).test(literal));
}

function costOfRepeat(node: PatternNode & { kind: "repeat" }, next: Next, vetting: Vetting): Cost {
  const { node: inner, min, max } = node;
  if (inner.kind !== "item" && max <= 1) {
    const once = costOf(inner, next, vetting);
    return min === max ? once : { ...once, ways: once.ways + 1 };
  }
  const { degree, ways, reads, walks } = costOf(inner, "unknown", vetting);
  if (degree > 0 || ways > 1) throw new PatternRefused(REPEATED);
  const cost = { degree: 0, ways: 1, reads: min === 1 ? reads : min * Math.max(1, reads), walks };
  if (cost.reads > MAX_REPEATED) {
    throw new PatternRefused(`repeats more than ${MAX_REPEATED} times in all, as RE2 never does`);
  }
  // At the very end it has matched at once.
  if (next === "end" || min === max) return cost;
  if (max - min <= MAX_RANGE) return { ...cost, ways: max - min + 1 };
  if (inner.kind === "item" && isDelimited(inner.text, next, vetting))
    return { ...cost, walks: true };
  return { ...cost, degree: 1 };
}

function costOf(node: PatternNode, next: Next, vetting: Vetting): Cost {
  if (node.kind === "group") return costOfAlternatives(node.alternatives, next, vetting);
  if (node.kind === "repeat") return costOfRepeat(node, next, vetting);
  const reads = node.kind === "item" && node.literal === null ? 1 : 0;
  return { degree: 0, ways: 1, reads, walks: false };
}

function costOfSequence(sequence: PatternNode[], next: Next, vetting: Vetting): Cost {
  const total: Cost = { degree: 0, ways: 1, reads: 0, walks: false };
  for (const [i, node] of sequence.entries()) {
    const cost = costOf(node, sequence[i + 1] ?? next, vetting);
    total.degree += cost.degree;
    total.ways *= cost.ways;
    total.reads += cost.reads;
    total.walks ||= cost.walks;
  }
  return total;
}

/** The cost of whichever is worse, or of both one after the other: `ways` says which. */
function worse(a: Cost, b: Cost, ways: number): Cost {
  const degree = Math.max(a.degree, b.degree);
  return { degree, ways, reads: Math.max(a.reads, b.reads), walks: a.walks || b.walks };
}

/** Of those that differ in their next fixed character only one can match at a place. */
function costOfAlternatives(
  alternatives: PatternNode[][],
  next: Next,
  vetting: Vetting,
  at = 0,
): Cost {
  const [first, ...others] = alternatives;
  if (first !== undefined && others.length === 0)
    return costOfSequence(first.slice(at), next, vetting);
  const byLiteral = new Map<string, PatternNode[][]>();
  let total: Cost = { degree: 0, ways: 0, reads: 0, walks: false };
  for (const sequence of alternatives) {
    const node = sequence[at];
    if (node?.kind === "item" && node.literal !== null && at < MAX_COMPARED) {
      addTo(byLiteral, node.literal.toUpperCase(), sequence);
    } else {
      const cost = costOfSequence(sequence.slice(at), next, vetting);
      total = worse(total, cost, total.ways + cost.ways);
    }
  }
  let exclusive: Cost = { degree: 0, ways: 0, reads: 0, walks: false };
  for (const sequences of byLiteral.values()) {
    const cost = costOfAlternatives(sequences, next, vetting, at + 1);
    exclusive = worse(exclusive, cost, Math.max(exclusive.ways, cost.ways));
  }
  return worse(total, exclusive, total.ways + exclusive.ways);
}

/** Whether it can match from the subject's beginning only. */
function isAnchored(alternatives: PatternNode[][]): boolean {
  return alternatives.every(([first]) => {
    if (first?.kind === "group") return isAnchored(first.alternatives);
    return first?.kind === "assertion" && first.text === "^";
  });
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

function timeProblem(pattern: string): string | null {
  const { body, flags } = splitFlags(pattern);
  const multiline = flags.includes("m") || /\(\?[a-z]*m/.test(body);
  const alternatives = parsePattern(body);
  const cost = costOfAlternatives(alternatives, "end", { flags, multiline });
  // A search that may begin anywhere is one more loop around the whole.
  const anywhere = isAnchored(alternatives) && !multiline ? 0 : 1;
  const readsMany = cost.reads > MAX_READS;
  const degree = anywhere + cost.degree + (cost.walks || readsMany ? 1 : 0);
  if (degree > MAX_DEGREE) {
    return (
      "has too many open repetitions, which can take very long; " +
      "begin with ^ and repeat [^x]* up to the x that follows"
    );
  }
  const factor = cost.ways * (readsMany ? 1 : Math.max(1, cost.reads / 2));
  if (factor <= MAX_WAYS >> (DEGREE_BITS * degree)) return null;
  return "has too many optional or bounded repetitions together, which can take very long";
}

/** Says what is wrong with `pattern` for `matches()`, or null where it is fine. */
export function patternProblem(pattern: string): string | null {
  const foreign = onlyRe2Problem(splitFlags(pattern).body);
  if (foreign !== null) return foreign;
  try {
    const compiled = compilePattern(pattern);
    const slow = timeProblem(pattern);
    // One that is too large is told only when it is first used.
    if (slow === null) compiled.test("");
    return slow;
  } catch (error) {
    if (error instanceof PatternRefused) return error.message;
    return `is not a regular expression: ${(error as Error).message}`;
  }
}
