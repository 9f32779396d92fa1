import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { parseExactJson } from "../../../limitador-bridge/pricing/exact-json.ts";
import { importLiteLlm, isLiteLlm } from "../../../limitador-bridge/pricing/litellm.ts";
import { modelName, providerName } from "../../../limitador-bridge/pricing/litellm-names.ts";
import { compilePriceTable } from "../../../limitador-bridge/pricing/price-table.ts";
import { priceTableText } from "../../../limitador-bridge/pricing/price-table-text.ts";

/** Imports one model whose JSON is given without its braces. */
function imported(fields: string, key = "m") {
  const value = parseExactJson(`{"${key}": {"litellm_provider": "openai", ${fields}}}`);
  if (!isLiteLlm(value)) throw new Error("no LiteLLM layout");
  const { models, notes } = importLiteLlm(value);
  return { model: models[0], notes };
}

describe("JSON with exact numbers", () => {
  test("keeps every number as it is written, and strings as they are", () => {
    expect(
      parseExactJson('{"a": 1.5e-07, "b": [0.10, -2E+3], "c 1.5": "x 7 \\" 8", "d": null}'),
    ).toEqual({ a: "1.5e-07", b: ["0.10", "-2E+3"], "c 1.5": 'x 7 " 8', d: null });
  });

  test.each(["{01: 2}", '{"a": 1.}', '{"a": 1, 2}', '{"a": .5}'])("refuses %s", (text) => {
    expect(() => parseExactJson(text)).toThrow(SyntaxError);
  });
});

describe("prices per token", () => {
  test.each([
    ["1.5e-07", "0.15"],
    ["0.00000015", "0.15"],
    ["7.5e-08", "0.075"],
    ["1e-05", "10"],
    ["8.333e-08", "0.08333"],
    ["0", "0"],
    ["0.0", "0"],
    ["1e-15", "0.000000001"],
    ["1", "1000000"],
  ])("%s USD is %s USD for a million", (perToken, perMillion) => {
    const { model, notes } = imported(`"input_cost_per_token": ${perToken}`);
    expect(model?.rates).toEqual({ input: perMillion });
    expect(notes).toEqual([]);
  });

  test("finer than a nano-USD for a million: the nearest, and told", () => {
    const { model, notes } = imported(
      '"input_cost_per_token": 1.0000000000000001e-07, "output_cost_per_token": 6.6666666667e-07',
    );
    expect(model?.rates).toEqual({ input: "0.1", output: "0.666666667" });
    expect(notes).toEqual([
      "m: input_cost_per_token rounded to nano-USD for 1M tokens",
      "m: output_cost_per_token rounded to nano-USD for 1M tokens",
    ]);
  });

  test("every kind", () => {
    const { model, notes } = imported(
      `"input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06,
       "cache_read_input_token_cost": 3e-06, "cache_creation_input_token_cost": 4e-06,
       "cache_creation_input_token_cost_above_1hr": 5e-06, "input_cost_per_audio_token": 6e-06,
       "output_cost_per_audio_token": 7e-06, "output_cost_per_reasoning_token": 8e-06,
       "input_cost_per_image_token": 9e-06, "output_cost_per_image_token": 1e-05,
       "max_output_tokens": 16384, "max_tokens": 99, "supports_vision": true`,
    );
    expect(notes).toEqual([]);
    expect(model).toEqual({
      match: "m",
      provider: "openai",
      rates: {
        input: "1",
        output: "2",
        cachedInput: "3",
        cacheWrite5m: "4",
        cacheWrite1h: "5",
        inputAudio: "6",
        outputAudio: "7",
        reasoning: "8",
        inputImage: "9",
        outputImage: "10",
      },
      contextTiers: [],
      serviceTiers: {},
      perUnit: {},
      maxOutputTokens: 16_384,
      source: null,
    });
  });

  test("context tiers, in their order", () => {
    const { model, notes } = imported(
      `"input_cost_per_token": 3e-06, "input_cost_per_token_above_200k_tokens": 6e-06,
       "input_cost_per_token_above_128k_tokens": 4e-06,
       "output_cost_per_token": 1.5e-05, "output_cost_per_token_above_200k_tokens": 2.25e-05,
       "cache_creation_input_token_cost_above_1hr_above_200k_tokens": 1.2e-05`,
    );
    expect(notes).toEqual([]);
    expect(model?.rates).toEqual({ input: "3", output: "15" });
    expect(model?.contextTiers).toEqual([
      { aboveTokens: 128_000, rates: { input: "4" } },
      { aboveTokens: 200_000, rates: { input: "6", output: "22.5", cacheWrite1h: "12" } },
    ]);
  });

  test("service tiers as factors; the highest where prices differ in theirs", () => {
    const { model, notes } = imported(
      `"input_cost_per_token": 1.25e-06, "output_cost_per_token": 1e-05,
       "input_cost_per_token_flex": 6.25e-07, "output_cost_per_token_flex": 5e-06,
       "input_cost_per_token_priority": 2.5e-06, "output_cost_per_token_priority": 1.75e-05,
       "input_cost_per_token_batches": 6.25e-07, "output_cost_per_audio_token_flex": 1e-06`,
    );
    expect(model?.serviceTiers).toEqual({ flex: "0.5", priority: "2", batch: "0.5" });
    expect(notes).toEqual(["m: priority prices are not one factor: the highest, 2, is taken"]);
  });

  test("one price for searches; none where it depends on how much is searched", () => {
    const priced = '"input_cost_per_token": 1e-06, "search_context_cost_per_query":';
    const one = imported(`${priced} {"search_context_size_low": 0.01, "high": 0.01}`);
    expect([one.model?.perUnit, one.notes]).toEqual([{ web_search_requests: "0.01" }, []]);
    const two = imported(`${priced} {"search_context_size_low": 0.01, "high": 0.02}`);
    expect([two.model?.perUnit, two.notes]).toEqual([
      {},
      ["m: search_context_cost_per_query not translated"],
    ]);
  });
});

