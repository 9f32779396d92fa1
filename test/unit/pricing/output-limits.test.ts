/** The most output tokens of a model: its own entry, or one that has nothing but a limit. */
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import {
  type Catalogue,
  createCatalogue,
  loadCatalogue,
} from "../../../limitador-bridge/pricing/catalogue.ts";
import { createPriceBook, type PriceBook } from "../../../limitador-bridge/pricing/price-book.ts";
import {
  compilePriceTable,
  type PriceTable,
} from "../../../limitador-bridge/pricing/price-table.ts";

const NOW = Date.parse("2026-11-21T12:00:00Z");

function compiled(value: unknown): PriceTable {
  const { table, problems } = compilePriceTable(value);
  expect(problems).toEqual([]);
  return table as PriceTable;
}

const tableOf = (...models: object[]) =>
  compiled({
    apiVersion: "tollgate.dev/v1alpha1",
    kind: "PriceTable",
    metadata: { name: "test" },
    spec: { models },
  });

const shipped = ["default", "output-limits"].map((name) =>
  compiled(
    parse(readFileSync(new URL(`../../../policies/prices/${name}.yaml`, import.meta.url), "utf8")),
  ),
);

describe("a limit of output", () => {
  const price = (match: string, more: object = {}) => ({
    match,
    perMillionTokensUSD: { input: 1 },
    ...more,
  });
  const bookOf = (tables: PriceTable[], baseTables: PriceTable[]) =>
    createPriceBook({ catalogue: createCatalogue([]), tables, baseTables });
  const base = [tableOf({ match: "*gpt-4o*", maxOutputTokens: 16_384 })];

  test("needs no price, and is none", () => {
    const book = bookOf([tableOf(price("gpt-*"))], base);
    expect(book.maxOutputTokens("gpt-4o-2024-08-06", null, NOW)).toBe(16_384);
    expect(book.maxOutputTokens("gpt-4", null, NOW)).toBe(null);
    expect(book.maxOutputTokens(null, null, NOW)).toBe(null);
    expect(book.find("gpt-4o-2024-08-06", null, NOW)?.match).toBe("gpt-*");
    expect(bookOf([], base).find("gpt-4o", null, NOW)).toBe(null);
  });

  test.each([
    ["a name", "gpt-4o", 1000],
    ["a glob as long", "gpt-4o*", 2000],
    ["a shorter one", "gpt-4*", 16_384],
  ])("%s of one's own", (_, match, expected) => {
    const own = tableOf({ match, maxOutputTokens: match === "gpt-4o" ? 1000 : 2000 });
    expect(bookOf([own], base).maxOutputTokens("gpt-4o", null, NOW)).toBe(expected);
  });

  test("stands in the list, and changes the version", () => {
    const book = bookOf([], base);
    expect(book.list(NOW)).toMatchObject([
      { match: "*gpt-4o*", perMillionTokensUSD: {}, maxOutputTokens: 16_384 },
    ]);
    expect(book.version).not.toBe(bookOf([], []).version);
  });
});

describe("the shipped limits", () => {
  let book: PriceBook;
  beforeAll(async () => {
    const catalogue: Catalogue = await loadCatalogue();
    book = createPriceBook({ catalogue, tables: [], baseTables: shipped });
  });

  test.each([
    ["gpt-3.5-turbo-0125", 4096],
    ["gpt-35-turbo-16k", 16_384],
    ["gpt-4", 8192],
    ["gpt-4-0613", 8192],
    ["gpt-4-32k", 32_768],
    ["gpt-4-turbo-2024-04-09", 4096],
    ["gpt-4o", 16_384],
    ["gpt-4o-2024-08-06", 16_384],
    ["ft:gpt-4o-mini-2024-07-18:acme::1", 16_384],
    ["openai/gpt-4o-mini", 16_384],
    ["gpt-4.1-nano", 32_768],
    ["gpt-5-mini", 128_000],
    ["gpt-5.1-codex-mini", 128_000],
    ["gpt-5-pro", 272_000],
    ["o1", 100_000],
    ["o1-mini", 65_536],
    ["openai/o3-mini", 100_000],
    ["o4-mini-2025-04-16", 100_000],
    ["claude-3-haiku-20240307", 4096],
    ["claude-3-5-sonnet-20241022", 8192],
    ["anthropic/claude-3.5-sonnet", 8192],
    ["us.anthropic.claude-3-7-sonnet-20250219-v1:0", 128_000],
    ["claude-sonnet-4-20250514", 64_000],
    ["global.anthropic.claude-sonnet-4-5-20250929-v1:0", 64_000],
    ["claude-sonnet-4-6", 128_000],
    ["claude-haiku-4-5", 64_000],
    ["claude-opus-4-1@20250805", 32_000],
    ["anthropic/claude-opus-4.5", 64_000],
    ["claude-opus-4-6", 128_000],
    ["gemini-1.5-pro-002", 8192],
    ["models/gemini-2.0-flash", 8192],
    ["google/gemini-2.5-pro", 65_536],
    ["gemini-3-pro-preview", 65_536],
    ["deepseek-chat", 8192],
    ["deepseek-reasoner", 65_536],
    ["deepseek/deepseek-chat", 8192],
    [" o1 ", 100_000],
    ["us.amazon.nova-pro-v1:0", 10_000],
    ["llama-3-70b-instruct", 8192],
  ])("%s: %d", (model, expected) => {
    expect(book.maxOutputTokens(model, null, NOW)).toBe(expected);
  });

  test("a model that is not there has none", () => {
    expect(book.maxOutputTokens("grok-4", null, NOW)).toBe(null);
  });

  test("they take no price away", () => {
    expect(book.find("gpt-4o", "openai", NOW)?.source).toBe("@pydantic/genai-prices");
  });
});
