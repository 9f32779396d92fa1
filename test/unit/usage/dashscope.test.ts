/** DashScope's own API: every event of a stream has the figures, and mostly all text, so far. */
import { describe, expect, test } from "vitest";
import type { SettlementRecord } from "../../../limitador-bridge/contract/filter.ts";
import { createRatios, type Ratios } from "../../../limitador-bridge/estimate/ratios.ts";
import { learnRatios } from "../../../limitador-bridge/settlement/learn.ts";
import { outcomeOf } from "../../../limitador-bridge/usage/ending.ts";
import { figures, type Given, interpret, streamed, whole } from "./exchanges.ts";

const path = "/api/v1/services/aigc/text-generation/generation";
const request = { model: "qwen-plus", input: { messages: [{ role: "user", content: "Hi" }] } };
const given: Given = { path, request };

/** The answer after so many output tokens, of four bytes each. */
function event(tokens: number, finishReason: string, more: object = {}) {
  const content = "word".repeat(tokens);
  return {
    output: { choices: [{ message: { role: "assistant", content }, finish_reason: finishReason }] },
    usage: { input_tokens: 20, output_tokens: tokens, total_tokens: 20 + tokens },
    request_id: "r1",
    ...more,
  };
}

const asText = (tokens: number, finishReason: string) =>
  event(tokens, "", { output: { text: "word".repeat(tokens), finish_reason: finishReason } });

const outcome = (record: SettlementRecord) => outcomeOf(record, interpret(record));

describe("DashScope", () => {
  test.each([
    ["messages", event],
    ["text", asText],
  ])("a whole stream of %s is reported", (_, at) => {
    const record = streamed([at(10, "null"), at(40, "null"), at(80, "stop")], given);
    expect(figures(interpret(record))).toEqual({
      source: "reported",
      inputText: 20,
      outputText: 80,
    });
    expect(outcome(record)).toBe("ok");
  });

  test.each([
    ["messages", event],
    ["text", asText],
  ])("of a stream of %s that was cut the last figures count as they are", (_, at) => {
    const record = streamed([at(10, "null"), at(40, "null"), at(60, "null")], given);
    const usage = interpret(record);
    expect([usage.reason, figures(usage)]).toEqual([
      "usage_incomplete",
      { source: "estimated", inputText: 20, outputText: 60 },
    ]);
    expect(outcome(record)).toBe("truncated");
    const left = { ...record, outcome: "client_disconnect" as const };
    expect(figures(interpret(left))).toEqual({
      source: "estimated",
      inputText: 20,
      outputText: 60,
    });
  });

  test("nothing is learned of text that was said many times", () => {
    const events = [event(10, "null"), event(40, "null"), event(80, "stop")];
    const learned = (record: SettlementRecord): number => {
      let bytes = 0;
      const ratios: Ratios = createRatios();
      const observe: Ratios["observe"] = (model, inputBytes, inputTokens, outputBytes, output) => {
        bytes += outputBytes;
        return ratios.observe(model, inputBytes, inputTokens, outputBytes, output);
      };
      const metrics = { countLearned: () => undefined };
      learnRatios({ ...ratios, observe, get: ratios.get }, metrics, record, interpret(record));
      return bytes;
    };
    expect(learned(streamed(events, given))).toBe(0);
    expect(learned(whole(event(80, "stop"), { ...given }))).toBe(320);
  });
});
