/** Odd combinations of the providers that are not OpenAI-shaped, one for each rule. */
import { describe, expect, test } from "vitest";
import { referenceCapture } from "../../corpus/reference-capture.ts";
import { frame, header } from "../scan/frames.ts";
import { aboveZero, figures, interpret, MESSAGES, record, streamed, whole } from "./exchanges.ts";

describe("Anthropic iterations", () => {
  const served = (usage: object) =>
    interpret(
      whole(
        {
          type: "message",
          model: "claude-a",
          content: [{ type: "text", text: "Hi" }],
          stop_reason: "end_turn",
          usage: { input_tokens: 100, output_tokens: 20, ...usage },
        },
        { path: MESSAGES },
      ),
    );
  const message = { type: "message", input_tokens: 100, output_tokens: 20 };
  const compaction = { type: "compaction", input_tokens: 5000, output_tokens: 300 };
  const fallback = { ...message, type: "fallback_message", model: "claude-b" };

  test.each<[string, object, object]>([
    ["null", { iterations: null }, { inputText: 100, outputText: 20 }],
    ["no list", { iterations: { type: "compaction" } }, { inputText: 100, outputText: 20 }],
    ["not objects", { iterations: [null, 3, "x"] }, { inputText: 100, outputText: 20 }],
    [
      "a compaction and no message",
      { iterations: [compaction] },
      { inputText: 5100, outputText: 320 },
    ],
    [
      "compactions, each billed",
      { iterations: [compaction, compaction, message] },
      { inputText: 10_100, outputText: 620 },
    ],
    [
      "caches that only the totals tell",
      {
        cache_read_input_tokens: 700,
        cache_creation_input_tokens: 60,
        iterations: [{ ...compaction, cache_read_input_tokens: 9 }, message],
      },
      { inputText: 5100, cacheRead: 709, cacheWrite5m: 60, outputText: 320 },
    ],
    [
      "caches for 1 h that only the messages tell",
      {
        cache_creation_input_tokens: 60,
        iterations: [
          {
            ...message,
            cache_creation_input_tokens: 60,
            cache_creation: { ephemeral_5m_input_tokens: 20, ephemeral_1h_input_tokens: 40 },
          },
        ],
      },
      { inputText: 100, cacheWrite5m: 20, cacheWrite1h: 40, outputText: 20 },
    ],
    [
      "totals of the first message only",
      { iterations: [message, { ...message, input_tokens: 150 }] },
      { inputText: 250, outputText: 40 },
    ],
    [
      "a fallback: what the refusing model read is not billed",
      { iterations: [{ ...message, input_tokens: 900 }, fallback] },
      { inputText: 100, outputText: 20 },
    ],
    [
      "a fallback after a compaction",
      { iterations: [compaction, fallback] },
      { inputText: 5100, outputText: 320 },
    ],
  ])("%s", (_, usage, expected) => {
    expect(figures(served(usage))).toEqual({ source: "reported", ...expected });
  });

  test("thinking in the totals is thinking of all", () => {
    const usage = served({
      output_tokens_details: { thinking_tokens: 15 },
      iterations: [compaction, message],
    });
    expect(figures(usage)).toMatchObject({ outputText: 305, reasoning: 15 });
  });

  test("advisors: one line each, with their own caches", () => {
    const advisor = {
      type: "advisor_message",
      model: "claude-c",
      input_tokens: 70,
      cache_read_input_tokens: 30,
      output_tokens: 8,
    };
    const usage = served({ iterations: [message, advisor, advisor, { ...advisor, model: null }] });
    expect(figures(usage)).toEqual({ source: "reported", inputText: 100, outputText: 20 });
    const line = ["claude-c", { inputText: 70, cacheRead: 30, outputText: 8 }];
    expect(usage.extraLines.map(({ model, tokens }) => [model, aboveZero(tokens)])).toEqual([
      line,
      line,
    ]);
  });
});

describe("Anthropic streams", () => {
  const start = (usage: unknown) => ({ type: "message_start", message: { model: "c", usage } });
  const delta = (usage: unknown) => ({
    type: "message_delta",
    delta: { stop_reason: "end_turn" },
    usage,
  });
  const read = (...events: object[]) =>
    figures(interpret(streamed(events, { path: MESSAGES, request: {} })));

  test("of two starts that differ the last counts", () => {
    const first = start({ input_tokens: 10, cache_read_input_tokens: 5, output_tokens: 1 });
    const second = start({ input_tokens: 12, output_tokens: 1 });
    expect(read(first, second, delta({ output_tokens: 7 }))).toEqual({
      source: "reported",
      inputText: 12,
      cacheRead: 5,
      outputText: 7,
    });
  });

  test("nulls of the delta replace nothing, its zeros do", () => {
    const begun = start({ input_tokens: 10, cache_read_input_tokens: 5, output_tokens: 1 });
    expect(read(begun, delta({ input_tokens: null, output_tokens: 7 }))).toEqual({
      source: "reported",
      inputText: 10,
      cacheRead: 5,
      outputText: 7,
    });
    expect(read(begun, delta({ cache_read_input_tokens: 0, output_tokens: 7 }))).toEqual({
      source: "reported",
      inputText: 10,
      outputText: 7,
    });
  });

  test("a malformed delta is not the last word", () => {
    const got = read(start({ input_tokens: 10, output_tokens: 1 }), delta({ output_tokens: "7" }));
    expect(got).toMatchObject({ source: "estimated", inputText: 10 });
  });
});

