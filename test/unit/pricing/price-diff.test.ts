import { describe, expect, test } from "vitest";
import type { ListedPrice } from "../../../limitador-bridge/pricing/price-book.ts";
import { diffPrices, diffText } from "../../../limitador-bridge/pricing/price-diff.ts";

function price(match: string, change: Partial<ListedPrice> = {}): ListedPrice {
  return {
    match,
    provider: "openai",
    perMillionTokensUSD: { input: "1", output: "2" },
    contextTiers: [],
    perUnitUSD: {},
    serviceTiers: {},
    maxOutputTokens: null,
    source: "one",
    asOf: null,
    ...change,
  };
}

describe("a difference of prices", () => {
  test("none: where they were read is no price", () => {
    const found = diffPrices([price("a")], [price("A", { source: "two", asOf: "2026-11-01" })]);
    expect(found).toEqual({ changes: [], same: 1 });
    expect(diffText(found)).toBe("0 added, 0 removed, 0 changed, 1 the same\n");
  });

  test("models added and removed, by provider", () => {
    const before = [price("a"), price("b")];
    const after = [price("a"), price("b", { provider: "azure" })];
    expect(diffText(diffPrices(before, after))).toBe(
      "added azure b: input 1, output 2\n" +
        "removed openai b: input 1, output 2\n" +
        "1 added, 1 removed, 0 changed, 1 the same\n",
    );
  });

  test("kind by kind, with percent where there is a number to compare with", () => {
    const before = price("a", {
      perMillionTokensUSD: { input: "1.5", output: "0", cachedInput: "0.3" },
      contextTiers: [{ aboveTokens: 200_000, perMillionTokensUSD: { input: "3" } }],
      perUnitUSD: { web_search_requests: "0.01" },
      serviceTiers: { flex: "0.5" },
      maxOutputTokens: 4096,
    });
    const after = price("a", {
      perMillionTokensUSD: { input: "2", output: "2", reasoning: "4" },
      contextTiers: [{ aboveTokens: 200_000, perMillionTokensUSD: { input: "2.999" } }],
      perUnitUSD: { web_search_requests: "0.01" },
      serviceTiers: { flex: "0.25" },
      maxOutputTokens: 8192,
    });
    expect(diffText(diffPrices([before], [after]))).toBe(
      [
        "changed openai a",
        "  input 1.5 → 2 (+33.3%)",
        "  output 0 → 2",
        "  cachedInput 0.3 → none",
        "  input above 200000 tokens 3 → 2.999 (0%)",
        "  flex factor 0.5 → 0.25 (-50%)",
        "  max output tokens 4096 → 8192 (+100%)",
        "  reasoning none → 4",
        "0 added, 0 removed, 1 changed, 0 the same",
        "",
      ].join("\n"),
    );
  });

  test("the catalogue's names of providers are ours", () => {
    const before = [price("a", { provider: "x-ai" }), price("b", { provider: "google" })];
    const after = [price("a", { provider: "xai" }), price("b", { provider: "gemini" })];
    expect(diffPrices(before, after)).toEqual({ changes: [], same: 2 });
  });
});
