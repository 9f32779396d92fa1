import { expect, test } from "vitest";
import { usageRecord } from "../../../limitador-bridge/settlement/usage-record.ts";
import { interpret, MESSAGES, whole } from "../usage/exchanges.ts";

const usage = { input_tokens: 10, output_tokens: 5, server_tool_use: { web_search_requests: 3 } };
const answer = { type: "message", model: "m", content: [], stop_reason: "end_turn", usage };
const settled = whole(answer, { path: MESSAGES });
const exchange = {
  id: "a",
  timeMs: 0,
  requestId: null,
  llm: settled.llm,
  modelSent: null,
  payer: { team: null, app: null, user: null, task: null },
  outcome: "ok" as const,
  status: 200,
};

test.each([
  [undefined, true],
  [[], true],
  [["web_search_requests"], false],
])(
  "of units without a price (%j) a record says whether its cost is whole: %s",
  (unpriced, priced) => {
    const cost = { costNanoUsd: 7, priced: true, ...(unpriced === undefined ? {} : { unpriced }) };
    expect(usageRecord(exchange, interpret(settled), cost, 0)).toMatchObject({
      costNanoUsd: 7,
      priced,
      otherUnits: { web_search_requests: 3 },
    });
  },
);
