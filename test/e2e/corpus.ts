/**
 * `make corpus DIR=…`: every case of a corpus folder through the real Envoy, whole and in 7-byte
 * pieces, and a table by provider and API. Without DIR: TOLLGATE_CORPUS or ../shared/corpus.
 */
import { writeSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { corpusFolder, readCorpus } from "./corpus-case.ts";
import { resultTable, runCases, startCorpusStack } from "./corpus-runner.ts";

const TIME_LIMIT_MS = 30 * 60_000;
const STDOUT = 1;

test("corpus", { timeout: TIME_LIMIT_MS }, async () => {
  const folder = process.env.DIR ? resolve(process.env.DIR) : corpusFolder();
  if (folder === null) throw new Error("no corpus: say where it is with DIR=folder");
  const cases = readCorpus(folder);
  expect(cases.length).toBeGreaterThan(0);
  const running = await startCorpusStack(cases);
  try {
    const whole = await runCases(running, cases, "whole");
    const pieces = await runCases(running, cases, "7-byte");
    const results = [...whole, ...pieces];
    writeSync(STDOUT, `\n${resultTable(results)}\n`);
    expect(results.filter(({ problems }) => problems.length > 0).length).toBe(0);
  } finally {
    await running.close();
  }
});
