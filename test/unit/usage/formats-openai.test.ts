/** Odd combinations that OpenAI-shaped usage comes in, one for each rule that could break. */
import { describe, expect, test } from "vitest";
import { CHAT, figures, interpret, RESPONSES, streamed, whole } from "./exchanges.ts";

const answer = (usage: unknown, more: object = {}) => ({
  object: "chat.completion",
  model: "some-model",
  choices: [{ message: { content: "Hello there." }, finish_reason: "stop" }],
  usage,
  ...more,
});
const chunk = (content: string, usage?: unknown, finish: string | null = null) => ({
  object: "chat.completion.chunk",
  model: "some-model",
  choices: [{ index: 0, delta: { content }, finish_reason: finish }],
  ...(usage === undefined ? {} : { usage }),
});

test.each<[string, object, object]>([
  [
    "details that are null",
    {
      prompt_tokens: 9,
      completion_tokens: 4,
      total_tokens: 13,
      prompt_tokens_details: null,
      completion_tokens_details: null,
    },
    { inputText: 9, outputText: 4 },
  ],
  [
    "parts that are null or no counts",
    {
      prompt_tokens: 9,
      completion_tokens: 4,
      prompt_tokens_details: { cached_tokens: null, audio_tokens: "3" },
      completion_tokens_details: { reasoning_tokens: -1, audio_tokens: 1.5 },
    },
    { inputText: 9, outputText: 4 },
  ],
  [
    "a key with a dot in it is no path",
    { prompt_tokens: 9, completion_tokens: 4, "prompt_tokens_details.cached_tokens": 8 },
    { inputText: 9, outputText: 4 },
  ],
  [
    "cached audio: both are parts of the same prompt, and it is counted once",
    {
      prompt_tokens: 100,
      completion_tokens: 1,
      prompt_tokens_details: { cached_tokens: 80, audio_tokens: 50 },
    },
    { cacheRead: 80, inputAudio: 20, outputText: 1 },
  ],
  [
    "rejected predictions are in the completion",
    {
      prompt_tokens: 9,
      completion_tokens: 40,
      total_tokens: 49,
      completion_tokens_details: {
        reasoning_tokens: 0,
        accepted_prediction_tokens: 20,
        rejected_prediction_tokens: 15,
      },
    },
    { inputText: 9, outputText: 40 },
  ],
  [
    "audio and reasoning out of one completion",
    {
      prompt_tokens: 9,
      completion_tokens: 40,
      total_tokens: 49,
      completion_tokens_details: { reasoning_tokens: 10, audio_tokens: 25, text_tokens: 5 },
    },
    { inputText: 9, outputText: 5, reasoning: 10, outputAudio: 25 },
  ],
  [
    "reasoning that is more than the completion and has no total to tell",
    {
      prompt_tokens: 9,
      completion_tokens: 2,
      completion_tokens_details: { reasoning_tokens: 30 },
    },
    { inputText: 9, outputText: 2, reasoning: 30 },
  ],
  [
    "xAI with more cached than prompt tokens and reasoning beside the completion",
    {
      prompt_tokens: 12,
      completion_tokens: 2,
      total_tokens: 354,
      prompt_tokens_details: { cached_tokens: 20 },
      completion_tokens_details: { reasoning_tokens: 340 },
      num_sources_used: 0,
    },
    { inputText: 12, cacheRead: 20, outputText: 2, reasoning: 340 },
  ],
  [
    "Mistral's cached tokens in the plural",
    {
      prompt_tokens: 30,
      completion_tokens: 1,
      total_tokens: 31,
      prompt_tokens_details: { cached_tokens: 16 },
    },
    { inputText: 14, cacheRead: 16, outputText: 1 },
  ],
  [
    "Mistral's cached tokens in the singular, told twice",
    {
      prompt_tokens: 30,
      completion_tokens: 1,
      total_tokens: 31,
      num_cached_tokens: 16,
      prompt_token_details: { cached_tokens: 16 },
      prompt_audio_seconds: {},
    },
    { inputText: 14, cacheRead: 16, outputText: 1 },
  ],
  [
    "cache writes of two names are one",
    {
      prompt_tokens: 300,
      completion_tokens: 1,
      total_tokens: 301,
      cache_creation_input_tokens: 200,
      prompt_tokens_details: { cached_tokens: 50, cache_write_tokens: 200 },
    },
    { inputText: 50, cacheRead: 50, cacheWrite5m: 200, outputText: 1 },
  ],
  [
    "no prompt, but a total",
    { completion_tokens: 4, total_tokens: 13 },
    { inputText: 9, outputText: 4 },
  ],
  [
    "figures written as 12.0 and 1.2e1",
    JSON.parse('{"prompt_tokens":12.0,"completion_tokens":1.2e1}'),
    { inputText: 12, outputText: 12 },
  ],
])("%s", (_, usage, expected) => {
  expect(figures(interpret(whole(answer(usage))))).toEqual({ source: "reported", ...expected });
});

