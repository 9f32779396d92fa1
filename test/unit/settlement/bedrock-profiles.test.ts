/** On Bedrock the inference profile has the price, and only the request names it. */
import { describe, expect, test } from "vitest";
import { createPrices } from "../../../limitador-bridge/admission/price-source.ts";
import { loadPolicyTexts } from "../../../limitador-bridge/policy/load.ts";
import { loadCatalogue } from "../../../limitador-bridge/pricing/catalogue.ts";
import { costOf } from "../../../limitador-bridge/settlement/cost.ts";
import { interpret, whole } from "../usage/exchanges.ts";

const prices = createPrices({
  catalogue: await loadCatalogue(),
  policies: loadPolicyTexts(new Map()),
  prices: null,
});
const ARN = "arn:aws:bedrock:us-east-1:1:";
const usage = { input_tokens: 1000, output_tokens: 0 };
const answer = {
  type: "message",
  role: "assistant",
  model: "claude-sonnet-4-5-20250929",
  content: [],
  stop_reason: "end_turn",
  usage,
};

/** nano-USD of 1000 input tokens by invoke. */
function invoked(model: string): number {
  const path = `/model/${encodeURIComponent(model)}/invoke`;
  const record = {
    ...whole(answer, { path, request: { messages: [] } }),
    timeMs: Date.parse("2026-11-20T12:00:00Z"),
  };
  const cost = costOf(prices, record, interpret(record), { limits: [], budgetModel: null });
  expect(cost.priced).toBe(true);
  return cost.costNanoUsd;
}

describe("Bedrock invoke", () => {
  test.each([
    ["global.anthropic.claude-sonnet-4-5-20250929-v1:0", 3_000_000],
    ["us.anthropic.claude-sonnet-4-5-20250929-v1:0", 3_300_000],
    [`${ARN}inference-profile/global.anthropic.claude-sonnet-4-5-20250929-v1:0`, 3_000_000],
  ])("%s", (model, expected) => expect(invoked(model)).toBe(expected));

  test("a profile of one's own, with no price, costs what the answer's model does", () => {
    const own = `${ARN}application-inference-profile/abc123`;
    expect(invoked(own)).toBe(3_300_000);
  });
});
