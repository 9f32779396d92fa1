import { describe, expect, test } from "vitest";
import { CHAT, figures, interpret, RESPONSES, streamed, whole } from "./exchanges.ts";

const answer = (usage: unknown, more: object = {}) => ({
  object: "chat.completion",
  model: "gpt-4o-2024-08-06",
  choices: [{ message: { content: "Hello there." }, finish_reason: "stop" }],
  usage,
  ...more,
});

describe("OpenAI chat completions", () => {
  test("totals include cached, written, audio and reasoning tokens", () => {
    const usage = interpret(
      whole(
        answer(
          {
            prompt_tokens: 100,
            completion_tokens: 50,
            total_tokens: 150,
            prompt_tokens_details: { cached_tokens: 40, cache_write_tokens: 20, audio_tokens: 10 },
            completion_tokens_details: { reasoning_tokens: 30, audio_tokens: 5 },
          },
          { service_tier: "priority" },
        ),
      ),
    );
    expect(figures(usage)).toEqual({
      source: "reported",
      inputText: 30,
      inputAudio: 10,
      cacheRead: 40,
      cacheWrite5m: 20,
      outputText: 15,
      reasoning: 30,
      outputAudio: 5,
    });
    expect(usage).toMatchObject({ model: "gpt-4o-2024-08-06", serviceTier: "priority" });
  });

  test.each([
    [
      "xAI excludes reasoning from the completion",
      {
        prompt_tokens: 12,
        completion_tokens: 2,
        total_tokens: 354,
        num_sources_used: 0,
        completion_tokens_details: { reasoning_tokens: 340 },
      },
      { inputText: 12, outputText: 2, reasoning: 340 },
    ],
    [
      "reasoning within the completion stays within it",
      {
        prompt_tokens: 12,
        completion_tokens: 342,
        total_tokens: 354,
        completion_tokens_details: { reasoning_tokens: 340 },
      },
      { inputText: 12, outputText: 2, reasoning: 340 },
    ],
    [
      "more cached tokens than prompt tokens are beside them",
      { prompt_tokens: 5, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 50 } },
      { inputText: 5, cacheRead: 50, outputText: 1 },
    ],
    [
      "a total that counts cache tokens on top puts them beside the prompt",
      { prompt_tokens: 500, completion_tokens: 1, total_tokens: 601, cache_read_input_tokens: 100 },
      { inputText: 500, cacheRead: 100, outputText: 1 },
    ],
    [
      "DeepSeek's cache hits",
      {
        prompt_tokens: 30,
        completion_tokens: 1,
        total_tokens: 31,
        prompt_cache_hit_tokens: 20,
        prompt_cache_miss_tokens: 10,
      },
      { inputText: 10, cacheRead: 20, outputText: 1 },
    ],
    [
      "Mistral's cached tokens",
      { prompt_tokens: 30, completion_tokens: 1, total_tokens: 31, num_cached_tokens: 29 },
      { inputText: 1, cacheRead: 29, outputText: 1 },
    ],
    [
      "a missing completion is the rest of the total",
      { prompt_tokens: 30, total_tokens: 37 },
      { inputText: 30, outputText: 7 },
    ],
    [
      "an explicit zero stays zero",
      { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 },
      {},
    ],
    [
      "a total that is only wrong changes nothing",
      { prompt_tokens: 7, completion_tokens: 3, total_tokens: 99 },
      { inputText: 7, outputText: 3 },
    ],
  ])("%s", (_, usage, expected) => {
    expect(figures(interpret(whole(answer(usage))))).toEqual({ source: "reported", ...expected });
  });

  test("Gemini by the OpenAI-shaped route hides its thoughts in the total", () => {
    const usage = interpret(
      whole(answer({ prompt_tokens: 7, completion_tokens: 6, total_tokens: 41 }), {
        path: "/v1beta/openai/chat/completions",
      }),
    );
    expect(usage.provider).toBe("gemini");
    expect(figures(usage)).toEqual({
      source: "reported",
      inputText: 7,
      outputText: 6,
      reasoning: 28,
    });
  });

  test("embeddings and rerankings with nothing but a total are all input", () => {
    const body = { object: "list", model: "voyage-3.5", usage: { total_tokens: 12 } };
    const usage = interpret(whole(body, { path: "/v1/embeddings" }));
    expect(usage.provider).toBe("voyage");
    expect(figures(usage)).toEqual({ source: "reported", inputText: 12 });
  });

  test("xAI's ticks and OpenRouter's cost are rounded up to the nano-dollar", () => {
    const cost = (usage: object) =>
      interpret(whole(answer({ prompt_tokens: 1, completion_tokens: 1, ...usage })))
        .providerCostNanoUsd;
    expect(cost({ cost_in_usd_ticks: 123_456 })).toBe(12_346);
    expect(cost({ cost: 0.0076509169000000005 })).toBe(7_650_917);
    expect(cost({ cost: 4e-5 })).toBe(40_000);
    expect(
      cost({ cost: 0.0001, is_byok: true, cost_details: { upstream_inference_cost: 0.002 } }),
    ).toBe(2_100_000);
    expect(cost({ cost: -1 })).toBe(null);
  });

  test("searches that OpenRouter made are counted", () => {
    const usage = {
      prompt_tokens: 1,
      completion_tokens: 1,
      server_tool_use_details: { web_search_requests: 2 },
    };
    expect(interpret(whole(answer(usage))).otherUnits).toEqual({ web_search_requests: 2 });
  });
});