test("Gemini by the OpenAI-shaped route with no completion at all", () => {
  const usage = { prompt_tokens: 7, completion_tokens: 0, total_tokens: 8 };
  const got = interpret(whole(answer(usage), { path: "/v1beta/openai/chat/completions" }));
  expect(figures(got)).toEqual({ source: "reported", inputText: 7, reasoning: 1 });
});

describe("streams", () => {
  test("usage beside the finish reason, unasked for (Mistral, DeepSeek)", () => {
    const usage = { prompt_tokens: 13, completion_tokens: 434, total_tokens: 447 };
    const events = [chunk("a"), chunk("", usage, "stop"), "[DONE]"];
    expect(figures(interpret(streamed(events)))).toEqual({
      source: "reported",
      inputText: 13,
      outputText: 434,
    });
  });

  test("Azure: a first chunk with no choices and no usage is not the last word", () => {
    const first = { choices: [], model: "", prompt_filter_results: [{ prompt_index: 0 }] };
    const last = {
      choices: [],
      model: "gpt-5-nano-2025-08-07",
      usage: { prompt_tokens: 9, completion_tokens: 4, total_tokens: 13 },
      obfuscation: "xyz",
    };
    const given = { path: "/openai/deployments/router/chat/completions?api-version=1" };
    const got = interpret(streamed([first, chunk("a", null, "stop"), last, "[DONE]"], given));
    expect(figures(got)).toEqual({ source: "reported", inputText: 9, outputText: 4 });
    expect([got.model, got.provider]).toEqual(["gpt-5-nano-2025-08-07", "azure"]);
    expect(figures(interpret(streamed([first], given)))).toMatchObject({ source: "estimated" });
  });

  test("OpenRouter: finish reason and usage come twice, and count once", () => {
    const usage = { prompt_tokens: 9, completion_tokens: 4, total_tokens: 13, cost: 0.0000123 };
    const events = [chunk("a"), chunk("", null, "stop"), chunk("", usage, "stop"), "[DONE]"];
    const got = interpret(streamed([...events.slice(0, 3), ...events.slice(2)]));
    expect(figures(got)).toEqual({ source: "reported", inputText: 9, outputText: 4 });
    expect(got.providerCostNanoUsd).toBe(12_300);
  });

  test("zeros in every chunk of a stream that is cut are no report", () => {
    const zero = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };
    const events = [chunk("aaaaaaaaa", zero), chunk("bbbbbbbbb", zero)];
    const got = interpret(streamed(events, { outcome: "upstream_error" }));
    expect(figures(got)).toMatchObject({ source: "estimated", outputText: 4 });
  });

  test("an error after usage began to come is not the last word", () => {
    const counted = (completion: number) => ({ prompt_tokens: 10, completion_tokens: completion });
    const events = [
      chunk("aaaaaaaaa", counted(1)),
      chunk("bbbbbbbbb", counted(2)),
      { error: { message: "overloaded", code: 503 } },
    ];
    expect(figures(interpret(streamed(events)))).toEqual({
      source: "estimated",
      inputText: 10,
      outputText: 4,
    });
  });
});

