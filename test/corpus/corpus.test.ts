/** Every recorded exchange through the reference capture and the interpreter. */
import { describe, expect, test } from "vitest";
import { createRatios } from "../../limitador-bridge/estimate/ratios.ts";
import { nanoUsdUp } from "../../limitador-bridge/pricing/decimal.ts";
import { interpretUsage } from "../../limitador-bridge/usage/interpret.ts";
import { inputTotal, outputTotal, type Usage } from "../../limitador-bridge/usage/normal-form.ts";
import { recordedCases } from "./recorded.ts";
import { type Exchange, referenceCapture } from "./reference-capture.ts";

interface Expectation {
  kind: "final" | "partial" | "error" | "uncharged" | "other_units";
  model: string | null;
  input_tokens: number | null;
  output_tokens: number | null;
  cache_read_tokens: number | null;
  cache_write_tokens: number | null;
  cache_write_1h_tokens?: number;
  reasoning_tokens: number | null;
  input_audio_tokens?: number;
  output_audio_tokens?: number;
  output_image_tokens?: number;
  service_tier?: string;
  at_least?: { input_tokens: number; output_tokens: number };
  other_units?: Record<string, number>;
  extra_lines?: {
    model: string;
    input_tokens: number;
    output_tokens: number;
    cache_read_tokens: number;
    cache_write_tokens: number;
  }[];
  cost_usd?: string;
  deferred?: boolean;
}

interface CorpusCase extends Exchange {
  id: string;
  expect: Expectation;
}

const cases = recordedCases<CorpusCase>();

/** The figures that an expectation speaks of, and what was made of them. */
function finalFigures(expected: Expectation, usage: Usage): [unknown, unknown] {
  const { tokens } = usage;
  const got: Record<string, unknown> = {
    source: usage.source,
    input_tokens: inputTotal(tokens),
    output_tokens: outputTotal(tokens),
    cache_read_tokens: tokens.cacheRead,
    cache_write_tokens: tokens.cacheWrite5m + tokens.cacheWrite1h,
    cache_write_1h_tokens: tokens.cacheWrite1h,
    reasoning_tokens: tokens.reasoning,
    input_audio_tokens: tokens.inputAudio,
    output_audio_tokens: tokens.outputAudio,
    output_image_tokens: tokens.outputImage,
    other_units: usage.otherUnits,
    extra_lines: usage.extraLines.map((line) => ({
      model: line.model,
      input_tokens: inputTotal(line.tokens),
      output_tokens: outputTotal(line.tokens),
      cache_read_tokens: line.tokens.cacheRead,
      cache_write_tokens: line.tokens.cacheWrite5m + line.tokens.cacheWrite1h,
    })),
    model: usage.model,
    service_tier: usage.serviceTier,
    cost: usage.providerCostNanoUsd,
  };
  const wanted: Record<string, unknown> = {
    ...Object.fromEntries(Object.keys(got).map((key) => [key, expected[key as keyof Expectation]])),
    source: "reported",
    cache_write_1h_tokens: expected.cache_write_1h_tokens ?? 0,
    input_audio_tokens: expected.input_audio_tokens ?? 0,
    output_audio_tokens: expected.output_audio_tokens ?? 0,
    output_image_tokens: expected.output_image_tokens ?? 0,
    extra_lines: (expected.extra_lines ?? []).map((line) => {
      const { model, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens } = line;
      return { model, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens };
    }),
    cost: expected.cost_usd === undefined ? null : nanoUsdUp(expected.cost_usd),
  };
  // Where the corpus does not know these, whatever was found is right.
  for (const key of ["model", "service_tier", "other_units"]) wanted[key] ??= got[key];
  return [got, wanted];
}

function check(given: CorpusCase): void {
  const { expect: expected } = given;
  const usage = interpretUsage(referenceCapture(given), createRatios());
  if (expected.kind === "error" || expected.kind === "uncharged") {
    expect(usage.source).toBe("none");
    return;
  }
  if (expected.kind !== "partial") {
    const [got, wanted] = finalFigures(expected, usage);
    expect(got).toEqual(wanted);
    return;
  }
  expect(usage.source).toBe("estimated");
  expect(usage.model).toBe(expected.model ?? usage.model);
  const least = expected.at_least ?? { input_tokens: 0, output_tokens: 0 };
  const input = inputTotal(usage.tokens);
  const output = outputTotal(usage.tokens);
  expect(input).toBeGreaterThanOrEqual(least.input_tokens);
  expect(output).toBeGreaterThanOrEqual(least.output_tokens);
  expect(input + output).toBeGreaterThan(0);
}

describe.skipIf(cases.length === 0)("recorded exchanges", () => {
  test.each(cases.map((given) => [given.id, given] as const))("%s", (_, given) => check(given));
});

test.skipIf(cases.length > 0)("no corpus: set TOLLGATE_CORPUS to its folder", () => {
  expect(cases).toEqual([]);
});
