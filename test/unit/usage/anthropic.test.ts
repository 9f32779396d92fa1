import { describe, expect, test } from "vitest";
import { aboveZero, figures, interpret, MESSAGES, streamed, whole } from "./exchanges.ts";

const given = { path: MESSAGES };
const message = (usage: unknown) => ({
  type: "message",
  model: "claude-sonnet-4-5",
  content: [{ type: "text", text: "Hello" }],
  stop_reason: "end_turn",
  usage,
});

describe("Anthropic messages", () => {
  test("cache reads and writes are beside the input, thinking is in the output", () => {
    const usage = interpret(
      whole(
        message({
          input_tokens: 5,
          cache_creation_input_tokens: 300,
          cache_read_input_tokens: 1000,
          cache_creation: { ephemeral_5m_input_tokens: 200, ephemeral_1h_input_tokens: 100 },
          output_tokens: 50,
          output_tokens_details: { thinking_tokens: 20 },
          server_tool_use: { web_search_requests: 2, web_fetch_requests: 0 },
          service_tier: "standard",
        }),
        given,
      ),
    );
    expect(figures(usage)).toEqual({
      source: "reported",
      inputText: 5,
      cacheRead: 1000,
      cacheWrite5m: 200,
      cacheWrite1h: 100,
      outputText: 30,
      reasoning: 20,
    });
    expect(usage).toMatchObject({
      provider: "anthropic",
      serviceTier: "standard",
      otherUnits: { web_search_requests: 2 },
    });
  });

  test("a compaction is not in the totals", () => {
    const usage = interpret(
      whole(
        message({
          input_tokens: 612,
          output_tokens: 2819,
          iterations: [
            { type: "compaction", input_tokens: 60_385, output_tokens: 522 },
            { type: "message", input_tokens: 612, output_tokens: 2819 },
          ],
        }),
        given,
      ),
    );
    expect(figures(usage)).toEqual({ source: "reported", inputText: 60_997, outputText: 3341 });
  });

  test("an advisor is billed on top, a fallback is who served", () => {
    const usage = interpret(
      whole(
        message({
          input_tokens: 10,
          output_tokens: 2,
          iterations: [
            { type: "message", input_tokens: 10, output_tokens: 2 },
            {
              type: "advisor_message",
              model: "claude-opus-4-8",
              input_tokens: 70,
              output_tokens: 8,
            },
            {
              type: "fallback_message",
              model: "claude-haiku-4-5",
              input_tokens: 10,
              output_tokens: 2,
            },
          ],
        }),
        given,
      ),
    );
    expect(figures(usage)).toEqual({ source: "reported", inputText: 10, outputText: 2 });
    expect(usage.model).toBe("claude-haiku-4-5");
    expect(usage.extraLines.map(({ model, tokens }) => [model, aboveZero(tokens)])).toEqual([
      ["claude-opus-4-8", { inputText: 70, outputText: 8 }],
    ]);
  });
});

describe("Anthropic streams", () => {
  const start = (usage: unknown) => ({
    type: "message_start",
    message: { model: "claude-sonnet-4-5", content: [], usage },
  });
  const text = (length: number) => ({
    type: "content_block_delta",
    delta: { type: "text_delta", text: "x".repeat(length) },
  });
  const delta = (usage: unknown) => ({
    type: "message_delta",
    delta: { stop_reason: "end_turn" },
    usage,
  });
  const stop = { type: "message_stop" };

  test.each([
    [3, null],
    [4, "usage_thinned"],
    [6, "usage_thinned"],
  ])("of %d deltas with usage, not all may have been kept", (count, reason) => {
    const deltas = Array.from({ length: count }, (_, i) =>
      delta({
        output_tokens: 90 + i,
        ...(i === 2 ? { server_tool_use: { web_search_requests: 2 } } : {}),
      }),
    );
    const usage = interpret(
      streamed([start({ input_tokens: 4, output_tokens: 1 }), ...deltas, stop], given),
    );
    expect([usage.source, usage.reason, usage.tokens.outputText, usage.otherUnits]).toEqual([
      "reported",
      reason,
      89 + count,
      count === 6 ? {} : { web_search_requests: 2 },
    ]);
  });

  test("what the delta leaves out keeps its start value", () => {
    const events = [
      start({ input_tokens: 4, cache_creation_input_tokens: 1165, output_tokens: 1 }),
      text(20),
      delta({ output_tokens: 201 }),
      stop,
    ];
    expect(figures(interpret(streamed(events, given)))).toEqual({
      source: "reported",
      inputText: 4,
      cacheWrite5m: 1165,
      outputText: 201,
    });
  });

  test("what the delta holds replaces the start value", () => {
    const events = [
      start({ input_tokens: 34_824, output_tokens: 0 }),
      delta({ input_tokens: 3883, output_tokens: 49, cache_read_input_tokens: 30_464 }),
      stop,
    ];
    expect(figures(interpret(streamed(events, given)))).toEqual({
      source: "reported",
      inputText: 3883,
      cacheRead: 30_464,
      outputText: 49,
    });
  });

  test("a start that comes twice counts once", () => {
    const again = start({ input_tokens: 17, output_tokens: 1 });
    const events = [again, again, text(8), delta({ output_tokens: 227 }), stop];
    expect(figures(interpret(streamed(events, given)))).toEqual({
      source: "reported",
      inputText: 17,
      outputText: 227,
    });
  });

  test("cut: the input of the start is known, the output is what was seen", () => {
    const events = [
      start({ input_tokens: 313, cache_read_input_tokens: 50, output_tokens: 1 }),
      text(90),
    ];
    const usage = interpret(streamed(events, { ...given, outcome: "client_disconnect" }));
    expect(usage.reason).toBe("usage_incomplete");
    expect(figures(usage)).toEqual({
      source: "estimated",
      inputText: 313,
      cacheRead: 50,
      outputText: 20,
    });
  });

  test("a start without usage and a delta with all of it", () => {
    const events = [start(undefined), text(8), delta({ input_tokens: 12, output_tokens: 6 }), stop];
    expect(figures(interpret(streamed(events, given)))).toEqual({
      source: "reported",
      inputText: 12,
      outputText: 6,
    });
  });

  test("caching for an hour goes on in a delta that does not say so", () => {
    const events = [
      start({
        input_tokens: 1,
        cache_creation_input_tokens: 10,
        output_tokens: 1,
        cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 10 },
      }),
      delta({ cache_creation_input_tokens: 30, output_tokens: 2 }),
    ];
    expect(interpret(streamed(events, given)).tokens.cacheWrite1h).toBe(30);
  });
});
