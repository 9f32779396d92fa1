import { expect, test } from "vitest";
import { affordableParts, validFor } from "../../../limitador-bridge/lease/lease-claims.ts";
import type { CounterView } from "../../../limitador-bridge/ledger/store/store.ts";
import { claim } from "../../store/contract/fixture.ts";

const view = (change: Partial<CounterView>): CounterView => ({
  key: "k",
  unit: "total",
  window: claim().window,
  limit: 64_000,
  used: 0,
  held: 0,
  remaining: 64_000,
  resetsAtMs: 1_000,
  ...change,
});
const limit = (change: Parameters<typeof claim>[0] = {}) =>
  claim({ key: "k", limit: 64_000, reserve: 10, ...change });

test("a lease takes 1/64 of what is left on the tightest limit", () => {
  expect(affordableParts([limit()], [view({})], 8_192)).toBe(100);
  expect(affordableParts([limit()], [view({ used: 6_400, held: 6_400 })], 8_192)).toBe(80);
  expect(affordableParts([limit()], [view({})], 50)).toBe(50);
  const other = limit({ key: "b", reserve: 100 });
  expect(affordableParts([limit(), other], [view({}), view({ key: "b" })], 8_192)).toBe(10);
});

test("fewer than eight parts are none", () => {
  expect(affordableParts([limit({ reserve: 125 })], [view({})], 100)).toBe(8);
  expect(affordableParts([limit({ reserve: 126 })], [view({})], 100)).toBe(0);
});

test("a threshold is an end, too; what the lease itself holds is not counted against it", () => {
  expect(affordableParts([limit({ below: 12_800 })], [view({})], 8_192)).toBe(20);
  const held = view({ held: 20 * 10 });
  expect(affordableParts([limit({ below: 12_800 })], [held], 20, 20)).toBe(20);
});

test("a limit in shadow bounds nothing, one whose counter is not told everything", () => {
  expect(affordableParts([limit({ enforced: false })], [view({ used: 64_000 })], 16)).toBe(16);
  expect(affordableParts([limit()], [view({ key: "other" })], 16)).toBe(0);
});

test("it is valid to the end of its own windows", () => {
  const views = [view({ resetsAtMs: 1_500 }), view({ key: "other", resetsAtMs: 900 })];
  expect(validFor([limit()], views, 2_000, 800)).toBe(700);
  expect(validFor([limit()], views, 500, 800)).toBe(500);
});
