import { calcPrice, waitForUpdate } from "@pydantic/genai-prices";
import { describe, expect, test } from "vitest";
import { createCatalogue, loadCatalogue } from "../../../limitador-bridge/pricing/catalogue.ts";
import { createPriceBook } from "../../../limitador-bridge/pricing/price-book.ts";
import { noTokens, type Usage } from "../../../limitador-bridge/usage/normal-form.ts";

const TIME = Date.parse("2026-11-20T12:00:00Z");
const catalogue = await loadCatalogue();
const book = createPriceBook({ catalogue, tables: [] });
const providers = (await waitForUpdate()) ?? [];

function usageOf(tokens: Partial<Usage["tokens"]>, more: Partial<Usage> = {}): Usage {
  return {
    tokens: { ...noTokens(), ...tokens },
    otherUnits: {},
    model: null,
    provider: null,
    serviceTier: null,
    providerCostNanoUsd: null,
    extraLines: [],
    source: "reported",
    reason: null,
    ...more,
  };
}

describe("the default catalogue", () => {
  test.each([
    ["gpt-4o-2024-08-06", "openai", { inputText: 1000, cacheRead: 24, outputText: 100 }, 3_530_000],
    ["grok-3-mini", "xai", { inputText: 10, cacheRead: 2, outputText: 2, reasoning: 320 }, 164_150],
    [
      "anthropic/claude-4.6-sonnet-20260217",
      "openrouter",
      { inputText: 3, cacheRead: 2240, cacheWrite5m: 329, outputText: 100 },
      3_414_750,
    ],
    [
      "anthropic/claude-sonnet-4.5",
      "openrouter",
      { inputText: 43, outputText: 23, reasoning: 13 },
      669_000,
    ],
    ["claude-sonnet-4-5-20250929", null, { inputText: 1, cacheWrite1h: 1, outputText: 1 }, 24_000],
    ["us.anthropic.claude-sonnet-4-5-20250929-v1:0", "bedrock", { inputText: 100 }, 330_000],
    ["gemini-2.5-pro", "gemini", { inputText: 200_001 }, 500_002_500],
    ["gemini-2.5-pro", "vertex", { inputText: 200_000 }, 250_000_000],
  ])("%s at %s", (model, provider, tokens, costNanoUsd) => {
    const cost = book.price(model, provider, usageOf(tokens), TIME);
    expect([cost.costNanoUsd, cost.priced]).toEqual([costNanoUsd, true]);
  });

  test("seconds, searches and service tiers", () => {
    const price = (model: string, provider: string, usage: Usage) =>
      book.price(model, provider, usage, TIME).costNanoUsd;
    const seconds = usageOf({}, { otherUnits: { audio_seconds: 37 } });
    expect(price("whisper-1", "openai", seconds)).toBe(3_700_000);
    const searched = usageOf({ inputText: 1 }, { otherUnits: { web_search_requests: 2 } });
    expect(price("gpt-4o", "openai", searched)).toBe(20_002_500);
    const flex = usageOf({ inputText: 3 }, { serviceTier: "flex" });
    expect(price("gpt-4o", "openai", flex)).toBe(3750);
  });

  test("an unknown model has no price, whatever its name", () => {
    const unknown = ["", "who", "meta-llama/unknown", "x".repeat(100_000), "__proto__"];
    for (const model of unknown) expect(catalogue.find(model, null, TIME)).toBe(null);
  });

  test("agrees with the package's own arithmetic for every model that it prices", () => {
    const counts = { inputText: 190, cacheRead: 70, cacheWrite5m: 40, outputText: 130 };
    const reported = {
      input_tokens: 300,
      cache_read_tokens: 70,
      cache_write_tokens: 40,
      output_tokens: 130,
    };
    const timestamp = new Date(TIME);
    let compared = 0;
    const different: string[] = [];
    for (const provider of providers) {
      for (const { id } of provider.models) {
        const theirs = calcPrice(reported, id, { providerId: provider.id, timestamp });
        const ours = book.price(id, provider.id, usageOf(counts), TIME);
        // Claude's cache writes have a rule of ours where the catalogue has no rate.
        if (theirs === null || !ours.priced || ours.entry?.rates.cacheWrite5m === undefined)
          continue;
        compared += 1;
        const exact = theirs.total_price * 1e9;
        if (Math.abs(ours.costNanoUsd - exact) > 1.001) different.push(`${provider.id} ${id}`);
      }
    }
    expect(different).toEqual([]);
    expect(compared).toBeGreaterThan(100);
  });
});

describe("prices that change with time", () => {
  const own = createCatalogue([
    {
      id: "p",
      name: "P",
      api_pattern: "https://p",
      model_match: { starts_with: "m" },
      models: [
        {
          id: "m1",
          match: { equals: "m1" },
          prices: [
            { prices: { input_mtok: 1 } },
            {
              constraint: { type: "start_date", start_date: "2026-11-01" },
              prices: { input_mtok: 2 },
            },
            {
              constraint: { type: "time_of_date", start_time: "22:00:00Z", end_time: "02:00:00Z" },
              prices: { input_mtok: 3 },
            },
          ],
        },
        {
          id: "m2",
          match: { or: [{ regex: "^m2-\\d{4}-\\d{2}-\\d{2}$" }] },
          prices: { input_mtok: 4 },
        },
      ],
    },
  ]);
  const rate = (model: string, time: string) =>
    own.find(model, null, Date.parse(time))?.rates.input;

  test("by date and by time of day, the last condition first", () => {
    expect(rate("m1", "2026-10-31T12:00:00Z")).toBe(1_000_000_000n);
    expect(rate("m1", "2026-11-01T12:00:00Z")).toBe(2_000_000_000n);
    expect(rate("m1", "2026-11-01T22:00:00Z")).toBe(3_000_000_000n);
    expect(rate("m1", "2026-11-02T01:59:59Z")).toBe(3_000_000_000n);
    expect(rate("m1", "2026-11-02T02:00:00Z")).toBe(2_000_000_000n);
  });

  test("dates in names are found in both spellings, makers before a slash are passed over", () => {
    expect(rate("m2-20260131", "2026-11-01T00:00:00Z")).toBe(4_000_000_000n);
    expect(rate("somebody/m1", "2026-10-31T12:00:00Z")).toBe(1_000_000_000n);
  });
});