describe("OpenAI chat completion streams", () => {
  const chunk = (content: string, usage: unknown = null, finish: string | null = null) => ({
    object: "chat.completion.chunk",
    model: "gpt-4o",
    choices: [{ delta: { content }, finish_reason: finish }],
    usage,
  });
  const last = {
    object: "chat.completion.chunk",
    model: "gpt-4o",
    choices: [],
    usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
  };

  test("the usage chunk is the last word", () => {
    const events = [chunk("Hi"), chunk(" there", null, "stop"), last, "[DONE]"];
    expect(figures(interpret(streamed(events)))).toEqual({
      source: "reported",
      inputText: 10,
      outputText: 5,
    });
  });

  test("Groq's usage stands in x_groq", () => {
    const usage = { prompt_tokens: 18, completion_tokens: 73, total_tokens: 91 };
    const events = [
      chunk("Hi"),
      { choices: [{ finish_reason: "stop" }], x_groq: { id: "r", usage } },
    ];
    const got = interpret(streamed(events));
    expect(got.provider).toBe("groq");
    expect(figures(got)).toEqual({ source: "reported", inputText: 18, outputText: 73 });
  });

  test("continuous usage: the last wins, and a cut stream has none that is final", () => {
    const counted = (completion: number) => ({ prompt_tokens: 10, completion_tokens: completion });
    const events = [chunk("a", counted(1)), chunk("b", counted(2)), chunk("c", counted(3))];
    const ended = [...events, chunk("", counted(4), "stop")];
    expect(figures(interpret(streamed(ended)))).toEqual({
      source: "reported",
      inputText: 10,
      outputText: 4,
    });
    expect(figures(interpret(streamed(events)))).toEqual({
      source: "estimated",
      inputText: 10,
      outputText: 3,
    });
  });

  test("zeros in every chunk do not undo the figures", () => {
    const zero = { prompt_tokens: 0, completion_tokens: 0 };
    const events = [
      chunk("a", zero),
      chunk("", { prompt_tokens: 9, completion_tokens: 4 }, "stop"),
      chunk("", zero),
    ];
    expect(figures(interpret(streamed(events)))).toEqual({
      source: "reported",
      inputText: 9,
      outputText: 4,
    });
  });

  test("the same reasoning under two names is counted once", () => {
    const delta = {
      reasoning: "12345678",
      reasoning_content: "12345678",
      reasoning_details: [{ text: "12345678" }],
      content: "9",
    };
    const usage = interpret(streamed([{ choices: [{ delta }] }]));
    expect(usage.tokens.outputText).toBe(2);
  });

  test("text so far beside each delta is not counted again", () => {
    const parts = ["aaaaaaaaa", "bbbbbbbbb"];
    const events = parts.map((part, i) => ({
      choices: [{ delta: { content: part }, message: { content: parts.slice(0, i + 1).join("") } }],
    }));
    expect(interpret(streamed(events)).tokens.outputText).toBe(4);
  });
});

