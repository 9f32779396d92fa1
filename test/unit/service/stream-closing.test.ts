/** The events that end a stream, as each API's clients read them. */
import { describe, expect, test } from "vitest";
import {
  type ClosedStream,
  canClose,
  streamClosing,
} from "../../../limitador-bridge/admission/stream-closing.ts";

const closed: ClosedStream = {
  id: "w1-7",
  model: 'gpt-"4o"\n',
  choices: 1,
  outputTokens: 50,
  nowMs: 1_772_366_400_999,
};

interface Event {
  event?: string;
  data: Record<string, unknown> | string;
}

/** Events of a stream; "data: [DONE]" as its text. */
function events(text: string): Event[] {
  expect(text.endsWith("\n\n")).toBe(true);
  return text
    .slice(0, -2)
    .split("\n\n")
    .map((block) => {
      const fields = new Map(
        block.split("\n").map((line) => line.split(/: (.*)/s) as [string, string]),
      );
      const data = fields.get("data") ?? "";
      const event = fields.get("event");
      return {
        ...(event === undefined ? {} : { event }),
        data: data.startsWith("{") ? JSON.parse(data) : data,
      };
    });
}

test("OpenAI chat", () => {
  expect(events(streamClosing("openai.chat.completions", { ...closed, choices: 2 }))).toEqual([
    {
      data: {
        id: "chatcmpl-w1-7",
        object: "chat.completion.chunk",
        created: 1_772_366_400,
        model: 'gpt-"4o"\n',
        choices: [
          { index: 0, delta: {}, finish_reason: "length" },
          { index: 1, delta: {}, finish_reason: "length" },
        ],
      },
    },
    { data: "[DONE]" },
  ]);
});

test("OpenAI completions", () => {
  expect(events(streamClosing("openai.completions", closed))).toEqual([
    {
      data: {
        id: "cmpl-w1-7",
        object: "text_completion",
        created: 1_772_366_400,
        model: 'gpt-"4o"\n',
        choices: [{ text: "", index: 0, logprobs: null, finish_reason: "length" }],
      },
    },
    { data: "[DONE]" },
  ]);
});

test("OpenAI responses", () => {
  expect(events(streamClosing("openai.responses", closed))).toMatchObject([
    {
      event: "response.incomplete",
      data: {
        type: "response.incomplete",
        response: {
          status: "incomplete",
          incomplete_details: { reason: "max_output_tokens" },
        },
      },
    },
  ]);
});

test("Anthropic messages", () => {
  expect(events(streamClosing("anthropic.messages", closed))).toEqual([
    { event: "content_block_stop", data: { type: "content_block_stop", index: 0 } },
    {
      event: "message_delta",
      data: {
        type: "message_delta",
        delta: { stop_reason: "max_tokens", stop_sequence: null },
        usage: { output_tokens: 50 },
      },
    },
    { event: "message_stop", data: { type: "message_stop" } },
  ]);
});

test("Gemini", () => {
  expect(events(streamClosing("gemini.generateContent", { ...closed, model: null }))).toEqual([
    {
      data: {
        candidates: [
          {
            content: { parts: [{ text: "" }], role: "model" },
            finishReason: "MAX_TOKENS",
            index: 0,
          },
        ],
      },
    },
  ]);
});

describe("which streams can be ended so", () => {
  test.each([
    ["openai.chat.completions", "", true],
    ["gemini.generateContent", "alt=sse&key=1", true],
    ["gemini.generateContent", "key=1&alt=sse", true],
    ["gemini.generateContent", "key=alt=sse", false],
    ["gemini.generateContent", "", false],
    ["bedrock.converse", "", false],
    ["constructor", "", false],
    [null, "", false],
  ])("%s?%s: %s", (api, query, can) => {
    expect(canClose(api, query)).toBe(can);
  });

  test("a client cannot make the end of a stream as long as it likes", () => {
    const text = streamClosing("openai.chat.completions", { ...closed, choices: 1e9 });
    expect(text.length).toBeLessThan(10_000);
  });
});
