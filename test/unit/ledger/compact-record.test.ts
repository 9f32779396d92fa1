import { expect, test } from "vitest";
import type { UsageRecord } from "../../../limitador-bridge/contract/usage-record.ts";
import {
  compactRecord,
  readCompactRecord,
} from "../../../limitador-bridge/ledger/store/embedded/compact-record.ts";
import { record } from "../../store/contract/fixture.ts";

const full: Required<UsageRecord> = {
  ...record("full"),
  task: 'a "task"\n',
  tokens: { input: 1, output: 2, cacheRead: 3, cacheWrite: 4, reasoning: 5, total: 2 ** 53 - 1 },
  detail: { inputText: 1 },
  otherUnits: { audio_seconds: 1.5 },
  costNanoUsd: 0,
  priced: false,
  pricedAs: "gpt-4o",
  providerCostNanoUsd: 0,
  source: "estimated",
  outcome: "denied",
  durationMs: 0,
  serviceTier: "flex",
  reason: "budget_exceeded",
};
const nobody: UsageRecord = {
  ...record("nobody"),
  ...{ requestId: null, api: null, provider: null, requestedModel: null, model: null },
  ...{ team: null, app: null, user: null, task: null },
};
const passed = (one: UsageRecord, knownId: string) =>
  readCompactRecord(JSON.parse(JSON.stringify(compactRecord(one, knownId))), knownId);

test.each([full, nobody])("every field of a record comes back, and no other ($id)", (one) => {
  expect(passed(one, one.id)).toEqual(one);
  expect(passed(one, "another")).toEqual(one);
  // What it had not is left off, not told as null.
  expect(Object.keys(passed(one, one.id)).sort()).toEqual(Object.keys(one).sort());
});

test("of a record with a known id the array has none", () => {
  expect(compactRecord(record("a"), "a").slice(0, 3)).toEqual([
    null,
    "2027-01-04T08:00:00.000Z",
    "request-of-a",
  ]);
  expect(compactRecord(record("a"), "b")[0]).toBe("a");
});

test("fields that were not yet written when a row was are left off", () => {
  const early = compactRecord(nobody, nobody.id).slice(0, 17);
  expect(readCompactRecord(["nobody", ...early.slice(1)], "x")).toEqual(nobody);
});

test.each([
  ["too few fields", [null, "2027-01-04T08:00:00.000Z"], "expected the fields of a record"],
  ["other tokens", compactRecord(full, "full").with(11, [1, 2]), "expected the tokens of a record"],
])("%s cannot be read", (_, row, message) => {
  expect(() => readCompactRecord(row as never, "a")).toThrow(new TypeError(message));
});
