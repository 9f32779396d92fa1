import { describe, expect, test } from "vitest";
import { createCatalogue, loadCatalogue } from "../../../limitador-bridge/pricing/catalogue.ts";
import { createPriceBook } from "../../../limitador-bridge/pricing/price-book.ts";
import { compilePriceTable } from "../../../limitador-bridge/pricing/price-table.ts";
import {
  noTokens,
  type TokenCounts,
  type Usage,
} from "../../../limitador-bridge/usage/normal-form.ts";

const NOW = Date.parse("2026-11-20T12:00:00Z");

function usageOf(tokens: Partial<TokenCounts>, more: Partial<Usage> = {}): Usage {
  return {
    tokens: { ...noTokens(), ...tokens },
    otherUnits: {},
    model: "m",
    provider: null,
    serviceTier: null,
    providerCostNanoUsd: null,
    extraLines: [],
    source: "reported",
    reason: null,
    ...more,
  };
}

function bookOf(...models: object[]) {
  const { table, problems } = compilePriceTable({
    apiVersion: "tollgate.dev/v1alpha1",
    kind: "PriceTable",
    metadata: { name: "test" },
    spec: { models },
  });
  expect(problems).toEqual([]);
  return createPriceBook({ catalogue: createCatalogue([]), tables: table === null ? [] : [table] });
}

const cost = (model: object, tokens: Partial<TokenCounts>, more: Partial<Usage> = {}) =>
  bookOf(model).price("m", null, usageOf(tokens, more), NOW).costNanoUsd;

