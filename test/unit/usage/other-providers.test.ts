import { describe, expect, test } from "vitest";
import { figures, interpret, record, streamed, whole } from "./exchanges.ts";

const GEMINI = "/v1beta/models/gemini-2.5-pro:generateContent";
const GEMINI_STREAM = "/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse";
const CLAUDE_ON_BEDROCK = "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0";

describe("Gemini", () => {
  test("cached and tool-use tokens, modalities, thoughts", () => {
    const usage = interpret(
      whole(
        {
          candidates: [{ content: { parts: [{ text: "Hi" }] }, finishReason: "STOP" }],
          modelVersion: "gemini-2.5-pro",
          usageMetadata: {
            promptTokenCount: 400,
            cachedContentTokenCount: 100,
            toolUsePromptTokenCount: 50,
            candidatesTokenCount: 20,
            thoughtsTokenCount: 30,
            totalTokenCount: 500,
            promptTokensDetails: [
              { modality: "TEXT", tokenCount: 150 },
              { modality: "AUDIO", tokenCount: 250 },
            ],
            cacheTokensDetails: [{ modality: "AUDIO", tokenCount: 100 }],
            candidatesTokensDetails: [{ modality: "IMAGE", tokenCount: 5 }],
            trafficType: "ON_DEMAND_FLEX",
          },
        },
        { path: GEMINI },
      ),
    );
    expect(figures(usage)).toEqual({
      source: "reported",
      inputText: 200,
      inputAudio: 150,
      cacheRead: 100,
      outputText: 15,
      outputImage: 5,
      reasoning: 30,
    });
    expect(usage).toMatchObject({
      provider: "gemini",
      serviceTier: "flex",
      model: "gemini-2.5-pro",
    });
  });

  const chunk = (usageMetadata: unknown, finishReason?: string) => ({
    candidates: [{ content: { parts: [{ text: "Hello" }] }, finishReason }],
    usageMetadata,
  });
  const counts = (candidates: number) => ({
    promptTokenCount: 9,
    candidatesTokenCount: candidates,
  });

  test("of a stream the last chunk wins, and only its end makes it final", () => {
    const events = [
      chunk({ trafficType: "ON_DEMAND" }),
      chunk(counts(5)),
      chunk(counts(23), "STOP"),
    ];
    const ended = interpret(streamed(events, { path: GEMINI_STREAM, request: { contents: [] } }));
    expect(figures(ended)).toEqual({ source: "reported", inputText: 9, outputText: 23 });
    expect(ended.model).toBe("gemini-2.5-pro");
    const cut = interpret(streamed(events.slice(0, 2), { path: GEMINI_STREAM }));
    expect(figures(cut)).toEqual({ source: "estimated", inputText: 9, outputText: 5 });
  });

  test("a stream that is a JSON array", () => {
    const body = JSON.stringify([chunk(counts(5)), chunk(counts(23), "STOP")]);
    const path = "/v1beta/models/gemini-2.5-pro:streamGenerateContent";
    expect(figures(interpret(record(body, "application/json", { path })))).toEqual({
      source: "reported",
      inputText: 9,
      outputText: 23,
    });
  });

  test("a blocked prompt is billed as it says", () => {
    const body = {
      promptFeedback: { blockReason: "SAFETY" },
      usageMetadata: { promptTokenCount: 9, totalTokenCount: 9 },
    };
    expect(figures(interpret(whole(body, { path: GEMINI })))).toEqual({
      source: "reported",
      inputText: 9,
    });
  });

  test("interactions", () => {
    const usage = {
      total_input_tokens: 10,
      total_tool_use_tokens: 4,
      total_cached_tokens: 2,
      total_output_tokens: 29,
      total_thought_tokens: 174,
    };
    const events = [
      { event_type: "interaction.created", interaction: { status: "in_progress" } },
      { event_type: "step.delta", delta: { type: "text", text: "Madrid" } },
      {
        event_type: "interaction.completed",
        interaction: { status: "completed", model: "gemini-2.5-flash", usage },
      },
    ];
    const got = interpret(streamed(events, { path: "/v1beta/interactions" }));
    expect(figures(got)).toEqual({
      source: "reported",
      inputText: 12,
      cacheRead: 2,
      outputText: 29,
      reasoning: 174,
    });
    expect(got.model).toBe("gemini-2.5-flash");
  });

  test("Vertex predictions are added up, as far as they were all captured", () => {
    const path = "/v1/projects/p/locations/l/publishers/google/models/text-embedding-005:predict";
    const predictions = (count: number) => ({
      predictions: Array.from({ length: count }, () => ({
        embeddings: { values: [0.5], statistics: { token_count: 4, truncated: false } },
      })),
    });
    const most = interpret(whole(predictions(250), { path }));
    expect(figures(most)).toEqual({ source: "reported", inputText: 1000 });
    expect(most.provider).toBe("vertex");
    expect(figures(interpret(whole(predictions(300), { path })))).toEqual({
      source: "estimated",
      inputText: 1020,
    });
  });
});

