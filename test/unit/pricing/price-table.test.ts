import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { compilePriceTable } from "../../../limitador-bridge/pricing/price-table.ts";

const table = (models: unknown) => ({
  apiVersion: "tollgate.dev/v1alpha1",
  kind: "PriceTable",
  metadata: { name: "test" },
  spec: { models },
});
const model = (more: object) => ({ match: "m", perMillionTokensUSD: { input: 1 }, ...more });
const PRICE = "expected a price in USD from 0 to 1000000 with at most 9 decimals";

describe("PriceTable", () => {
  test("a whole entry", () => {
    const entry = model({
      provider: "openai",
      perMillionTokensUSD: { input: 0.15, output: 0.6, cachedInput: "0.075" },
      serviceTiers: { Flex: 0.5 },
      perUnitUSD: { web_search: 0.01 },
      validFrom: "2026-11-01",
      maxOutputTokens: 16_384,
      source: "the provider's price page",
      asOf: "2026-11-01",
    });
    const { table: compiled, problems } = compilePriceTable(table([entry]));
    expect(problems).toEqual([]);
    expect(compiled?.entries).toEqual([
      {
        match: "m",
        provider: "openai",
        rates: { input: 150_000_000n, output: 600_000_000n, cachedInput: 75_000_000n },
        contextTiers: [],
        serviceTiers: { flex: { digits: 5n, scale: 1 } },
        perUnit: { web_search_requests: { nanoUsd: 10_000_000n, per: 1n } },
        validFromMs: Date.parse("2026-11-01T00:00:00Z"),
        validUntilMs: null,
        maxOutputTokens: 16_384,
        source: "the provider's price page",
        asOf: "2026-11-01",
      },
    ]);
  });

  test("the shipped table", () => {
    const file = new URL("../../../policies/prices/default.yaml", import.meta.url);
    const { table: compiled, problems } = compilePriceTable(parse(readFileSync(file, "utf8")));
    expect(problems).toEqual([]);
    expect(compiled?.entries.map(({ match }) => match)).toEqual([
      "claude-opus",
      "claude-sonnet",
      "claude-haiku",
      "text-embedding-3-small",
      "text-embedding-3-large",
      "text-embedding-ada-002*",
      "llama-3-70b*",
      "llama-3-8b*",
    ]);
  });

  const at = (...path: (string | number)[]) => ["spec", "models", 0, ...path];
  test.each<[string, unknown, (string | number)[], string]>([
    ["no document", null, [], "expected a map, found nothing"],
    [
      "another kind",
      { ...table([model({})]), kind: "Prices" },
      ["kind"],
      'expected "PriceTable", found "Prices"',
    ],
    [
      "no name",
      { ...table([model({})]), metadata: {} },
      ["metadata", "name"],
      "expected a string that is not empty, found nothing",
    ],
    [
      "no models",
      table([]),
      ["spec", "models"],
      "expected a list that is not empty, found an empty list",
    ],
    [
      "no match",
      table([{ perMillionTokensUSD: { input: 1 } }]),
      at("match"),
      "expected a string that is not empty, found nothing",
    ],
    [
      "no price",
      table([{ match: "m" }]),
      at(),
      "expected one of perMillionTokensUSD, perUnitUSD, maxOutputTokens, found none",
    ],
    [
      "no price for input",
      table([{ match: "m", perMillionTokensUSD: { output: 1 } }]),
      at("perMillionTokensUSD"),
      "expected a price for input, found none",
    ],
    [
      "a negative price",
      table([model({ perMillionTokensUSD: { input: -1 } })]),
      at("perMillionTokensUSD", "input"),
      `${PRICE}, found -1`,
    ],
    [
      "a price that is too fine",
      table([model({ perMillionTokensUSD: { input: 1e-10 } })]),
      at("perMillionTokensUSD", "input"),
      `${PRICE}, found 1e-10`,
    ],
    [
      "a price that is no number",
      table([model({ perUnitUSD: { images: "much" } })]),
      at("perUnitUSD", "images"),
      `${PRICE}, found "much"`,
    ],
    [
      "an unknown kind of token",
      table([model({ perMillionTokensUSD: { input: 1, ouput: 2 } })]),
      at("perMillionTokensUSD", "ouput"),
      "unknown field; expected one of input, output, cachedInput, cacheWrite5m, cacheWrite1h, " +
        "inputAudio, inputImage, outputAudio, outputImage, reasoning",
    ],
    [
      "tiers out of order",
      table([
        model({
          contextTiers: [
            { aboveTokens: 10, perMillionTokensUSD: {} },
            { aboveTokens: 5, perMillionTokensUSD: {} },
          ],
        }),
      ]),
      at("contextTiers", 1, "aboveTokens"),
      "expected more than in the tier before",
    ],
    [
      "a factor that is none",
      table([model({ serviceTiers: { flex: -0.5 } })]),
      at("serviceTiers", "flex"),
      "expected a factor from 0 to 1000 with at most 9 decimals, found -0.5",
    ],
    [
      "a date that is none",
      table([model({ validFrom: "2026-02-30" })]),
      at("validFrom"),
      'expected a date (YYYY-MM-DD, UTC) or a time with its zone, found "2026-02-30"',
    ],
    [
      "an end before the start",
      table([model({ validFrom: "2026-02-02", validUntil: "2026-02-01" })]),
      at("validUntil"),
      "expected a time after validFrom",
    ],
    [
      "no whole number of tokens",
      table([model({ maxOutputTokens: 0.5 })]),
      at("maxOutputTokens"),
      "expected an integer above 0, found 0.5",
    ],
    [
      "the same twice",
      table([model({}), model({})]),
      ["spec", "models", 1, "match"],
      "the same match, provider and validFrom as spec.models[0]",
    ],
  ])("%s is the only problem, and there is no table", (_, value, path, message) => {
    expect(compilePriceTable(value)).toEqual({ table: null, problems: [{ path, message }] });
  });

  test("one bad entry rejects the whole table, all problems are told", () => {
    const { table: compiled, problems } = compilePriceTable(
      table([model({}), { match: "a", perMillionTokensUSD: { input: "x" } }, { match: "b" }]),
    );
    expect(compiled).toBe(null);
    expect(problems.map(({ path }) => path.join("."))).toEqual([
      "spec.models.1.perMillionTokensUSD.input",
      "spec.models.2",
    ]);
  });
});