describe("what tokens cost", () => {
  const rates = { input: 2.5, output: 10, cachedInput: 1.25, inputAudio: 40 };

  test("is exact, and rounded up once", () => {
    const model = { match: "m", perMillionTokensUSD: rates };
    expect(cost(model, { inputText: 1, outputText: 1 })).toBe(12_500);
    expect(cost(model, { inputText: 100, cacheRead: 40, inputAudio: 3 })).toBe(420_000);
    const tiny = { match: "m", perMillionTokensUSD: { input: 0.000000001, output: 0.0000001 } };
    expect(cost(tiny, { inputText: 1, outputText: 1 })).toBe(1);
    expect(cost(tiny, { inputText: 1_000_000, outputText: 1 })).toBe(2);
    expect(cost(tiny, {})).toBe(0);
  });

  test("falls back to the rate that a kind is a part of", () => {
    const model = { match: "m", perMillionTokensUSD: { input: 1, output: 3 } };
    const kinds = { inputAudio: 1, inputImage: 1, cacheRead: 1, cacheWrite5m: 1, cacheWrite1h: 1 };
    expect(cost(model, kinds)).toBe(5000);
    expect(cost(model, { reasoning: 1, outputAudio: 1, outputImage: 1 })).toBe(9000);
  });

  test("Claude's cache writes are 1.25 and 2 times its input", () => {
    const book = bookOf({ match: "claude-*", perMillionTokensUSD: { input: 3, output: 15 } });
    const usage = usageOf({ cacheWrite5m: 1000, cacheWrite1h: 1000 });
    expect(book.price("claude-x", null, usage, NOW).costNanoUsd).toBe(9_750_000);
  });

  test.each([
    ["claude-x", 6_000_002],
    ["other", 3_750_001],
  ])("%s: a cache write of 1 hour, where only that of 5 minutes has a price", (model, expected) => {
    const rates = { input: 3, output: 15, cacheWrite5m: 3.750001 };
    const book = bookOf({ match: "*", perMillionTokensUSD: rates });
    const written = book.price(model, null, usageOf({ cacheWrite1h: 1000 }), NOW);
    expect([written.costNanoUsd, written.priced]).toEqual([expected, true]);
  });

  test.each([
    ["bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", 6_600_000],
    ["vertex", "claude-sonnet-4-5@20250929", 6_000_000],
    ["openrouter", "anthropic/claude-sonnet-4.5", 6_000_000],
  ])("%s's Claude writes for 1 hour at twice its input", async (provider, model, expected) => {
    const book = createPriceBook({ catalogue: await loadCatalogue(), tables: [] });
    const usage = usageOf({ cacheWrite1h: 1000 });
    expect(book.price(model, provider, usage, NOW).costNanoUsd).toBe(expected);
  });

  test("context tiers price the whole request by its whole input", () => {
    const model = {
      match: "m",
      perMillionTokensUSD: { input: 1, output: 4 },
      contextTiers: [
        { aboveTokens: 200, perMillionTokensUSD: { input: 2 } },
        { aboveTokens: 400, perMillionTokensUSD: { input: 3, output: 9 } },
      ],
    };
    expect(cost(model, { inputText: 200, outputText: 10 })).toBe(240_000);
    expect(cost(model, { inputText: 101, cacheRead: 100, outputText: 10 })).toBe(442_000);
    expect(cost(model, { inputText: 401, outputText: 10 })).toBe(1_293_000);
  });

  test("service tiers are factors on tokens, not on units", () => {
    const model = {
      match: "m",
      perMillionTokensUSD: { input: 1, output: 1 },
      serviceTiers: { flex: 0.5, priority: 1.75 },
      perUnitUSD: { web_search: 0.01 },
    };
    const tier = (serviceTier: string) =>
      cost(model, { inputText: 1001 }, { serviceTier, otherUnits: { web_search_requests: 1 } });
    expect(tier("flex")).toBe(10_500_500);
    expect(tier("Priority")).toBe(11_751_750);
    expect(tier("default")).toBe(11_001_000);
  });

  test("units and requests", () => {
    const model = { match: "m", perUnitUSD: { seconds: 0.0001, images: 0.04, request: 0.005 } };
    const units = { audio_seconds: 37, images: 2 };
    expect(cost(model, {}, { otherUnits: units })).toBe(88_700_000);
  });

  test("another model's lines are priced as that model", () => {
    const book = bookOf(
      { match: "m", perMillionTokensUSD: { input: 1, output: 1 } },
      { match: "advisor", perMillionTokensUSD: { input: 5, output: 25 } },
    );
    const line = { model: "advisor", tokens: { ...noTokens(), inputText: 10, outputText: 1 } };
    const usage = usageOf({ inputText: 10 }, { extraLines: [line] });
    expect(book.price("m", null, usage, NOW)).toMatchObject({ costNanoUsd: 85_000, priced: true });
    const unknown = usageOf({ inputText: 10 }, { extraLines: [{ ...line, model: "who" }] });
    expect(book.price("m", null, unknown, NOW)).toMatchObject({ priced: false, unpriced: ["who"] });
  });

  test("of a model that is sold by units alone is that of the units", () => {
    const book = bookOf({ match: "whisper-1", perUnitUSD: { audio_seconds: 0.0001 } });
    const heard = usageOf({ outputText: 20 }, { otherUnits: { audio_seconds: 10 } });
    const { costNanoUsd, priced, unpriced } = book.price("whisper-1", null, heard, NOW);
    expect([costNanoUsd, priced, unpriced]).toEqual([1_000_000, true, []]);
    // Without the units nothing is known of its price.
    expect(book.price("whisper-1", null, usageOf({ outputText: 20 }), NOW)).toMatchObject({
      priced: false,
      unpriced: ["outputText"],
    });
  });

  test("is not known where there is no price", () => {
    const book = bookOf({ match: "m", perMillionTokensUSD: { input: 1 } });
    const price = (model: string | null, usage: Usage) => {
      const { costNanoUsd, priced, unpriced } = book.price(model, null, usage, NOW);
      return { costNanoUsd, priced, unpriced };
    };
    expect(price("other", usageOf({ inputText: 1 }))).toEqual({
      costNanoUsd: 0,
      priced: false,
      unpriced: ["other"],
    });
    expect(price(null, usageOf({ inputText: 1 })).priced).toBe(false);
    expect(price("m", usageOf({ outputText: 1 }))).toEqual({
      costNanoUsd: 0,
      priced: false,
      unpriced: ["outputText"],
    });
    const searched = usageOf({ inputText: 1 }, { otherUnits: { web_search_requests: 1 } });
    expect(price("m", searched)).toEqual({
      costNanoUsd: 1000,
      priced: true,
      unpriced: ["web_search_requests"],
    });
    const onlySearched = usageOf({}, { otherUnits: { search_units: 1 } });
    expect(price("m", onlySearched).priced).toBe(false);
  });
});

