/** House style that no linter knows: lengths, names, words. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { describe, expect, test } from "vitest";

const MAX_COLUMNS = 100;
const MAX_FILE_LINES = 400;
const MAX_FUNCTION_LINES = 70;
const BANNED_NAMES = /(^|[-./])(utils?|helpers?|common|manager|misc)([-./]|$)/;
const BANNED_WORDS = new RegExp(`\\b(${["TO" + "DO", "FIX" + "ME", "XX" + "X"].join("|")})\\b`);

const OPENING = /^(\s*)(export |async |private |override |static |get |function )+.*\{$/;

const tracked = execFileSync(
  "git",
  ["ls-files", "--cached", "--others", "--exclude-standard", "*.ts", "*.lua", "*.sh", "Makefile"],
  { encoding: "utf8" },
)
  .split("\n")
  .filter((file) => file !== "");

const lines = (file: string) => readFileSync(file, "utf8").split("\n");

/** Functions and methods that are longer than allowed, as file:line. */
function longFunctions(file: string): string[] {
  const long: string[] = [];
  const text = lines(file);
  text.forEach((line, start) => {
    const indent = OPENING.exec(line)?.[1];
    if (indent === undefined || /\b(class|interface|enum|type|const|describe)\b/.test(line)) return;
    const end = text.findIndex((candidate, at) => at > start && candidate === `${indent}}`);
    if (end - start > MAX_FUNCTION_LINES) long.push(`${file}:${start + 1}`);
  });
  return long;
}

describe("tidy", () => {
  test("there are files to look at", () => {
    expect(tracked.length).toBeGreaterThan(50);
  });

  test("no line is longer than 100 columns", () => {
    const long = tracked.flatMap((file) =>
      lines(file).flatMap((line, i) =>
        line.length > MAX_COLUMNS && file.endsWith(".ts") ? [`${file}:${i + 1}`] : [],
      ),
    );
    expect(long).toEqual([]);
  });

  test("no file is longer than 400 lines", () => {
    expect(tracked.filter((file) => lines(file).length > MAX_FILE_LINES + 1)).toEqual([]);
  });

  test("no function is longer than 70 lines", () => {
    // In tests a function that wraps a suite is as long as the suite.
    const sources = tracked.filter((file) => /^(plugin|limitador-bridge)\/.*\.ts$/.test(file));
    expect(sources.flatMap(longFunctions)).toEqual([]);
  });

  test("file names are kebab-case and say what is in them", () => {
    const bad = tracked.filter(
      (file) =>
        BANNED_NAMES.test(file) || !/^[a-z0-9]+([-.][a-z0-9]+)*$|^Makefile$/.test(basename(file)),
    );
    expect(bad).toEqual([]);
  });

  test("nothing is left open", () => {
    const open = tracked.filter((file) => BANNED_WORDS.test(readFileSync(file, "utf8")));
    expect(open).toEqual([]);
  });
});
