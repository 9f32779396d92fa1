import { expect, test } from "vitest";
import type { UsageRecord } from "../../../limitador-bridge/contract/usage-record.ts";
import { chargedAmounts } from "../../../limitador-bridge/settlement/usage-record.ts";
import { interpret, record } from "../usage/exchanges.ts";

const NOTHING = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, reasoning: 0, total: 0 };

function recordWith(changes: Partial<UsageRecord>): UsageRecord {
  return { tokens: NOTHING, costNanoUsd: 0, ...changes } as UsageRecord;
}

test("what ran is one request, also where it cost nothing", () => {
  const tokens = { ...NOTHING, input: 10, output: 20, total: 30 };
  const ran = { total: 30, input: 10, output: 20, requests: 1, usd: 7 };
  expect(chargedAmounts(recordWith({ tokens, costNanoUsd: 7 }))).toEqual(ran);
  const failed = { total: 0, input: 0, output: 0, requests: 1, usd: 0 };
  expect(chargedAmounts(recordWith({ reason: "error_status" }))).toEqual(failed);
});

test("what was asked for and never let go is no request", () => {
  const { reason } = interpret({ ...record("", "text/plain", { status: 503 }), forwarded: false });
  const charged = { total: 0, input: 0, output: 0, requests: 0, usd: 0 };
  expect(chargedAmounts(recordWith({ reason: reason as string }))).toEqual(charged);
});
