import { describe, expect, test } from "vitest";
import { compilePattern, patternProblem } from "../../../limitador-bridge/cel/regex-safety.ts";

describe("let through", () => {
  test.each([
    "^/v1/[^/]+/models/[^/]+:generate$",
    "^gpt-4.*",
    "^[0-9a-f-]+$",
    ".*\\.internal$",
    "^(foo|bar)/x$",
    "^a{1,8}b$",
    "(?i)^bearer ",
    "^.*foo.*bar",
    "[(+*]",
    "^(?:abc)?d",
    "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{32}$",
    "^https?://(www\\.)?[a-z]{1,16}(\\.[a-z]{2,6})?$",
    "\\\\A",
    "^/(?P<version>v[0-9])/",
    "[a[]",
    "[\\[\\]]",
    "(?:[0-9]{3}-){2}",
    "^(?:a|b)*c",
    `^(?:${"a".repeat(3900)}|${"a".repeat(3900)})`,
  ])("%s", (pattern) => {
    expect(patternProblem(pattern)).toBeNull();
  });

  test.each([
    ["^/(?P<version>v[0-9])/", "/v1/x", true],
    ["^/(?P<version>v[0-9])/", "/vx/x", false],
    ["^a\\(?P<x$", "a(P<x", true],
  ])("%s on %s", (pattern, subject, expected) => {
    expect(compilePattern(pattern).test(subject)).toBe(expected);
  });

  test.each(["^[^/]+/[^/]+/x$", ".*a.*", "a[^b]*b", "^.*a.*b"])(
    "%s is quick at its worst",
    (pattern) => {
      const compiled = compilePattern(pattern);
      const subjects = ["a", "/", "ab", "a/"].map((text) => text.repeat(2048).slice(0, 2048));
      const begin = process.cpuUsage();
      for (const subject of subjects) compiled.test(`${subject}\n`);
      expect(process.cpuUsage(begin).user).toBeLessThan(500_000);
    },
  );
});

describe("refused", () => {
  const repeated = "repeats a group that can itself match in several ways, which can take for ever";
  const open =
    "has too many open repetitions, which can take very long; " +
    "begin with ^ and repeat [^x]* up to the x that follows";
  const bounded = "has too many optional or bounded repetitions together, which can take very long";
  test.each([
    ["(a+)+$", repeated],
    ["(a*)*", repeated],
    ["(a|a)*$", repeated],
    ["(a?){20}", repeated],
    ["((a+)b?)*", repeated],
    ["(?:x+x+)+y", repeated],
    ["(.*)*", repeated],
    [".*.*.*x", open],
    ["a.*b[^/]+/c", open],
    ["\\s*\\w*\\s*x", open],
    ["(?i)[a-z]+[A-Z]+[a-z]+1", open],
    ["^a{0,16}a{0,16}a{0,16}a{0,16}b$", bounded],
    [`^${"[ab]?".repeat(13)}c$`, bounded],
    [".*(a?)(b?)(c?)(d?)(e?)x", bounded],
    ["\\A/v1/", "has \\A, which is not supported: write ^"],
    ["/v1/.*\\z", "has \\z, which is not supported: write $"],
    ["^[[:alpha:]]+$", "has [[:alpha:], which is not supported: write a class such as [A-Za-z]"],
    ["^\\pL+$", "has \\p, which is not supported: write a class such as [A-Za-z]"],
    ["^[^\\PL]+$", "has \\P, which is not supported: write a class such as [A-Za-z]"],
    ["(?i)\\x{41}", "has \\x{, which is not supported: write the character itself"],
    ["^[]a]+$", "begins a class with [], which is not supported: write \\] for ]"],
    ["^[^]a]+$", "begins a class with [^], which is not supported: write \\] for ]"],
    ["^a\\y", "has \\y, which is not supported: no letter has this meaning in RE2"],
    ["^\\c*c*d", "has \\c, which is not supported: no letter has this meaning in RE2"],
    ["^\\u0061", "has \\u, which is not supported: no letter has this meaning in RE2"],
    ["^a{1001}$", "has {1001}: RE2 repeats at most 1000 times"],
    ["(?:a{100}){11}", "repeats more than 1000 times in all, as RE2 never does"],
    [`${"(".repeat(201)}a${")".repeat(201)}`, "has groups within each other more than 200 deep"],
    [".*[ab]{1000}c", open],
    ["^a|.*b.*c", open],
    ["(?m)^[^x]*y[^x]*z", open],
    [`^${"(a|a)".repeat(13)}b`, bounded],
    ["\\Qa.b\\E", "has \\Q, which is not supported: put a backslash before each sign"],
    ["^a(?=b)", "has a lookaround, which RE2 does not have"],
    ["(?<!a)b", "has a lookaround, which RE2 does not have"],
    ["(a)\\1", "has a back-reference, which RE2 does not have"],
    ["(", "is not a regular expression: Invalid regular expression: /(/: Unterminated group"],
  ])("%s", (pattern, problem) => {
    expect(patternProblem(pattern)).toBe(problem);
  });
});