describe("responses", () => {
  const usage = { input_tokens: 40, output_tokens: 20, total_tokens: 60 };
  const ended = (type: string, more: object) => [
    { type: "response.created", response: { model: "gpt-5", status: "in_progress", usage: null } },
    { type: "response.output_text.delta", delta: "Hello, you" },
    { type, response: { model: "gpt-5", ...more } },
  ];
  const given = { path: RESPONSES };

  test("incomplete is billed as it says", () => {
    const events = ended("response.incomplete", {
      status: "incomplete",
      incomplete_details: { reason: "max_output_tokens" },
      usage,
    });
    expect(figures(interpret(streamed(events, given)))).toEqual({
      source: "reported",
      inputText: 40,
      outputText: 20,
    });
  });

  test("failed with no usage is what was seen; failed before any output is nothing", () => {
    const error = { code: "server_error", message: "The model had an error." };
    const events = ended("response.failed", { status: "failed", error, usage: null });
    expect(figures(interpret(streamed(events, given)))).toMatchObject({
      source: "estimated",
      outputText: 3,
    });
    const [first, , last] = events;
    expect(interpret(streamed([first, last], given))).toMatchObject({
      source: "none",
      reason: "error_in_body",
    });
  });

  test("cache writes are in the input", () => {
    const details = { cached_tokens: 5, cache_write_tokens: 30 };
    const body = { object: "response", usage: { ...usage, input_tokens_details: details } };
    expect(figures(interpret(whole(body, given)))).toEqual({
      source: "reported",
      inputText: 5,
      cacheRead: 5,
      cacheWrite5m: 30,
      outputText: 20,
    });
  });

  test.each<[string, number | undefined, object]>([
    ["beside the request's own, as the total says", 185, { input: 160, read: 10, output: 25 }],
    ["with their cached part beside them", 195, { input: 170, read: 10, output: 25 }],
    ["with no total to tell", undefined, { input: 160, read: 10, output: 25 }],
    ["within the request's own, as the total says", 60, { input: 40, read: 0, output: 20 }],
  ])("orchestration tokens: %s", (_, total, expected) => {
    const orchestrated = {
      input_tokens: 40,
      output_tokens: 20,
      ...(total === undefined ? {} : { total_tokens: total }),
      input_tokens_details: {
        cached_tokens: 0,
        orchestration_input_tokens: 120,
        orchestration_input_cached_tokens: 10,
      },
      output_tokens_details: { orchestration_output_tokens: 5 },
    };
    const { tokens, source } = interpret(whole({ object: "response", usage: orchestrated }, given));
    expect(source).toBe("reported");
    expect({
      input: tokens.inputText + tokens.cacheRead,
      read: tokens.cacheRead,
      output: tokens.outputText,
    }).toEqual(expected);
  });
});

describe("media", () => {
  test("images: tokens by kind, whole and streamed", () => {
    const usage = {
      input_tokens: 50,
      input_tokens_details: { text_tokens: 10, image_tokens: 40 },
      output_tokens: 100,
      total_tokens: 150,
    };
    const expected = { source: "reported", inputText: 10, inputImage: 40, outputImage: 100 };
    const path = "/v1/images/edits";
    expect(figures(interpret(whole({ created: 1, data: [{}], usage }, { path })))).toEqual(
      expected,
    );
    const events = [
      { type: "image_generation.partial_image", partial_image_index: 0, b64_json: "AAAA" },
      { type: "image_generation.completed", b64_json: "AAAA", usage },
    ];
    const generations = { path: "/v1/images/generations" };
    expect(figures(interpret(streamed(events, generations)))).toEqual(expected);
  });

  test("transcription by tokens, and by seconds that are begun", () => {
    const path = "/v1/audio/transcriptions";
    const tokens = {
      type: "tokens",
      input_tokens: 14,
      input_token_details: { text_tokens: 4, audio_tokens: 10 },
      output_tokens: 45,
      total_tokens: 59,
    };
    expect(figures(interpret(whole({ text: "Hello", usage: tokens }, { path })))).toEqual({
      source: "reported",
      inputText: 4,
      inputAudio: 10,
      outputText: 45,
    });
    const spoken = { text: "Hello", usage: { type: "duration", seconds: 36.2 } };
    const got = interpret(whole(spoken, { path }));
    expect([figures(got), got.otherUnits]).toEqual([{ source: "reported" }, { audio_seconds: 37 }]);
  });

  test("Doubao's pictures and Mistral's seconds of sound are units beside the tokens", () => {
    const usage = (more: object) => ({ prompt_tokens: 9, completion_tokens: 4, ...more });
    const units = (more: object) =>
      interpret(whole(answer(usage(more)), { path: CHAT })).otherUnits;
    expect(units({ generated_images: 2 })).toEqual({ images: 2 });
    expect(units({ prompt_audio_seconds: 15 })).toEqual({ audio_seconds: 15 });
  });
});
