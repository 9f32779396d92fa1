/** A pattern that is let through takes at most quadratic time, in counted steps. */
import { describe, expect, test } from "vitest";
import { patternProblem } from "../../../limitador-bridge/cel/regex-safety.ts";
import { createRandom, once, pick, type Random } from "../../fuzz/random.ts";
import { countedSteps } from "./counted-match.ts";

const SHORT_CHARS = 48;
const MOST_STEPS = 500_000;
/** Below, factors that do not grow with the subject hide how the steps do. */
const FEW_STEPS = 20_000;
/** Steps over those for half the subject: about 4 of quadratic time, 8 of cubic. */
const MOST_GROWTH = 5;

const UNITS = ["a", "b", "ab", "aab", "-", "a-", "1", "a1"];
const ENDS = ["", "!", "c"];
const ITEMS = ["a", "a", "b", "-", "[ab]", "[^b]", "\\w", ".", "\\-", "\\x61", "(?:a)", "(a|b)"];
const QUANTIFIERS = ["", "", "", "*", "+", "?", "*", "{0,3}", "{2,}", "{0,20}", "{3}", "*?"];

function subjectOf(unit: string, end: string, length: number): string {
  return unit.repeat(length).slice(0, length) + end;
}

/** Subjects on which the steps for `pattern` grow as in more than quadratic time. */
function slowSubjects(pattern: string): string[] {
  return UNITS.flatMap((unit) =>
    ENDS.flatMap((end) => {
      const subject = subjectOf(unit, end, 2 * SHORT_CHARS);
      const steps = countedSteps(pattern, subject, MOST_STEPS);
      if (steps < FEW_STEPS) return [];
      const before = countedSteps(pattern, subjectOf(unit, end, SHORT_CHARS), MOST_STEPS);
      return Number.isFinite(steps) && steps <= MOST_GROWTH * before
        ? []
        : [`${unit}… ${end}: ${before}, then ${steps}`];
    }),
  );
}

function sequence(random: Random, depth: number): string {
  const parts = Array.from({ length: 1 + random(4) }, () => {
    const isGroup = depth > 0 && once(random, 4);
    const part = isGroup ? `(?:${alternatives(random, depth - 1)})` : pick(random, ITEMS);
    return part + pick(random, QUANTIFIERS);
  });
  return parts.join("");
}

function alternatives(random: Random, depth: number): string {
  const first = sequence(random, depth);
  return once(random, 4) ? `${first}|${once(random, 4) ? "" : sequence(random, depth)}` : first;
}

function generated(seed: number): string {
  const random = createRandom(seed);
  // What can be left out between what can take anything is easily overlooked.
  if (once(random, 2)) {
    const part = () => pick(random, ["a", "a", "-", "\\w"]) + pick(random, ["*", "*", "?", ""]);
    return `^${Array.from({ length: 6 }, part).join("")}c`;
  }
  const start = once(random, 2) ? "^" : "";
  return start + alternatives(random, 2) + pick(random, ["", "$", "c", "@"]);
}

describe("more than quadratic time is told", () => {
  test.each([
    "^[a-z0-9]+-?[a-z0-9]+-?[a-z0-9]+@",
    "^[0-9a-f]+-?[0-9a-f]+-?[0-9a-f]+-?[0-9a-f]+-?[0-9a-f]+$",
    "a*b*a*c",
    "\\w*-?\\w*@",
    "[a-z]*_?[a-z]*:",
    "^a*b{0,2}a*b{0,2}a*c",
    "^a*(?:b)?a*(?:b)?a*c",
    "^a*(?:b|)a*(?:b|)a*c",
    "^b|a*a*c",
    "a\\x61*a*c",
    "^a*(?<ñ>a*)a*c",
  ])("%s", (pattern) => {
    expect(slowSubjects(pattern)).not.toEqual([]);
    expect(patternProblem(pattern)).toMatch(/^has too many open repetitions/);
  });
});

describe("what is let through is quick", () => {
  test.each([
    "^/v1/.*$",
    "^[^@]+@example\\.com$",
    "^(a|b)-[0-9]+$",
    ".*foo.*",
    "^(?:/v[12]/.*|/v3/.*)$",
    "^(?:[a-z0-9-]+\\.)*example\\.com$",
    "^[^.]+\\.[^.]+\\.[^.]+$",
    ".*(gpt|claude|gemini|llama|mistral|qwen|phi|grok|o1|o3|dall-e|gpt-4|gpt-4o|tts).*",
    "^\\w+-\\w*-\\w*@",
    "^a*-{1,3}a*-+a*(?:-x)b",
  ])("%s", (pattern) => {
    expect(patternProblem(pattern)).toBeNull();
    expect(slowSubjects(pattern)).toEqual([]);
  });

  test("of 800 generated ones", () => {
    const patterns = Array.from({ length: 800 }, (_, seed) => generated(seed));
    const taken = patterns.filter((pattern) => patternProblem(pattern) === null);
    expect(taken.length).toBeGreaterThan(200);
    expect(taken.flatMap((pattern) => slowSubjects(pattern).map((at) => [pattern, at]))).toEqual(
      [],
    );
  });
});
