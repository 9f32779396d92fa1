import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRatios } from "../../../limitador-bridge/estimate/ratios.ts";
import { CAPTURE } from "../../../limitador-bridge/usage/capture-pointers.ts";
import { interpretUsage } from "../../../limitador-bridge/usage/interpret.ts";
import { inputTotal, outputTotal } from "../../../limitador-bridge/usage/normal-form.ts";
import { CHAT, figures, interpret, MESSAGES, record, streamed, whole } from "./exchanges.ts";

const request = { model: "gpt-4o", messages: [{ role: "user", content: "x".repeat(300) }] };
/** Of `request`: its bytes without the JSON around, by the ratio to start with. */
const ESTIMATED_INPUT = 54;
const answer = (usage: unknown) => ({
  object: "chat.completion",
  model: "gpt-4o",
  choices: [{ message: { content: "x".repeat(90) }, finish_reason: "stop" }],
  usage,
});

describe("never free", () => {
  test.each([
    ["null", null],
    ["absent", undefined],
    ["empty", {}],
    ["text", { prompt_tokens: "10", completion_tokens: "5" }],
    ["negative", { prompt_tokens: -10, completion_tokens: -5 }],
    ["fractions", { prompt_tokens: 10.5, completion_tokens: 5.5 }],
    ["beyond 2^53", { prompt_tokens: 2 ** 60, completion_tokens: 1e300 }],
  ])("usage that is %s is estimated", (_, usage) => {
    expect(figures(interpret(whole(answer(usage), { request })))).toEqual({
      source: "estimated",
      inputText: ESTIMATED_INPUT,
      outputText: 20,
    });
  });

  test("what is well-formed of a malformed usage is the least", () => {
    const usage = { prompt_tokens: 1000, completion_tokens: -1 };
    expect(figures(interpret(whole(answer(usage), { request })))).toEqual({
      source: "estimated",
      inputText: 1000,
      outputText: 20,
    });
  });

  test("a cut stream is its input and the text that was seen", () => {
    const events = [{ model: "gpt-4o", choices: [{ delta: { content: "x".repeat(45) } }] }];
    const usage = interpret(streamed(events, { request, outcome: "client_disconnect" }));
    expect(usage.reason).toBe("cut_short");
    expect(figures(usage)).toEqual({
      source: "estimated",
      inputText: ESTIMATED_INPUT,
      outputText: 10,
    });
  });

  test("an error after output began is charged, before it is not", () => {
    const error = { error: { message: "failed", code: "server_error" } };
    const begun = [{ choices: [{ delta: { content: "Hello" } }] }, error];
    expect(interpret(streamed(begun, { request })).source).toBe("estimated");
    expect(interpret(streamed([error], { request }))).toMatchObject({
      source: "none",
      reason: "error_in_body",
    });
  });

  test("an answer that cannot be read is charged by its size", () => {
    const body = record("\u0001\u0002".repeat(45), "application/octet-stream", { request });
    const usage = interpret(body);
    expect(usage.reason).toBe("body_unreadable");
    expect(figures(usage)).toEqual({
      source: "estimated",
      inputText: ESTIMATED_INPUT,
      outputText: 10,
    });
  });

  test("the request's own limit bounds the estimate", () => {
    const limited = { ...request, max_tokens: 3, n: 2 };
    expect(interpret(whole(answer(null), { request: limited })).tokens.outputText).toBe(6);
  });

  test("…but where nobody knows which limit the API takes", () => {
    const limited = { ...request, max_tokens: 3, n: 2 };
    const usage = interpret(whole(answer(null), { path: "/anything", request: limited }));
    expect(usage.tokens.outputText).toBe(20);
  });

  test("embeddings have no output", () => {
    const body = { embeddings: [{ values: [0.1] }] };
    const path = "/v1beta/models/gemini-embedding-001:batchEmbedContents";
    expect(figures(interpret(whole(body, { path, request })))).toEqual({
      source: "estimated",
      inputText: ESTIMATED_INPUT,
    });
  });
});

