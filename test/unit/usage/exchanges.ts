/** Short ways to make exchanges, as the filter would report them. */
import type { SettlementRecord } from "../../../limitador-bridge/contract/filter.ts";
import { createRatios } from "../../../limitador-bridge/estimate/ratios.ts";
import { interpretUsage } from "../../../limitador-bridge/usage/interpret.ts";
import type { TokenCounts, Usage } from "../../../limitador-bridge/usage/normal-form.ts";
import { referenceCapture } from "../../corpus/reference-capture.ts";

export const CHAT = "/v1/chat/completions";
export const MESSAGES = "/v1/messages";
export const RESPONSES = "/v1/responses";

export interface Given {
  path?: string;
  method?: string;
  status?: number;
  request?: unknown;
  headers?: Record<string, string>;
  outcome?: SettlementRecord["outcome"];
}

/** The settlement of a whole JSON answer. */
export function whole(body: unknown, given: Given = {}): SettlementRecord {
  return record(JSON.stringify(body), "application/json", given);
}

/** The settlement of an SSE answer with these events; a string is sent as it is. */
export function streamed(events: unknown[], given: Given = {}): SettlementRecord {
  const data = events.map((event) => (typeof event === "string" ? event : JSON.stringify(event)));
  return record(data.map((each) => `data: ${each}\n\n`).join(""), "text/event-stream", given);
}

/** The settlement of any body. */
export function record(body: string, contentType: string, given: Given): SettlementRecord {
  const { path = CHAT, method = "POST", status = 200, request, headers, outcome } = given;
  return referenceCapture(
    {
      request: { method, path, body: request ?? { model: "asked-model", messages: [] } },
      response: { status, headers: { "content-type": contentType, ...headers }, body },
    },
    outcome,
  );
}

/** What a fresh interpreter makes of it. */
export function interpret(settlement: SettlementRecord): Usage {
  return interpretUsage(settlement, createRatios());
}

/** Source, and only the kinds above zero. */
export function figures(usage: Usage): Record<string, unknown> {
  return { source: usage.source, ...aboveZero(usage.tokens) };
}

export function aboveZero(tokens: TokenCounts): Record<string, number> {
  return Object.fromEntries(Object.entries(tokens).filter(([, count]) => count !== 0));
}