describe("Gemini", () => {
  const path = "/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse";
  const chunk = (usageMetadata: unknown, finishReason?: string) => ({
    candidates: [{ content: { parts: [{ text: "Hello" }] }, finishReason }],
    usageMetadata,
  });
  const read = (...events: object[]) => figures(interpret(streamed(events, { path, request: {} })));

  test("what only the first chunk tells of the prompt stays known", () => {
    const first = { promptTokenCount: 90, cachedContentTokenCount: 40, totalTokenCount: 90 };
    const last = { candidatesTokenCount: 23, thoughtsTokenCount: 7, totalTokenCount: 120 };
    expect(read(chunk(first), chunk(last, "STOP"))).toEqual({
      source: "reported",
      inputText: 50,
      cacheRead: 40,
      outputText: 23,
      reasoning: 7,
    });
  });

  test("candidates that the last chunk leaves out are in its total", () => {
    const first = { promptTokenCount: 9, candidatesTokenCount: 5, totalTokenCount: 14 };
    const last = { promptTokenCount: 9, totalTokenCount: 32 };
    expect(read(chunk(first), chunk(last, "STOP"))).toEqual({
      source: "reported",
      inputText: 9,
      outputText: 23,
    });
  });

  test("a last chunk with no usage leaves what was told before", () => {
    const counts = { promptTokenCount: 9, candidatesTokenCount: 5, totalTokenCount: 14 };
    expect(read(chunk(counts), chunk(undefined, "STOP"))).toMatchObject({ outputText: 5 });
    expect(read(chunk(counts), chunk({ trafficType: "ON_DEMAND" }, "STOP"))).toMatchObject({
      source: "reported",
      outputText: 5,
    });
  });

  test("a stored context has a total only, and it is input", () => {
    const body = { name: "cachedContents/1", usageMetadata: { totalTokenCount: 33_000 } };
    const got = interpret(whole(body, { path: "/v1beta/cachedContents" }));
    expect(figures(got)).toEqual({ source: "reported", inputText: 33_000 });
  });

  test("usage that is null or malformed is estimated", () => {
    const ended = (usage: unknown) => read(chunk(usage, "STOP"));
    expect(ended(null).source).toBe("estimated");
    const malformed = { promptTokenCount: "9", candidatesTokenCount: 5 };
    expect(ended(malformed)).toMatchObject({ source: "estimated", outputText: 5 });
  });
});

describe("Bedrock", () => {
  const model = "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0";
  const events = (...payloads: object[]) =>
    Buffer.concat(
      payloads.map((payload) => frame(JSON.stringify(payload), header(":event-type", "chunk"))),
    ).toString("base64");
  const binary = (path: string, body: string) =>
    interpret(
      referenceCapture({
        request: { method: "POST", path, body: { messages: [] } },
        response: {
          status: 200,
          headers: { "content-type": "application/vnd.amazon.eventstream" },
          body_base64: body,
        },
      }),
    );
  const wrapped = (payload: object) => ({
    bytes: Buffer.from(JSON.stringify(payload)).toString("base64"),
    p: "abcdef",
  });

  test("ConverseStream: names told twice count once, padding is nothing", () => {
    const usage = {
      inputTokens: 16,
      outputTokens: 9,
      totalTokens: 2412,
      cacheReadInputTokens: 0,
      cacheReadInputTokenCount: 0,
      cacheWriteInputTokens: 2387,
      cacheWriteInputTokenCount: 2387,
      serverToolUsage: {},
    };
    const body = events(
      { contentBlockDelta: { delta: { text: "Hi" } }, p: "abc" },
      { stopReason: "end_turn" },
      { usage, metrics: { latencyMs: 5 }, p: "abcdefgh" },
    );
    expect(figures(binary(`${model}/converse-stream`, body))).toEqual({
      source: "reported",
      inputText: 16,
      cacheWrite5m: 2387,
      outputText: 9,
    });
  });

  test("an invocation's stream: its metrics and the model's own usage are one", () => {
    const metrics = {
      inputTokenCount: 47,
      outputTokenCount: 12,
      cacheReadInputTokenCount: 8,
      cacheWriteInputTokenCount: 0,
      invocationLatency: 416,
    };
    const usage = { input_tokens: 47, cache_read_input_tokens: 8, output_tokens: 1 };
    const path = `${model}/invoke-with-response-stream`;
    const body = events(
      wrapped({ type: "message_start", message: { model: "claude-sonnet-4-5", usage } }),
      wrapped({ type: "content_block_delta", delta: { type: "text_delta", text: "Hi there" } }),
      wrapped({
        type: "message_delta",
        delta: { stop_reason: "end_turn" },
        usage: { output_tokens: 12 },
      }),
      wrapped({ type: "message_stop", "amazon-bedrock-invocationMetrics": metrics }),
    );
    const expected = { source: "reported", inputText: 47, cacheRead: 8, outputText: 12 };
    expect(figures(binary(path, body))).toEqual(expected);
    const alone = events(
      wrapped({ generation: "Hi there" }),
      wrapped({ generation: "", "amazon-bedrock-invocationMetrics": metrics }),
    );
    expect(figures(binary(path, alone))).toEqual(expected);
  });

  test("a frame that was damaged on the way is not read, and nothing is free", () => {
    const sound = Buffer.from(events({ usage: { inputTokens: 16, outputTokens: 9 } }), "base64");
    sound[40] = (sound[40] ?? 0) ^ 1;
    const got = binary(`${model}/converse-stream`, sound.toString("base64"));
    expect(got.source).toBe("estimated");
  });
});