describe("reranking", () => {
  const tokens = '"input_cost_per_token": 0.0, "output_cost_per_token": 0.0';
  /** What is made of a model of this provider and mode with a price for a query. */
  const rerank = (provider: string, mode: string, price = "0.002") => {
    const value = parseExactJson(
      `{"r": {"litellm_provider": "${provider}", "mode": "${mode}", ${tokens},
        "input_cost_per_query": ${price}, "max_query_tokens": 2048}}`,
    );
    if (!isLiteLlm(value)) throw new Error("no LiteLLM layout");
    const { models, notes } = importLiteLlm(value);
    return [models.map(({ rates, perUnit }) => ({ rates, perUnit })), notes];
  };
  const rates = { input: "0", output: "0" };

  test.each(["cohere", "azure_ai"])("of %s is priced by search units", (provider) => {
    expect(rerank(provider, "rerank")).toEqual([
      [{ rates, perUnit: { search_units: "0.002" } }],
      [],
    ]);
  });

  test("that costs nothing is free", () => {
    expect(rerank("cohere", "rerank", "0.0")).toEqual([
      [{ rates, perUnit: { search_units: "0" } }],
      [],
    ]);
  });

  test.each([
    ["of a provider that tells no search units", "bedrock", "rerank", "0.001"],
    ["finer than a nano-USD", "cohere", "rerank", "2e-10"],
    ["queries of another mode", "cohere", "chat", "0.002"],
  ])("%s: left out rather than free", (_, provider, mode, price) => {
    expect(rerank(provider, mode, price)).toEqual([
      [],
      [
        "r: input_cost_per_query not translated",
        "r: left out: its other prices are 0, and it would be free",
      ],
    ]);
  });

  test("a price of tokens is kept beside one that is not translated", () => {
    const { model } = imported('"input_cost_per_token": 1e-06, "input_cost_per_query": 1');
    expect(model?.rates).toEqual({ input: "1" });
  });
});

describe("what cannot be translated is told", () => {
  test.each<[string, string, string[]]>([
    [
      "prices in other units, beside tokens",
      '"input_cost_per_token": 1e-06, "output_cost_per_second": 0.1, "input_cost_per_image": 0',
      ["m: output_cost_per_second not translated"],
    ],
    [
      "nothing but other units",
      '"input_cost_per_second": 0.0001, "input_cost_per_character": 1e-05',
      [
        "m: input_cost_per_second not translated",
        "m: input_cost_per_character not translated",
        "m: left out: no price per token",
      ],
    ],
    [
      "no price for input",
      '"output_cost_per_token": 1e-05',
      ["m: left out: no price per input token"],
    ],
    [
      "tiers and surcharges in forms of their own",
      `"input_cost_per_token": 1e-06, "tiered_pricing": [{"input_cost_per_token": 5e-07}],
       "provider_specific_entry": {"fast": 6.0}`,
      ["m: tiered_pricing not translated", "m: provider_specific_entry not translated"],
    ],
    [
      "a negative price",
      '"input_cost_per_token": -1e-06',
      ["m: input_cost_per_token not translated", "m: left out: no price per token"],
    ],
    [
      "a price beyond all sense",
      '"input_cost_per_token": 1e-06, "output_cost_per_token": 2',
      ["m: output_cost_per_token not translated: above 1000000 USD for 1M tokens"],
    ],
    [
      "a tier with nothing to compare it with",
      '"input_cost_per_token": 0, "input_cost_per_token_flex": 1e-06',
      ["m: flex prices not translated: no standard prices to compare them with"],
    ],
  ])("%s", (_, fields, notes) => {
    expect(imported(fields).notes).toEqual(notes);
  });
});

