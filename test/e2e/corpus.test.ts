/**
 * Recorded exchanges behind the real Envoy: a few of our own, and those of the OpenAI and
 * Anthropic chat APIs where a corpus is at hand. `make corpus` runs those of all APIs.
 */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { corpusFolder, readCorpus } from "./corpus-case.ts";
import {
  type CaseResult,
  type CorpusStack,
  type Mode,
  problemText,
  runCases,
  startCorpusStack,
} from "./corpus-runner.ts";
import { PROJECT_ROOT } from "./harness.ts";

const APIS = ["chat.completions", "messages"];
const PROVIDERS = ["openai", "anthropic"];
const MODES: Mode[] = ["whole", "7-byte"];
const own = readCorpus(join(PROJECT_ROOT, "test/fixtures/corpus"));
const folder = corpusFolder();
const recorded = (folder === null ? [] : readCorpus(folder)).filter(
  (each) => APIS.includes(each.api) && PROVIDERS.includes(each.provider),
);

let running: CorpusStack;
beforeAll(async () => {
  running = await startCorpusStack([...own, ...recorded]);
});
afterAll(() => running?.close());

function problemsOf(results: CaseResult[]): string[] {
  return results.filter(({ problems }) => problems.length > 0).map(problemText);
}

test.each(MODES)("our own cases, %s", async (mode) => {
  const results = await runCases(running, own, mode);
  expect(results.length).toBe(8);
  expect(problemsOf(results)).toEqual([]);
});

describe.skipIf(folder === null)("corpus (TOLLGATE_CORPUS or ../shared/corpus)", () => {
  test.each(MODES)("every expectation is met, %s", { timeout: 60_000 }, async (mode) => {
    expect(recorded.length).toBeGreaterThan(30);
    const results = await runCases(running, recorded, mode);
    expect(problemsOf(results)).toEqual([]);
    expect(results.length).toBe(recorded.length);
  });
});
