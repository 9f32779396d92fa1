/** What is held for what costs more than text in the usual tier: at least its price. */
import { describe, expect, test } from "vitest";
import { createPrices, SERVICE_KINDS } from "../../../limitador-bridge/admission/price-source.ts";
import { estimate } from "../../../limitador-bridge/admission/reservation.ts";
import { loadPolicyTexts } from "../../../limitador-bridge/policy/load.ts";
import { loadCatalogue } from "../../../limitador-bridge/pricing/catalogue.ts";
import { CAPTURE } from "../../../limitador-bridge/usage/capture-pointers.ts";
import { type Asking, budgeted, request } from "./budgeted-service.ts";
import { ask } from "./service-fixture.ts";

const TABLE = `apiVersion: tollgate.dev/v1alpha1
kind: PriceTable
metadata: {name: media}
spec:
  models:
    - {match: gpt-image-1, perMillionTokensUSD: {input: 5, output: 40}}
    - {match: painter, perUnitUSD: {images: 0.04}}
    - match: speaker
      perMillionTokensUSD: {input: 1, output: 10, outputAudio: 60}
      maxOutputTokens: 100
    - match: thinker
      perMillionTokensUSD: {input: 1, output: 2, reasoning: 3}
      maxOutputTokens: 100
    - match: teller
      perMillionTokensUSD: {input: 1, output: 2}
      contextTiers: [{aboveTokens: 50, perMillionTokensUSD: {input: 1, output: 2, outputImage: 7}}]
      maxOutputTokens: 100
    - match: hurried
      perMillionTokensUSD: {input: 1, output: 2}
      serviceTiers: {priority: 2.5, flex: 0.5}
      maxOutputTokens: 100
`;
const policies = loadPolicyTexts(new Map([["prices.yaml", TABLE]]), { kinds: SERVICE_KINDS });
const prices = createPrices({ catalogue: await loadCatalogue(), policies, prices: null });
const NOW = Date.parse("2026-11-20T12:00:00Z");
const IMAGES = "openai.images";

/** Of 40 bytes: 11 tokens with the margin. */
function expected(llm: Asking["llm"]) {
  const { llm: base } = request("a", { llm: { maxOutputTokens: null, ...llm } });
  return estimate(base, prices, { inputBytesPerToken: () => 4 }, NOW);
}

describe("images", () => {
  test("by tokens hold those of the finest ones that there are", () => {
    const one = expected({ api: IMAGES, model: "gpt-image-1" });
    expect([one.inputTokens, one.maxOutputTokens, one.usualOutputTokens]).toEqual([11, 6540, 4160]);
    expect(one.worstCost.costNanoUsd).toBe(11 * 5000 + 6540 * 40_000);
    expect(one.inputCost.costNanoUsd).toBe(11 * 5000);
    const four = expected({ api: IMAGES, model: "gpt-image-1", choices: 4 });
    expect(four.worstCost.costNanoUsd).toBe(11 * 5000 + 4 * 6540 * 40_000);
  });

  test("that stream are by tokens, whatever their model is called", () => {
    const streamed = expected({ api: IMAGES, model: "ours", stream: true });
    expect(streamed.maxOutputTokens).toBe(6540);
    expect(expected({ api: IMAGES, model: "ours" }).maxOutputTokens).toBe(0);
  });

  test("by the piece hold their price, and no tokens of output", () => {
    const three = expected({ api: IMAGES, model: "painter", choices: 3 });
    expect(three.maxOutputTokens).toBe(0);
    expect(three.worstCost).toMatchObject({ costNanoUsd: 120_000_000, priced: true });
    expect(three.inputCost.costNanoUsd).toBe(0);
  });

  test("as many as no API makes hold no more than can be counted", () => {
    const llm = { api: IMAGES, choices: Number.MAX_SAFE_INTEGER };
    const { maxOutputTokens, worstCost } = expected({ ...llm, model: "gpt-image-1" });
    expect([maxOutputTokens, worstCost.costNanoUsd]).toEqual([2 ** 53 - 1, 2 ** 53 - 1]);
    expect(expected({ ...llm, model: "painter" }).worstCost.costNanoUsd).toBe(2 ** 53 - 1);
  });

  test.each([
    // 0.30 USD: an image of gpt-image-1 may cost 0.26, one of the painter costs 0.04.
    ["gpt-image-1", 1],
    ["painter", 7],
  ])("of %s: %i run at once within a budget of 0.30 USD", async (model, admitted) => {
    const spec = "  team: blue\n  monthlyBudgetUSD: 0.30\n  capMaxOutputTokens: true\n";
    const service = budgeted(spec, { overrides: { prices: () => prices, capture: CAPTURE } });
    const path = "/v1/images/generations";
    const llm = { api: IMAGES, maxOutputTokens: null };
    const asked = Array.from({ length: 10 }, (_, i) =>
      ask(service.app, request(`i${i}`, { model, path, llm })),
    );
    const answers = await Promise.all(asked);
    const verdicts = answers.map(({ body }) => body.verdict);
    expect(verdicts.filter((verdict) => verdict === "allow")).toHaveLength(admitted);
    expect(answers.map(({ body }) => body.maxOutputTokens)).toEqual(Array(10).fill(undefined));
  });

  test("a preview shows their cost, and what they usually take", async () => {
    const tokens = { count: async () => 10, close: async () => {} };
    const overrides = { prices: () => prices, capture: CAPTURE, tokens };
    const { app } = budgeted("  team: blue\n  monthlyBudgetUSD: 9\n", { overrides });
    const costs = async (model: string) => {
      const headers = { "x-team": "blue" };
      const body = { model, prompt: "a cat", n: 2, max_tokens: 1 };
      const asked = { path: "/v1/images/generations", headers, body };
      const response = await app.inject({ method: "POST", url: "/v1/estimate", body: asked });
      const { lowNanoUsd, expectedNanoUsd, worstNanoUsd } = response.json().cost;
      return [lowNanoUsd, expectedNanoUsd, worstNanoUsd];
    };
    expect(await costs("painter")).toEqual([0, 80_000_000, 80_000_000]);
    const [low, usual, worst] = (await costs("gpt-image-1")) as [number, number, number];
    expect([usual - low, worst - low]).toEqual([2 * 4160 * 40_000, 2 * 6540 * 40_000]);
  });
});