test("Perplexity's searches and citations, where a price of them is published", async () => {
  const catalogue = await loadCatalogue();
  const book = createPriceBook({ catalogue, tables: [] });
  const usage = usageOf(
    { inputText: 33, outputText: 7163, reasoning: 95_305 },
    { otherUnits: { search_queries: 18, citation_tokens: 20_016 } },
  );
  const price = (model: string) => {
    const { costNanoUsd, unpriced } = book.price(model, "perplexity", usage, NOW);
    return { costNanoUsd, unpriced };
  };
  // 33 × 2, 7,163 × 8, 95,305 × 3 and 20,016 × 2 a million; 18 × 5 a thousand.
  expect(price("sonar-deep-research")).toEqual({ costNanoUsd: 473_317_000, unpriced: [] });
  expect(price("sonar-pro").unpriced).toEqual([]);
  const units = (model: string, provider: string) =>
    Object.keys(book.find(model, provider, NOW)?.perUnit ?? {}).sort();
  expect(units("sonar-deep-research", "perplexity")).toEqual(["citation_tokens", "search_queries"]);
  expect(units("claude-sonnet-4-5", "anthropic")).toEqual(["web_search_requests"]);
});

describe("which price applies", () => {
  const model = (match: string, input: number, more: object = {}) => ({
    match,
    perMillionTokensUSD: { input, output: 0 },
    ...more,
  });
  const book = bookOf(
    model("*", 1),
    model("gpt-*", 2),
    model("gpt-4o*", 3),
    model("gpt-4o", 4),
    model("*-mini", 5),
    model("dated", 6, { validUntil: "2026-11-01" }),
    model("dated", 7, { validFrom: "2026-11-01" }),
    model("dated", 8, { validFrom: "2026-11-20T13:00:00Z" }),
    model("shared", 9, { provider: "openai" }),
    model("shared", 10, { provider: "azure" }),
    model("shared", 11),
  );
  const priceOf = (name: string, provider: string | null = null, timeMs = NOW) =>
    book.price(name, provider, usageOf({ inputText: 1 }), timeMs).costNanoUsd / 1000;

  test.each([
    ["claude", 1],
    ["gpt-3", 2],
    ["gpt-4o-2024", 3],
    ["GPT-4o", 4],
    ["gpt-4o-mini", 3],
    ["o4-mini", 5],
  ])("%s: the most specific glob", (name, price) => expect(priceOf(name)).toBe(price));

  test("what an entry says of another provider, where nothing else is known", () => {
    const azure = model("acme-mini", 99, { provider: "azure" });
    const price = (models: object[], provider: string | null) =>
      bookOf(...models).price("acme-mini", provider, usageOf({ inputText: 1 }), NOW).costNanoUsd;
    expect(price([azure, model("acme-*", 1)], "openai")).toBe(1000);
    expect(price([azure, model("acme-*", 1)], "azure")).toBe(99_000);
    expect(price([azure], "openai")).toBe(99_000);
  });

  test("then the provider, then one for any", () => {
    expect(priceOf("shared", "azure")).toBe(10);
    expect(priceOf("shared", "openai")).toBe(9);
    expect(priceOf("shared", "groq")).toBe(11);
  });

  test("the one that is valid, and of those the latest", () => {
    expect(priceOf("dated", null, Date.parse("2026-10-31T23:59:59.999Z"))).toBe(6);
    expect(priceOf("dated", null, Date.parse("2026-11-01T00:00:00Z"))).toBe(7);
    expect(priceOf("dated", null, Date.parse("2026-11-20T13:00:00Z"))).toBe(8);
  });

  test("a change of any price changes the version", () => {
    expect(bookOf(model("a", 1)).version).toBe(bookOf(model("a", 1)).version);
    expect(bookOf(model("a", 1)).version).not.toBe(bookOf(model("a", 2)).version);
  });

  test("maxOutputTokens and the list", () => {
    const listed = bookOf(model("m", 0.15, { maxOutputTokens: 16_384, asOf: "2026-11-01" }));
    expect(listed.maxOutputTokens("m", null, NOW)).toBe(16_384);
    expect(listed.maxOutputTokens("other", null, NOW)).toBe(null);
    expect(listed.list(NOW)).toEqual([
      {
        match: "m",
        provider: null,
        perMillionTokensUSD: { input: "0.15", output: "0" },
        contextTiers: [],
        perUnitUSD: {},
        serviceTiers: {},
        maxOutputTokens: 16_384,
        source: null,
        asOf: "2026-11-01",
      },
    ]);
  });
});
