/**
 * Streams that are lost at any byte of their last events: what is reported is what the whole
 * stream tells, or it is estimated.
 */
import { describe, expect, test } from "vitest";
import { createRatios } from "../../limitador-bridge/estimate/ratios.ts";
import { outcomeOf } from "../../limitador-bridge/usage/ending.ts";
import { interpretUsage } from "../../limitador-bridge/usage/interpret.ts";
import { admit, CHAT, request, settleOne, startTollgate } from "./tollgate.ts";

const sse = (...events: unknown[]) =>
  events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("");
const EVENTS = "text/event-stream";

const part = (text: string, more: object = {}) => ({
  candidates: [{ content: { parts: [{ text }] }, ...more }],
});
const counts = (prompt: number, output: number) => ({
  usageMetadata: {
    promptTokenCount: prompt,
    candidatesTokenCount: output,
    totalTokenCount: prompt + output,
  },
});
const chunk = (output: number, finish_reason: string | null) => ({
  choices: [{ index: 0, delta: { content: "ab " }, finish_reason }],
  usage: { prompt_tokens: 9, completion_tokens: output, total_tokens: 9 + output },
});
const line = (value: object) => `${JSON.stringify(value)}\n`;

/** What comes before, the last event, and the usage of it all. */
const STREAMS: Record<
  string,
  { path: string; type: string; before: string; last: string; total: [number, number] }
> = {
  gemini: {
    path: "/v1beta/models/gemini-2.5-flash:streamGenerateContent",
    type: EVENTS,
    before: sse({ ...part("ab "), ...counts(1200, 0) }),
    last: sse({ ...part("cd", { finishReason: "STOP" }), note: "x", ...counts(1200, 35) }),
    total: [1200, 35],
  },
  "cumulative chunks": {
    path: "/v1/chat/completions",
    type: EVENTS,
    before: sse(chunk(1, null), chunk(2, null)),
    last: sse(chunk(30, "stop")),
    total: [9, 30],
  },
  ollama: {
    path: "/api/chat",
    type: "application/x-ndjson",
    before: line({ model: "m", message: { content: "ab " }, done: false }),
    last: line({
      model: "m",
      done: true,
      done_reason: "stop",
      prompt_eval_count: 9,
      eval_count: 30,
    }),
    total: [9, 30],
  },
};

function lostAt(stream: (typeof STREAMS)[string], bytes: number, isClosed: boolean) {
  const { path, type, before, last } = stream;
  const host = startTollgate();
  const exchange = request(host, { ...CHAT, stream: true }, { path });
  admit(host);
  exchange.responseHeaders({ ":status": 200, "content-type": type });
  exchange.responseBody(before + last.slice(0, bytes), isClosed);
  if (!isClosed) exchange.disconnect();
  const record = settleOne(host);
  const usage = interpretUsage(record, createRatios());
  const { inputText, outputText } = usage.tokens;
  return { source: usage.source, outcome: outcomeOf(record, usage), inputText, outputText };
}

describe.each(Object.entries(STREAMS))("%s", (_, stream) => {
  const { last, total } = stream;
  const [inputText, outputText] = total;

  test("whole", () => {
    expect(lostAt(stream, last.length, true)).toEqual({
      source: "reported",
      outcome: "ok",
      inputText,
      outputText,
    });
  });

  test.each([
    ["client_disconnect", false],
    ["truncated", true],
  ])("cut within the last event: %s", (outcome, isClosed) => {
    const document = last.trimEnd().length;
    for (let bytes = 1; bytes < document; bytes++) {
      const told = lostAt(stream, bytes, isClosed);
      const what = `${bytes} bytes: ${JSON.stringify(told)}`;
      expect([told.source, told.outputText > 0], what).toEqual(["estimated", true]);
      expect(told.outcome, what).toBe(outcome);
    }
  });
});