describe("names", () => {
  test.each([
    ["gpt-4o", "openai", "gpt-4o"],
    ["azure/gpt-4o", "azure", "gpt-4o"],
    ["azure_ai/mistral-large", "azure_ai", "mistral-large"],
    ["openrouter/openai/gpt-4o", "openrouter", "openai/gpt-4o"],
    ["gemini/gemini-2.5-flash", "gemini", "gemini-2.5-flash"],
    ["vertex_ai/claude-3-opus@20240229", "vertex_ai-anthropic_models", "claude-3-opus@20240229"],
    ["bedrock/us.anthropic.claude-3", "bedrock", "us.anthropic.claude-3"],
    ["us.amazon.nova-lite-v1:0", "bedrock_converse", "us.amazon.nova-lite-v1:0"],
    ["cohere/command-r", "cohere_chat", "command-r"],
    ["groq/llama3-70b-8192", "groq", "llama3-70b-8192"],
    ["standard", "openai", "standard"],
  ])("%s of %s is %s", (key, provider, model) => {
    expect(modelName(key, provider)).toEqual({ model });
  });

  test.each([
    ["azure/eu/gpt-4o", "azure", "only for eu"],
    ["bedrock/us-gov-west-1/anthropic.claude", "bedrock", "only for us-gov-west-1"],
    ["1024-x-1024/dall-e-2", "openai", "only for 1024-x-1024 pictures"],
    ["azure/hd/1024-x-1024/dall-e-3", "azure", "only for hd pictures"],
    ["openai/*", "openai", "stands for several models"],
    ["openai/", "openai", "no model's name"],
  ])("%s of %s is left out: %s", (key, provider, problem) => {
    expect(modelName(key, provider)).toEqual({ problem });
  });

  test.each([
    ["bedrock_converse", "bedrock"],
    ["vertex_ai-language-models", "vertex"],
    ["vertex_ai", "vertex"],
    ["text-completion-openai", "openai"],
    ["fireworks_ai-embedding-models", "fireworks"],
    ["dashscope", "alibaba"],
    ["groq", "groq"],
  ])("provider %s is %s", (theirs, ours) => {
    expect(providerName(theirs)).toBe(ours);
  });
});

describe("a whole file", () => {
  const file = parseExactJson(`{
    "sample_spec": {"litellm_provider": "one of them", "input_cost_per_token": 0.0},
    "gpt-4o": {"litellm_provider": "openai", "input_cost_per_token": 2.5e-06,
      "output_cost_per_token": 1e-05, "source": "https://example.com/prices"},
    "openai/gpt-4o": {"litellm_provider": "openai", "input_cost_per_token": 2.5e-06,
      "output_cost_per_token": 1e-05},
    "openai/GPT-4o": {"litellm_provider": "openai", "input_cost_per_token": 3e-06},
    "azure/gpt-4o": {"litellm_provider": "azure", "input_cost_per_token": 2.75e-06,
      "input_cost_per_token_above_128k_tokens": 5.5e-06, "input_cost_per_token_flex": 1.375e-06,
      "max_output_tokens": 4096},
    "strange": {"input_cost_per_token": 1e-06}
  }`);

  test("one entry for each model and provider", () => {
    if (!isLiteLlm(file)) throw new Error("no LiteLLM layout");
    const { models, notes } = importLiteLlm(file);
    expect(models.map(({ match, provider }) => [match, provider])).toEqual([
      ["gpt-4o", "openai"],
      ["gpt-4o", "azure"],
    ]);
    expect(notes).toEqual([
      "openai/GPT-4o: left out: GPT-4o has another price before",
      "strange: left out: no litellm_provider",
    ]);
  });

  test("is written as a table that is accepted, with exact prices", () => {
    if (!isLiteLlm(file)) throw new Error("no LiteLLM layout");
    const head = { name: "litellm", source: 'the "list"', asOf: "2026-11-21" };
    const text = priceTableText(head, importLiteLlm(file).models);
    expect(text).toBe(`apiVersion: tollgate.dev/v1alpha1
kind: PriceTable
metadata:
  name: litellm
spec:
  models:
    - match: "gpt-4o"
      provider: "openai"
      perMillionTokensUSD: {input: 2.5, output: 10}
      source: "https://example.com/prices"
      asOf: "2026-11-21"
    - match: "gpt-4o"
      provider: "azure"
      perMillionTokensUSD: {input: 2.75}
      contextTiers:
        - aboveTokens: 128000
          perMillionTokensUSD: {input: 5.5}
      serviceTiers: {flex: 0.5}
      maxOutputTokens: 4096
      source: "the \\"list\\""
      asOf: "2026-11-21"
`);
    const { table, problems } = compilePriceTable(parse(text));
    expect(problems).toEqual([]);
    expect(table?.entries.map(({ rates }) => rates)).toEqual([
      { input: 2_500_000_000n, output: 10_000_000_000n },
      { input: 2_750_000_000n },
    ]);
  });

  test.each([["[]"], ["{}"], ['{"a": 1}'], ['{"kind": "PriceTable"}'], ['{"a": {}}']])(
    "%s has not the layout",
    (text) => {
      expect(isLiteLlm(parseExactJson(text))).toBe(false);
    },
  );
});
