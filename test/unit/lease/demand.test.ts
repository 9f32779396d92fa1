import { expect, test } from "vitest";
import { type Ask, LeaseDemand } from "../../../limitador-bridge/lease/demand.ts";

const VALID_MS = 2_000;
const ask = (change: Partial<Ask> = {}): Ask => ({
  key: "k",
  inputBytes: 40,
  maxOutputTokens: null,
  isRenewal: false,
  ...change,
});

/** Asks so often that the next ask is worth a lease. */
function busy(demand: LeaseDemand, nowMs: number, change: Partial<Ask> = {}): void {
  for (let n = 0; n < 7; n += 1) expect(demand.wanted(ask(change), nowMs)).toBeNull();
}

test("eight asks within a second are worth a lease, seven are not", () => {
  const demand = new LeaseDemand(VALID_MS);
  busy(demand, 0);
  expect(demand.wanted(ask({ key: "other" }), 1)).toBeNull();
  expect(demand.wanted(ask(), 1_001)).toBeNull();
  for (let n = 0; n < 6; n += 1) expect(demand.wanted(ask(), 1_500)).toBeNull();
  expect(demand.wanted(ask(), 2_001)).toEqual({
    parts: 16,
    maxInputBytes: 1_024,
    maxOutputTokens: null,
  });
});

test("a lease used up soon is followed by one twice as large, a lasting one by half", () => {
  const demand = new LeaseDemand(VALID_MS);
  busy(demand, 0);
  const parts = (nowMs: number, isRenewal = true) => {
    const wanted = demand.wanted(ask({ isRenewal }), nowMs);
    if (wanted !== null) demand.granted("k", wanted.parts, nowMs);
    return wanted?.parts ?? null;
  };
  expect(parts(10)).toBe(16);
  expect(parts(15)).toBe(32);
  expect(parts(1_100)).toBe(32);
  expect(parts(2_099)).toBe(64);
  expect(parts(4_900)).toBe(32);
  expect(parts(7_900)).toBe(16);
  expect(parts(10_900)).toBe(8);
  // Half of that is not worth it: asks are counted anew.
  expect(parts(13_900)).toBeNull();
});

test("it grows to 8,192 parts and no further", () => {
  const demand = new LeaseDemand(VALID_MS);
  busy(demand, 0);
  let parts = 0;
  for (let nowMs = 0; nowMs < 20; nowMs += 1) {
    parts = demand.wanted(ask({ isRenewal: true }), nowMs)?.parts ?? 0;
    demand.granted("k", parts, nowMs);
  }
  expect(parts).toBe(8_192);
});

test("calls that were under way when the lease was granted get none", () => {
  const demand = new LeaseDemand(VALID_MS);
  busy(demand, 0);
  demand.granted("k", 16, 0);
  expect(demand.wanted(ask(), 19)).toBeNull();
  expect(demand.wanted(ask(), 20)?.parts).toBe(32);
});

test("it is for the largest request seen, bytes rounded up to a power of two", () => {
  const demand = new LeaseDemand(VALID_MS);
  busy(demand, 0, { inputBytes: 4_097, maxOutputTokens: 700 });
  expect(demand.wanted(ask({ maxOutputTokens: 20 }), 0)).toEqual({
    parts: 16,
    maxInputBytes: 8_192,
    maxOutputTokens: 700,
  });
});

test("after a silence it begins anew, with the sizes of now", () => {
  const demand = new LeaseDemand(VALID_MS);
  busy(demand, 0, { inputBytes: 1e6 });
  busy(demand, 5_000);
  expect(demand.wanted(ask(), 5_000)?.maxInputBytes).toBe(1_024);
});

test("one large request makes leases large for the second after its own, and no longer", () => {
  const demand = new LeaseDemand(VALID_MS);
  const large = { inputBytes: 1e6, maxOutputTokens: 32_000 };
  const small = { inputBytes: 3_000, maxOutputTokens: 50 };
  busy(demand, 0, large);
  const bounds = (nowMs: number) => {
    const wanted = demand.wanted(ask({ ...small, isRenewal: true }), nowMs);
    if (wanted !== null) demand.granted("k", wanted.parts, nowMs);
    return [wanted?.maxInputBytes, wanted?.maxOutputTokens];
  };
  expect(bounds(1_000)).toEqual([1_048_576, 32_000]);
  expect(bounds(1_001)).toEqual([1_048_576, 32_000]);
  expect(bounds(2_001)).toEqual([1_048_576, 32_000]);
  expect(bounds(2_002)).toEqual([4_096, 50]);
  // A request within a second of those that asked is counted with them.
  expect(demand.wanted(ask({ ...large, isRenewal: true }), 2_003)?.maxOutputTokens).toBe(32_000);
  expect(bounds(3_003)).toEqual([1_048_576, 32_000]);
  for (const nowMs of [4_004, 5_005, 6_006]) expect(bounds(nowMs)).toEqual([4_096, 50]);
});

test("it remembers 10,000 keys, the oldest go first", () => {
  const demand = new LeaseDemand(VALID_MS);
  busy(demand, 0);
  busy(demand, 0, { key: "late" });
  for (let n = 0; n < 9_999; n += 1) demand.wanted(ask({ key: `key-${n}` }), 0);
  expect(demand.wanted(ask(), 0)).toBeNull();
  expect(demand.wanted(ask({ key: "key-5000" }), 0)).toBeNull();
});