describe("truncation after every event", () => {
  const words = "The quick brown fox jumps over the lazy dog and runs away. ".split(" ");
  const texts = Array.from({ length: 60 }, (_, at) => ` ${words[at % words.length]}`);
  const asked = { model: "m", messages: [{ role: "user", content: "x".repeat(100) }] };
  const gemini = "/v1beta/models/gemini-2.5-flash:streamGenerateContent";

  /** 20 tokens in and 60 out, whatever the API. */
  const apis: Record<string, { path: string; events: object[] }> = {
    anthropic: {
      path: MESSAGES,
      events: [
        {
          type: "message_start",
          message: { model: "claude", usage: { input_tokens: 20, output_tokens: 1 } },
        },
        ...texts.map((text) => ({
          type: "content_block_delta",
          delta: { type: "text_delta", text },
        })),
        { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 60 } },
      ],
    },
    "openai chat": {
      path: CHAT,
      events: [
        ...texts.map((content) => ({
          object: "chat.completion.chunk",
          choices: [{ index: 0, delta: { content } }],
          usage: null,
        })),
        {
          choices: [],
          usage: { prompt_tokens: 20, completion_tokens: 60, total_tokens: 80 },
        },
      ],
    },
    "usage in every chunk": {
      path: CHAT,
      events: texts.map((content, at) => ({
        choices: [{ index: 0, delta: { content }, finish_reason: at === 59 ? "stop" : null }],
        usage: { prompt_tokens: 20, completion_tokens: at + 1, total_tokens: 21 + at },
      })),
    },
    "openai responses": {
      path: "/v1/responses",
      events: [
        { type: "response.created", response: { id: "r", status: "in_progress", usage: null } },
        ...texts.map((delta) => ({ type: "response.output_text.delta", delta })),
        {
          type: "response.completed",
          response: { status: "completed", usage: { input_tokens: 20, output_tokens: 60 } },
        },
      ],
    },
    gemini: {
      path: gemini,
      events: texts.map((text, at) => ({
        candidates: [
          { content: { parts: [{ text }] }, ...(at === 59 ? { finishReason: "STOP" } : {}) },
        ],
        usageMetadata: {
          promptTokenCount: 20,
          candidatesTokenCount: at + 1,
          totalTokenCount: at + 21,
        },
      })),
    },
  };

  test.each(Object.entries(apis))("%s: estimated, above zero, never far over", (_, given) => {
    const { path, events } = given;
    const total = (kept: number) => {
      const outcome = kept === events.length ? "ok" : "client_disconnect";
      const sent = streamed(events.slice(0, kept), { path, request: asked, outcome });
      const usage = interpret(sent);
      return { source: usage.source, total: inputTotal(usage.tokens) + outputTotal(usage.tokens) };
    };
    expect(total(events.length)).toEqual({ source: "reported", total: 80 });
    for (let kept = 1; kept < events.length; kept++) {
      const cut = total(kept);
      expect(cut.source).toBe("estimated");
      expect(cut.total).toBeGreaterThan(0);
      expect(cut.total).toBeLessThanOrEqual(80 * 1.25);
    }
  });
});

describe("garbage", () => {
  const ratios = createRatios();
  const sane = (settlement: unknown) => {
    const usage = interpretUsage(settlement as Parameters<typeof interpretUsage>[0], ratios);
    const lines = [usage.tokens, ...usage.extraLines.map(({ tokens }) => tokens)];
    const counts = [...lines.flatMap(Object.values), ...Object.values(usage.otherUnits)];
    expect(counts.every((count) => Number.isSafeInteger(count) && count >= 0)).toBe(true);
    const total = inputTotal(usage.tokens) + outputTotal(usage.tokens);
    if (usage.source === "none") expect(total).toBe(0);
    if (usage.source === "estimated") expect(total).toBeGreaterThan(0);
  };
  const base = whole(answer({ prompt_tokens: 1, completion_tokens: 1 }), { path: CHAT });

  test("any usage objects, at any pointer", () => {
    const number = fc.oneof(fc.nat(), fc.double(), fc.maxSafeInteger(), fc.constant(2 ** 60));
    const names = [
      "prompt_tokens",
      "completion_tokens",
      "total_tokens",
      "input_tokens",
      "output_tokens",
      "cache_read_input_tokens",
      "cache_creation_input_tokens",
      "inputTokens",
      "outputTokens",
      "promptTokenCount",
      "candidatesTokenCount",
      "billed_units",
      "seconds",
      "iterations",
      "prompt_tokens_details",
      "__proto__",
      "constructor",
      "cost",
      "cost_in_usd_ticks",
    ];
    const value = fc.oneof(number, fc.jsonValue());
    const usage = fc.dictionary(fc.constantFrom(...names), value);
    const pointer = fc.constantFrom(...CAPTURE.response.usage);
    const seen = fc.array(fc.tuple(pointer, fc.oneof(usage, fc.jsonValue())), { maxLength: 6 });
    fc.assert(
      fc.property(seen, fc.boolean(), (list, stream) => {
        sane({
          ...base,
          framing: stream ? "sse" : "json",
          usage: list.map(([, each]) => each),
          usagePointers: list.map(([at]) => at),
        });
      }),
      { numRuns: 3000 },
    );
  });

  test("any facts and texts", () => {
    const facts = fc.dictionary(fc.constantFrom(...CAPTURE.response.facts), fc.jsonValue());
    const text = fc.dictionary(fc.constantFrom(...CAPTURE.response.text), fc.nat());
    fc.assert(
      fc.property(facts, text, (known, counts) => {
        sane({ ...base, usage: [], usagePointers: [], facts: known, text: counts });
      }),
      { numRuns: 2000 },
    );
  });
});
