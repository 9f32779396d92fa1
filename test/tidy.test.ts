/** House style that no linter knows: lengths, names, words. */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { describe, expect, test } from "vitest";
import { longFunctions } from "./long-functions.ts";
import { nodesOf, projectFiles } from "./sources.ts";

const MAX_COLUMNS = 100;
const MAX_FILE_LINES = 400;
const MAX_FUNCTION_LINES = 70;
const BANNED_NAMES = /(^|[-./])(utils?|helpers?|common|manager|misc)([-./]|$)/;
const BANNED_WORDS = new RegExp(`\\b(${["TO" + "DO", "FIX" + "ME", "XX" + "X"].join("|")})\\b`);

const tracked = projectFiles("*.ts", "*.lua", "*.sh", "Makefile");

const lines = (file: string) => readFileSync(file, "utf8").split("\n");

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
    const long = sources.flatMap((file) =>
      longFunctions(readFileSync(file, "utf8"), nodesOf(file), MAX_FUNCTION_LINES).map(
        (line) => `${file}:${line}`,
      ),
    );
    expect(long).toEqual([]);
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
