/** Usage records that the report tests share. */
import type { UsageRecord } from "../../../limitador-bridge/contract/usage-record.ts";

/** A record of 100 + 20 tokens for 1000 nano-USD on 2026-03-01, but for what is changed. */
export function record(id: string, change: Partial<UsageRecord> = {}): UsageRecord {
  return {
    id,
    time: "2026-03-01T10:00:00.000Z",
    requestId: null,
    api: "openai.chat.completions",
    provider: "openai",
    requestedModel: "gpt-4o",
    model: "gpt-4o",
    team: "blue",
    app: "chat",
    user: "ann",
    task: null,
    tokens: { input: 100, output: 20, cacheRead: 5, cacheWrite: 0, reasoning: 2, total: 120 },
    costNanoUsd: 1000,
    priced: true,
    source: "reported",
    outcome: "ok",
    status: 200,
    ...change,
  };
}

export const NO_TOKENS = {
  input: 0,
  output: 0,
  cacheRead: 0,
  cacheWrite: 0,
  reasoning: 0,
  total: 0,
};