describe("Bedrock", () => {
  test("Converse excludes cached tokens", () => {
    const usage = {
      inputTokens: 16,
      outputTokens: 9,
      totalTokens: 2512,
      cacheReadInputTokens: 100,
      cacheWriteInputTokens: 2387,
      cacheDetails: [{ ttl: "1h", inputTokens: 387 }],
    };
    const body = {
      output: { message: { content: [{ text: "Hi" }] } },
      stopReason: "end_turn",
      usage,
    };
    const got = interpret(whole(body, { path: `${CLAUDE_ON_BEDROCK}/converse`, request: {} }));
    expect(figures(got)).toEqual({
      source: "reported",
      inputText: 16,
      cacheRead: 100,
      cacheWrite5m: 2000,
      cacheWrite1h: 387,
      outputText: 9,
    });
    expect(got.provider).toBe("bedrock");
    expect(got.model).toBe("us.anthropic.claude-sonnet-4-5-20250929-v1:0");
  });

  test("headers count for models whose bodies do not", () => {
    const headers = {
      "x-amzn-bedrock-input-token-count": "30",
      "x-amzn-bedrock-output-token-count": "29",
      "x-amzn-bedrock-cache-read-input-token-count": "7",
    };
    const body = { results: [{ outputText: "Hola", completionReason: "FINISH" }] };
    const path = "/model/amazon.titan-text-express-v1/invoke";
    expect(figures(interpret(whole(body, { path, headers })))).toEqual({
      source: "reported",
      inputText: 30,
      cacheRead: 7,
      outputText: 29,
    });
  });

  test("Titan and Llama without headers", () => {
    const path = "/model/any/invoke";
    const titan = { inputTextTokenCount: 30, results: [{ tokenCount: 29, outputText: "Hola" }] };
    expect(figures(interpret(whole(titan, { path })))).toEqual({
      source: "reported",
      inputText: 30,
      outputText: 29,
    });
    const llama = { generation: "Hi", prompt_token_count: 5, generation_token_count: 2 };
    expect(figures(interpret(whole(llama, { path })))).toEqual({
      source: "reported",
      inputText: 5,
      outputText: 2,
    });
  });
});

describe("Cohere", () => {
  test("billed units count, tokens do not", () => {
    const usage = {
      billed_units: { input_tokens: 12, output_tokens: 7 },
      tokens: { input_tokens: 507, output_tokens: 10 },
      cached_tokens: 448,
    };
    const expected = { source: "reported", inputText: 12, outputText: 7 };
    const body = { message: { content: [{ type: "text", text: "Hi" }] }, usage };
    expect(figures(interpret(whole(body, { path: "/v2/chat" })))).toEqual(expected);
    const events = [
      { type: "content-delta", delta: { message: { content: { text: "Hi" } } } },
      { type: "message-end", delta: { finish_reason: "COMPLETE", usage } },
    ];
    expect(figures(interpret(streamed(events, { path: "/v2/chat" })))).toEqual(expected);
  });

  test("reranking is billed by searches", () => {
    const body = {
      results: [],
      meta: { billed_units: { search_units: 1 }, tokens: { input_tokens: 9 } },
    };
    const usage = interpret(whole(body, { path: "/v2/rerank" }));
    expect([figures(usage), usage.otherUnits]).toEqual([
      { source: "reported" },
      { search_units: 1 },
    ]);
    expect(usage.provider).toBe("cohere");
  });
});

describe("counts that stand alone", () => {
  const line = (fields: object) => `${JSON.stringify({ model: "llama3", ...fields })}\n`;
  const ollama = (body: string) =>
    figures(interpret(record(body, "application/x-ndjson", { path: "/api/generate" })));

  test("Ollama: the last line counts, a cached prompt is left out", () => {
    const begun = line({ response: "A brave", done: false });
    const counts = { done: true, prompt_eval_count: 17, eval_count: 58 };
    expect(ollama(begun + line(counts))).toEqual({
      source: "reported",
      inputText: 17,
      outputText: 58,
    });
    expect(ollama(begun + line({ done: true, eval_count: 58 }))).toEqual({
      source: "reported",
      outputText: 58,
    });
    expect(ollama(begun)).toEqual({ source: "estimated", inputText: 1, outputText: 2 });
  });

  test("watsonx is final when it says that it stopped", () => {
    const results = (stop: string) => [
      {
        generated_text: "the sky",
        generated_token_count: 2,
        input_token_count: 8,
        stop_reason: stop,
      },
    ];
    const path = "/ml/v1/text/generation";
    expect(figures(interpret(whole({ results: results("eos_token") }, { path })))).toEqual({
      source: "reported",
      inputText: 8,
      outputText: 2,
    });
    expect(figures(interpret(whole({ results: results("not_finished") }, { path })))).toEqual({
      source: "estimated",
      inputText: 8,
      outputText: 2,
    });
  });
});
