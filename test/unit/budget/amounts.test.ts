import { describe, expect, test } from "vitest";
import {
  percentDown,
  percentUp,
  utilizationText,
} from "../../../limitador-bridge/budget/amount.ts";
import { keyPart } from "../../../limitador-bridge/budget/budget-key.ts";
import { forecast, isSpike, usualHourNanoUsd } from "../../../limitador-bridge/budget/forecast.ts";
import { matchesModel } from "../../../limitador-bridge/budget/model-pattern.ts";
import { nanoUsdText } from "../../../limitador-bridge/nano-usd-text.ts";
import { USD } from "./budget-fixture.ts";

const DAY_MS = 86_400_000;
const MAX = Number.MAX_SAFE_INTEGER;

test("shares are exact, and bounded", () => {
  expect([percentDown(99, 5), percentUp(99, 5), percentUp(100, 5)]).toEqual([4, 5, 5]);
  expect([percentDown(MAX, 99), percentDown(MAX, 110)]).toEqual([8917127262193581, MAX]);
});

test.each<[number | bigint, string]>([
  [-1n, "-0.000000001"],
  [-12_500_000_000, "-12.5"],
  [2n ** 53n * 1_000_000_000n, "9007199254740992"],
  [0, "0"],
  [1, "0.000000001"],
  [12_500_000_000, "12.5"],
  [8000 * USD, "8000"],
  [MAX, "9007199.254740991"],
])("%s nano-USD are %s USD", (amount, text) => {
  expect(nanoUsdText(amount)).toBe(text);
});

test.each<[number, number, string]>([
  [0, 100, "0.00"],
  [85, 100, "0.85"],
  [99_999, 100_000, "0.99"],
  [100, 100, "1.00"],
  [1234, 100, "12.34"],
  [0, 0, "1.00"],
])("%d of %d is %s", (taken, budget, text) => {
  expect(utilizationText(taken, budget)).toBe(text);
});

test.each<[string | null, string]>([
  ["ml", "ml"],
  ["a/b|c%d\n", "a%2Fb%7Cc%25d%0A"],
  ["*", "%2A"],
  ["gpt*", "gpt*"],
  [null, "*"],
  ["\ud800", "\ufffd"],
])("%j within a key is %s", (name, part) => {
  expect(keyPart(name)).toBe(part);
});

test.each<[string, string, boolean]>([
  ["gpt-4o", "gpt-4o", true],
  ["gpt-4o", "GPT-4o", true],
  ["gpt-4o", "gpt-4o-mini", false],
  ["gpt-4o", "gpt-4o-2024-08-06", true],
  ["claude-opus-4", "claude-opus-4-20250514", true],
  ["claude-opus-4", "claude-opus-4@20250514", true],
  ["claude-3-5-sonnet", "claude-3-5-sonnet-latest", true],
  ["gpt-4", "gpt-4-0613", true],
  ["gpt-4", "gpt-4-1106-preview", true],
  ["gpt-3.5-turbo", "gpt-3.5-turbo-0125", true],
  ["gemini-2.5-pro", "gemini-2.5-pro-preview-05-06", true],
  ["gpt-4", "gpt-4-32k", false],
  ["gpt-4", "gpt-4-turbo-preview", false],
  ["gpt-4o", " gpt-4o", true],
  ["gpt-4o", "openai/gpt-4o", true],
  ["gpt-4o", "openrouter/openai/gpt-4o-2024-08-06", true],
  ["openai/gpt-4o", "openai/gpt-4o", true],
  ["openai/gpt-4o", "gpt-4o", false],
  ["claude-opus*", "claude-opus-4-1", true],
  ["gpt-4o-2024-08-06", "gpt-4o", false],
  ["*", "", true],
  ["claude-opus-4", "anthropic.claude-opus-4-20250514-v1:0", true],
  ["claude-opus-4", "us.anthropic.claude-opus-4-20250514-v1%3A0", true],
  ["claude-opus*", "us-gov.anthropic.claude-opus-4-1-20250805-v1:0:200k", true],
  [
    "claude-opus-4",
    "arn:aws:bedrock:us-east-1:1:inference-profile/eu.anthropic.claude-opus-4-20250514-v1:0",
    true,
  ],
  ["mistral-large", "mistral.mistral-large-2402-v1:0", true],
  ["nova-pro", "global.amazon.nova-pro-v1:0", true],
  ["anthropic.claude-opus-4-20250514-v1:0", "anthropic.claude-opus-4-20250514-v1%3A0", true],
  ["claude-opus-4", "anthropic.claude-opus-4-1-20250805-v1:0", false],
  ["1-8b", "llama3.1-8b", false],
  ["claude-opus-4", "claude-opus-4%", false],
])("%s is about %s: %s", (pattern, model, matches) => {
  expect(matchesModel(pattern, model)).toBe(matches);
});

describe("forecast", () => {
  const soFar = (spentNanoUsd: number, elapsedDays: number) => ({
    spentNanoUsd,
    budgetNanoUsd: 100,
    elapsedMs: elapsedDays * DAY_MS,
    periodMs: 30 * DAY_MS,
  });
  test.each<[number, number, ReturnType<typeof forecast>]>([
    [40, 10, { atEndNanoUsd: 120, daysUntilExhausted: 15, exhaustsBeforeReset: true }],
    [40, 15, { atEndNanoUsd: 80, daysUntilExhausted: 22.5, exhaustsBeforeReset: false }],
    [10, 7, { atEndNanoUsd: 43, daysUntilExhausted: 63, exhaustsBeforeReset: false }],
    [0, 10, { atEndNanoUsd: 0, daysUntilExhausted: null, exhaustsBeforeReset: false }],
    [100, 30, { atEndNanoUsd: 100, daysUntilExhausted: 0, exhaustsBeforeReset: true }],
    [150, 10, { atEndNanoUsd: 450, daysUntilExhausted: 0, exhaustsBeforeReset: true }],
    [5, 0, null],
  ])("%d spent after %d of 30 days", (spent, days, expected) => {
    expect(forecast(soFar(spent, days))).toEqual(expected);
  });

  test("stays an integer that all can count", () => {
    const all = { ...soFar(MAX, 1), budgetNanoUsd: MAX };
    expect(forecast(all)?.atEndNanoUsd).toBe(MAX);
  });
});

test("a spike is more than three usual hours", () => {
  const usual = usualHourNanoUsd([0, 10, 0, 20, 31]);
  expect(usual).toBe(21);
  expect([isSpike(63, usual), isSpike(64, usual)]).toEqual([false, true]);
  expect([usualHourNanoUsd([0, 0]), isSpike(1000, null)]).toEqual([null, false]);
});