describe("Cohere", () => {
  test.each<[string, unknown, object]>([
    [
      "billed units that are null: the tokens",
      { billed_units: null, tokens: { input_tokens: 507, output_tokens: 10 } },
      { source: "reported", inputText: 507, outputText: 10 },
    ],
    [
      "billed units with decimals of 0",
      JSON.parse('{"billed_units":{"input_tokens":12.0,"output_tokens":7.0}}'),
      { source: "reported", inputText: 12, outputText: 7 },
    ],
    [
      "a billed zero stays zero",
      { billed_units: { input_tokens: 0, output_tokens: 0 }, tokens: { input_tokens: 9 } },
      { source: "reported" },
    ],
  ])("%s", (_, usage, expected) => {
    const body = { message: { content: [{ type: "text", text: "Hi" }] }, usage };
    expect(figures(interpret(whole(body, { path: "/v2/chat" })))).toEqual(expected);
  });

  test("v1: the end of a stream, embeddings with pictures", () => {
    const events = [
      { event_type: "text-generation", text: "Hi" },
      {
        event_type: "stream-end",
        finish_reason: "COMPLETE",
        response: { text: "Hi", meta: { billed_units: { input_tokens: 5, output_tokens: 2 } } },
      },
    ];
    const lines = events.map((event) => `${JSON.stringify(event)}\n`).join("");
    const chat = record(lines, "application/stream+json", { path: "/v1/chat" });
    expect(figures(interpret(chat))).toEqual({
      source: "reported",
      inputText: 5,
      outputText: 2,
    });
    const embedded = {
      embeddings: {},
      meta: { billed_units: { input_tokens: 3, image_tokens: 40 } },
    };
    expect(figures(interpret(whole(embedded, { path: "/v2/embed" })))).toEqual({
      source: "reported",
      inputText: 3,
      inputImage: 40,
    });
    const images = interpret(
      whole({ embeddings: {}, meta: { billed_units: { images: 2 } } }, { path: "/v2/embed" }),
    );
    expect([figures(images), images.otherUnits]).toEqual([{ source: "reported" }, { images: 2 }]);
  });
});

describe("Ollama", () => {
  const ollama = (path: string, ...lines: object[]) =>
    figures(
      interpret(
        record(lines.map((line) => `${JSON.stringify(line)}\n`).join(""), "application/x-ndjson", {
          path,
        }),
      ),
    );

  test("chat, thinking included; an embedding", () => {
    const said = { model: "qwen3", message: { role: "assistant", content: "Hi", thinking: "Hm" } };
    const end = { model: "qwen3", message: { content: "" }, done: true, done_reason: "stop" };
    const counts = { prompt_eval_count: 11, eval_count: 18 };
    expect(ollama("/api/chat", { ...said, done: false }, { ...end, ...counts })).toEqual({
      source: "reported",
      inputText: 11,
      outputText: 18,
    });
    expect(ollama("/api/embed", { embeddings: [[0.1]], prompt_eval_count: 8 })).toEqual({
      source: "reported",
      inputText: 8,
    });
  });

  test("counts that are no counts", () => {
    const end = { done: true, prompt_eval_count: -1, eval_count: 18 };
    expect(ollama("/api/chat", end)).toMatchObject({ source: "estimated", outputText: 18 });
  });
});