describe("output that may be of several kinds", () => {
  test.each([
    ["speaker", 60_000],
    ["thinker", 3000],
    ["teller", 2000],
    ["no-such-model", 0],
  ])("of %s is held at the dearest of them", (model, nanoUsd) => {
    const { worstCost, inputCost } = expected({ model, maxOutputTokens: 100 });
    expect(worstCost.costNanoUsd - inputCost.costNanoUsd).toBe(100 * nanoUsd);
  });

  test("is looked up for the length of the input", () => {
    const { inputTokens, worstCost } = expected({ model: "teller", inputBytes: 400 });
    expect(worstCost.costNanoUsd).toBe(inputTokens * 1000 + 100 * 7000);
  });

  test("holds the price of text where a budget holds what is expected", async () => {
    const held = async (reservation: string) => {
      const spec = `  team: blue\n  monthlyBudgetUSD: 1\n  reservation: ${reservation}\n`;
      const { app } = budgeted(spec, { overrides: { prices: () => prices, capture: CAPTURE } });
      await ask(app, request("a", { model: "speaker" }));
      return (await app.inject("/v1/budgets/blue")).json().heldNanoUsd;
    };
    expect(await held("worst-case")).toBe(11 * 1000 + 100 * 60_000);
    expect(await held("expected")).toBe(11 * 1000 + 100 * 10_000);
  });

  test.each([
    ["openai.embeddings", 0],
    ["openai.moderations", 0],
    ["openai.audio.speech", 0],
    ["openai.audio.transcriptions", 0],
    ["anthropic.countTokens", 0],
    ["mistral.ocr", 0],
    ["vertex.predict", 100],
    ["openai.chat.completions", 100],
  ])("of %s is at most %i tokens", (api, most) => {
    expect(expected({ api, model: "speaker" }).maxOutputTokens).toBe(most);
  });

  test("is expected to be text", async () => {
    const spec = "  team: blue\n  monthlyBudgetUSD: 9\n";
    const tokens = { count: async () => 10, close: async () => {} };
    const overrides = { prices: () => prices, capture: CAPTURE, tokens };
    const { app } = budgeted(spec, { overrides });
    const body = { model: "speaker", max_tokens: 100, messages: [{ role: "user", content: "x" }] };
    const asked = { path: "/v1/chat/completions", headers: { "x-team": "blue" }, body };
    const response = await app.inject({ method: "POST", url: "/v1/estimate", body: asked });
    const { cost, tokens: shown } = response.json();
    expect(cost.expectedNanoUsd - cost.lowNanoUsd).toBe(shown.expectedOutput * 10_000);
    expect(cost.worstNanoUsd - cost.lowNanoUsd).toBe(100 * 60_000);
  });
});

describe("a service tier", () => {
  const PLAIN = 11 * 1000 + 100 * 2000;
  test.each([
    ["/service_tier", "priority", 2.5 * PLAIN],
    ["/serviceTier", "priority", 2.5 * PLAIN],
    // It may be answered in the usual tier all the same.
    ["/service_tier", "flex", PLAIN],
    ["/service_tier", "auto", PLAIN],
    ["/service_tier", 7, PLAIN],
    ["/service_tier", null, PLAIN],
  ])("of %s %j is held as it costs, or more", (pointer, tier, nanoUsd) => {
    const { worstCost } = expected({ model: "hurried", body: { [pointer]: tier } });
    expect(worstCost.costNanoUsd).toBe(nanoUsd);
  });

  test.each([
    ["a budget", "  team: blue\n  monthlyBudgetUSD: 1\n", ["/serviceTier", "/service_tier"]],
    ["a limit of money", rate("usd"), ["/serviceTier", "/service_tier"]],
    ["a limit of tokens", rate("total"), []],
  ])("is read where there is %s", async (_, spec, body) => {
    const { app } = budgeted(spec, { overrides: { capture: CAPTURE } });
    const config = await app.inject("/v1/filter-config");
    expect(config.json().request.body).toEqual(body);
  });
});

function rate(unit: string): string {
  return `apiVersion: kuadrant.io/v1alpha1
kind: TokenRateLimitPolicy
metadata: {name: p}
spec:
  targetRef: {group: gateway.networking.k8s.io, kind: Gateway, name: gw}
  limits: {all: {rates: [{limit: 200, window: 1h, unit: ${unit}}]}}
`;
}

test("the catalogue's models that speak or paint are held at the price of that", () => {
  const perToken = (model: string) => {
    const { worstCost, inputCost, maxOutputTokens } = expected({ model, maxOutputTokens: 1000 });
    expect(maxOutputTokens).toBe(1000);
    return (worstCost.costNanoUsd - inputCost.costNanoUsd) / 1000;
  };
  expect(perToken("gemini-2.5-flash-image")).toBe(30_000);
  expect(perToken("gpt-audio")).toBe(64_000);
  expect(perToken("gpt-4o")).toBe(10_000);
});
