/** `inputEstimate: tokenizer` of a budget. */
import { Tiktoken } from "js-tiktoken/lite";
import o200kBase from "js-tiktoken/ranks/o200k_base";
import { describe, expect, test } from "vitest";
import { countInput } from "../../../limitador-bridge/estimate/counted-input.ts";
import type { TokenCounter } from "../../../limitador-bridge/estimate/token-worker-pool.ts";
import { budgeted, request } from "../service/budgeted-service.ts";
import { ask } from "../service/service-fixture.ts";

const messages = [{ role: "user", content: "Hello, how are you?" }];
/** By o200k_base 6 for the text and 1 for "user"; 3 for the message's form, 3 before the answer. */
const TOKENS = 13;
const SPEC = "  team: blue\n  monthlyBudgetUSD: 1\n  inputEstimate: tokenizer\n";

/** The tokenizer itself, without the thread that it has in the service. */
const tokenizer = new Tiktoken(o200kBase);
const counter: TokenCounter = {
  async count(encoding, texts) {
    expect(encoding).toBe("o200k_base");
    return texts.reduce((sum, text) => sum + tokenizer.encode(text, [], []).length, 0);
  },
  close: async () => {},
};

const llm = (change: object = {}) => ({
  ...{ api: null, model: "gpt-4o", stream: false, maxOutputTokens: 100, choices: 1 },
  ...{ inputBytes: 100, body: { "/messages": messages } },
  ...change,
});

describe("a count", () => {
  test("is that of the model's tokenizer", async () => {
    expect(await countInput(counter, llm(), 4)).toEqual({ encoding: "o200k_base", tokens: TOKENS });
  });

  test("what the filter left out is counted by its length", async () => {
    // {"messages":[…]} has 62 bytes; 120 are not the prompt; the rest are 400 tokens more.
    const bytes = JSON.stringify({ messages }).length + 120 + 1600;
    const found = await countInput(counter, llm({ inputBytes: bytes }), 4);
    expect(found?.tokens).toBe(TOKENS + 400);
  });

  test.each([
    ["of a model without a published tokenizer", { model: "claude-opus" }],
    ["of pictures", { body: { "/messages": [{ content: [{ image_url: { url: "data:x" } }] }] } }],
    ["of a body that was not sent", { body: {} }],
    ["of no body", { body: undefined }],
  ])("is not made %s", async (_, change) => {
    expect(await countInput(counter, llm(change), 4)).toBeNull();
  });

  test("that takes too long is not waited for", async () => {
    const slow = { count: () => new Promise<null>(() => {}) };
    const startedAt = performance.now();
    expect(await countInput(slow, llm(), 4)).toBeNull();
    expect(performance.now() - startedAt).toBeLessThan(1000);
  });
});

describe("a decision", () => {
  test("holds what was counted, with the margin of 10 %", async () => {
    const service = budgeted(SPEC, { overrides: { tokens: counter } });
    const asked = request("a", { llm: { inputBytes: 100, body: { "/messages": messages } } });
    expect((await ask(service.app, asked)).body.verdict).toBe("allow");
    const { heldNanoUsd } = (await service.app.inject("/v1/budgets/blue")).json();
    expect(heldNanoUsd).toBe(Math.ceil(TOKENS * 1.1) * 2500 + 100 * 10_000);
  });

  test("is made by the length of the body where nothing can be counted", async () => {
    const tokens = { count: async () => null, close: async () => {} };
    const service = budgeted(SPEC, { overrides: { tokens } });
    const asked = request("a", { llm: { inputBytes: 100, body: { "/messages": messages } } });
    await ask(service.app, asked);
    const { heldNanoUsd } = (await service.app.inject("/v1/budgets/blue")).json();
    expect(heldNanoUsd).toBe(28 * 2500 + 100 * 10_000);
  });

  test("the filter is asked for the prompt only where a budget counts it", async () => {
    const pointers = async (spec: string) =>
      (await budgeted(spec).app.inject("/v1/filter-config")).json().request.body;
    const uncounted = await pointers("  team: blue\n  monthlyBudgetUSD: 1\n");
    expect(uncounted).toEqual(["/serviceTier", "/service_tier"]);
    expect(await pointers(SPEC)).toEqual(
      expect.arrayContaining(["/messages", "/prompt", "/input", "/contents", "/system", "/tools"]),
    );
  });
});