describe("OpenAI responses", () => {
  const usage = {
    input_tokens: 40,
    input_tokens_details: { cached_tokens: 12 },
    output_tokens: 20,
    output_tokens_details: { reasoning_tokens: 8 },
    total_tokens: 60,
  };
  const expected = { inputText: 28, cacheRead: 12, outputText: 12, reasoning: 8 };

  test("whole and streamed", () => {
    const body = { object: "response", status: "completed", model: "gpt-5", usage };
    expect(figures(interpret(whole(body, { path: RESPONSES })))).toEqual({
      source: "reported",
      ...expected,
    });
    const events = [
      { type: "response.created", response: { model: "gpt-5", usage: null } },
      { type: "response.output_text.delta", delta: "Hello" },
      { type: "response.completed", response: { model: "gpt-5", usage } },
    ];
    const streamedUsage = interpret(streamed(events, { path: RESPONSES }));
    expect(figures(streamedUsage)).toEqual({ source: "reported", ...expected });
    expect(streamedUsage.model).toBe("gpt-5");
  });

  test("xAI's responses include reasoning", () => {
    const body = { object: "response", model: "grok-4", usage: { ...usage, num_sources_used: 0 } };
    expect(figures(interpret(whole(body, { path: RESPONSES })))).toEqual({
      source: "reported",
      ...expected,
    });
  });

  test("tools that report their own usage", () => {
    const image = {
      input_tokens: 10,
      output_tokens: 90,
      output_tokens_details: { image_tokens: 90 },
    };
    const body = {
      model: "gpt-5",
      usage,
      tool_usage: { image_gen: image, web_search: { num_requests: 3 } },
    };
    const got = interpret(whole(body, { path: RESPONSES }));
    expect(got.otherUnits).toEqual({ web_search_requests: 3 });
    expect(
      got.extraLines.map(({ model, tokens }) => [model, tokens.inputText, tokens.outputImage]),
    ).toEqual([["gpt-image-1", 10, 90]]);
  });

  test("in the background: estimated at first, settled under one key when it is fetched", () => {
    const queued = {
      id: "resp_1",
      object: "response",
      status: "queued",
      background: true,
      model: "gpt-4o",
      usage: null,
    };
    const request = { model: "gpt-4o", input: "x".repeat(200), background: true };
    const created = interpret(whole(queued, { path: RESPONSES, request }));
    expect(created).toMatchObject({ source: "estimated", reason: "deferred", settleKey: "resp_1" });
    expect(created.tokens.inputText).toBe(32);

    const get = { path: `${RESPONSES}/resp_1`, method: "GET" };
    expect(interpret(whole(queued, get))).toMatchObject({ source: "none", reason: "deferred" });
    const done = { ...queued, status: "completed", usage };
    expect(interpret(whole(done, get))).toMatchObject({ source: "reported", settleKey: "resp_1" });
    const foreground = { ...done, background: false };
    expect(interpret(whole(foreground, get))).toMatchObject({
      source: "none",
      reason: "retrieved",
    });
  });
});

test("what a client's metadata says of usage is none", () => {
  const usage = { prompt_tokens: 12, completion_tokens: 7, total_tokens: 19 };
  const metadata = { usage: { prompt_tokens: 500, completion_tokens: 5, total_tokens: 505 } };
  expect(figures(interpret(whole(answer(usage, { metadata }))))).toEqual({
    source: "reported",
    inputText: 12,
    outputText: 7,
  });
});

describe("a server that repeats zeros until the last chunk", () => {
  const zeros = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };
  const chunk = (finish_reason: string | null, usage: object = zeros) => ({
    choices: [{ delta: { content: "some words " }, finish_reason }],
    usage,
  });
  const request = { model: "m", stream: true, messages: [{ role: "user", content: "hello" }] };
  const lost = { request, outcome: "client_disconnect" as const };

  test.each([
    ["lost after its finish", [chunk(null), chunk("stop")], lost],
    ["ended after its finish", [chunk(null), chunk("stop")], { request }],
    ["lost before it", [chunk(null), chunk(null)], lost],
  ])("%s: estimated", (_, events, given) => {
    const usage = interpret(streamed(events, given));
    expect(usage.source).toBe("estimated");
    expect(usage.tokens.outputText).toBeGreaterThan(3);
  });

  test("whole: its figures, and zeros that are all it ever tells", () => {
    const figuresLast = { choices: [], usage: { ...zeros, prompt_tokens: 7, total_tokens: 7 } };
    const all = [chunk(null), chunk("stop"), figuresLast, "[DONE]"];
    expect(figures(interpret(streamed(all, { request })))).toEqual({
      source: "reported",
      inputText: 7,
    });
    const never = [chunk(null), chunk("stop"), "[DONE]"];
    expect(figures(interpret(streamed(never, { request })))).toEqual({ source: "reported" });
  });
});

test("the path's API is told apart from others that end alike", () => {
  expect(whole({}, { path: CHAT }).llm.api).toBe("openai.chat.completions");
  expect(whole({}, { path: "/v1/completions" }).llm.api).toBe("openai.completions");
  expect(whole({}, { path: "/v1/responses/input_tokens" }).llm.api).toBe("openai.countTokens");
});
