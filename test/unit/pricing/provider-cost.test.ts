/** Where the price is known, our cost is the provider's own, to the nano-dollar. */
import { expect, test } from "vitest";
import { createCatalogue } from "../../../limitador-bridge/pricing/catalogue.ts";
import { createPriceBook } from "../../../limitador-bridge/pricing/price-book.ts";
import { compilePriceTable } from "../../../limitador-bridge/pricing/price-table.ts";
import { interpret, RESPONSES, whole } from "../usage/exchanges.ts";

const { table } = compilePriceTable({
  apiVersion: "tollgate.dev/v1alpha1",
  kind: "PriceTable",
  metadata: { name: "recorded" },
  spec: {
    models: [
      {
        match: "maker/cached-model",
        perMillionTokensUSD: { input: 5, cachedInput: 0.5, cacheWrite5m: 6.25, output: 30 },
      },
      { match: "grok-small", perMillionTokensUSD: { input: 0.3, cachedInput: 0.075, output: 0.5 } },
      { match: "searching-model", perMillionTokensUSD: { input: 0.2574, output: 1.0287 } },
    ],
  },
});
const book = createPriceBook({
  catalogue: createCatalogue([]),
  tables: table === null ? [] : [table],
});

test.each<[string, string, object, object, number]>([
  [
    "OpenRouter, cache writes in the input",
    RESPONSES,
    { object: "response", model: "maker/cached-model" },
    {
      input_tokens: 4020,
      input_tokens_details: { cached_tokens: 0, cache_write_tokens: 4012 },
      output_tokens: 5,
      total_tokens: 4025,
      cost: 0.025265,
      is_byok: false,
    },
    25_265_000,
  ],
  [
    "OpenRouter, cache reads in the input",
    RESPONSES,
    { object: "response", model: "maker/cached-model" },
    {
      input_tokens: 4020,
      input_tokens_details: { cached_tokens: 4012 },
      output_tokens: 5,
      total_tokens: 4025,
      cost: 0.002196,
    },
    2_196_000,
  ],
  [
    "xAI in ticks, reasoning beside the completion",
    "/v1/chat/completions",
    { object: "chat.completion", model: "grok-small" },
    {
      prompt_tokens: 12,
      completion_tokens: 2,
      total_tokens: 354,
      prompt_tokens_details: { cached_tokens: 2 },
      completion_tokens_details: { reasoning_tokens: 340 },
      num_sources_used: 0,
      // 10 × 0.3 + 2 × 0.075 + 342 × 0.5 USD / 10^6
      cost_in_usd_ticks: 1_741_500,
    },
    174_150,
  ],
  [
    "a price that is no whole number of nano-USD a token: rounded up once, as theirs is",
    "/v1/chat/completions",
    { object: "chat.completion", model: "searching-model" },
    {
      prompt_tokens: 2317,
      completion_tokens: 53,
      total_tokens: 2370,
      cost: 0.0006509169,
      cost_details: { upstream_inference_cost: 0.0006509169 },
    },
    650_917,
  ],
])("%s", (_, path, answer, usage, expected) => {
  const got = interpret(whole({ ...answer, usage }, { path }));
  const { costNanoUsd, priced } = book.price(got.model, got.provider, got, 0);
  expect([got.source, priced]).toEqual(["reported", true]);
  expect([got.providerCostNanoUsd, costNanoUsd]).toEqual([expected, expected]);
});
