/** What HTTPRoutes compare paths, headers and query parameters with. Pure. */
import { compilePattern, patternProblem } from "../cel/regex-safety.ts";
import { MATCHES_SUBJECT_LIMIT_CHARS } from "../cel/text-functions.ts";

export interface PatternMatch {
  pattern: RegExp;
  /** As it stands in the route. */
  source: string;
}

export type TextMatch = { exact: string } | PatternMatch;

/** A text is too long to be searched in safe time: whether it matches is not known. */
export class TextTooLong extends Error {
  /** The pattern, as it stands in the route. */
  readonly pattern: string;

  constructor(pattern: string, found: number) {
    super(
      `patterns of routes read at most ${MATCHES_SUBJECT_LIMIT_CHARS} characters, found ${found}`,
    );
    this.pattern = pattern;
  }
}

/** Envoy's route patterns match the whole text; flags as in `(?i)` stay in front. */
function wholeText(pattern: string): string {
  const [flags = ""] = /^\(\?[ims]+\)/.exec(pattern) ?? [];
  return `${flags}^(?:${pattern.slice(flags.length)})$`;
}

/** Says what is wrong with a pattern of a route, or null where it is fine. */
export function routePatternProblem(pattern: string): string | null {
  try {
    // By itself, for `a)(b` is a pattern only between other parentheses.
    compilePattern(pattern);
  } catch (error) {
    return `is not a regular expression: ${(error as Error).message}`;
  }
  return patternProblem(wholeText(pattern));
}

/** @param pattern one without a problem; throws SyntaxError where it is none */
export function patternMatch(pattern: string): PatternMatch {
  return { pattern: compilePattern(wholeText(pattern)), source: pattern };
}

/** Whether the whole of `text` matches. Throws TextTooLong. */
export function matchesText(match: TextMatch, text: string): boolean {
  if ("exact" in match) return text === match.exact;
  if (text.length > MATCHES_SUBJECT_LIMIT_CHARS) throw new TextTooLong(match.source, text.length);
  return match.pattern.test(text);
}
