import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  assertWindow,
  carryPercent,
  maxWindowMs,
  parseWindowTag,
  percentOf,
  slidingShare,
  slidingTimeLeft,
  type Window,
  windowAt,
  windowTag,
  withCarryOver,
} from "../../../limitador-bridge/ledger/window.ts";

const amount = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });

describe("windowAt", () => {
  test("a fixed window begins at the hit", () => {
    const bounds = windowAt({ kind: "fixed", lengthMs: 500 }, 1234);
    expect(bounds).toEqual({ startMs: 1234, endMs: 1734 });
  });

  test("a sliding bucket begins at a multiple of its length", () => {
    const bounds = windowAt({ kind: "sliding", lengthMs: 500 }, 1234);
    expect(bounds).toEqual({ startMs: 1000, endMs: 1500 });
  });
});

describe("windowTag", () => {
  test.each<[string, Window]>([
    ["fixed:60000", { kind: "fixed", lengthMs: 60_000 }],
    ["sliding:1", { kind: "sliding", lengthMs: 1 }],
    ["calendar:week:Etc/GMT+5", { kind: "calendar", period: "week", timeZone: "Etc/GMT+5" }],
  ])("%s and back", (tag, window) => {
    expect(windowTag(window)).toBe(tag);
    expect(parseWindowTag(tag)).toEqual(window);
  });

  test.each(["", "fixed", "fixed:1.5", "fixed:1:2", "rolling:5", "calendar:year:UTC"])(
    "%j is none",
    (tag) => {
      expect(() => parseWindowTag(tag)).toThrow(/^(window|unknown)/);
    },
  );
});

test("windows are at most 1096 days long", () => {
  expect(() => assertWindow({ kind: "fixed", lengthMs: maxWindowMs })).not.toThrow();
  expect(() => assertWindow({ kind: "fixed", lengthMs: maxWindowMs + 1 })).toThrow(
    "window lengthMs 94694400001: expected an integer from 1 to 94694400000",
  );
});

describe("carry-over", () => {
  const month = { kind: "calendar", period: "month", timeZone: "UTC" } as const;

  test("is no part of the tag", () => {
    expect(windowTag({ ...month, carryOver: { percent: 50 } })).toBe("calendar:month:UTC");
  });

  test("is taken on and off, by calendar windows alone", () => {
    const carrying = withCarryOver(month, 25);
    expect(carrying).toEqual({ ...month, carryOver: { percent: 25 } });
    expect([carryPercent(carrying), carryPercent(month)]).toEqual([25, 0]);
    expect(withCarryOver(carrying, 0)).toEqual(month);
    const fixed: Window = { kind: "fixed", lengthMs: 1 };
    expect(withCarryOver(fixed, 25)).toBe(fixed);
  });

  test.each([0, 101, 1.5, -1, Number.NaN])("of %d percent is refused", (percent) => {
    expect(() => assertWindow({ ...month, carryOver: { percent } })).toThrow(
      `window carryOver percent ${percent}: expected an integer from 1 to 100`,
    );
  });

  test("percentOf is exact and rounded down", () => {
    fc.assert(
      fc.property(amount, fc.integer({ min: 1, max: 100 }), (total, percent) => {
        const exact = (BigInt(total) * BigInt(percent)) / 100n;
        expect(BigInt(percentOf(total, percent))).toBe(exact);
      }),
    );
  });
});

describe("slidingShare", () => {
  test.each([
    [100, 60_000, 60_000, 100],
    [100, 1, 60_000, 1],
    [0, 60_000, 60_000, 0],
    [90, 39_999, 60_000, 60],
    [90, 40_000, 60_000, 60],
    [Number.MAX_SAFE_INTEGER, 59_999, 60_000, 9_007_049_134_753_412],
  ])("of %i, %i of %i ms left: %i", (total, left, length, share) => {
    expect(slidingShare(total, left, length)).toBe(share);
  });

  test("is exact and rounded up for windows up to 26 hours", () => {
    const lengths = fc.integer({ min: 1, max: 94_906_265 });
    fc.assert(
      fc.property(amount, lengths, fc.nat(), (total, length, seed) => {
        const left = 1 + (seed % length);
        const exact = (BigInt(total) * BigInt(left) + BigInt(length) - 1n) / BigInt(length);
        expect(BigInt(slidingShare(total, left, length))).toBe(exact);
      }),
    );
  });

  test("never counts too little, nor a second's share too much, for longer windows", () => {
    const lengths = fc.integer({ min: 94_906_266, max: maxWindowMs });
    fc.assert(
      fc.property(
        amount,
        lengths,
        fc.double({ min: 0, max: 1, noNaN: true }),
        (total, length, part) => {
          const left = Math.max(1, Math.floor(length * part));
          const share = BigInt(slidingShare(total, left, length));
          expect(share * BigInt(length)).toBeGreaterThanOrEqual(BigInt(total) * BigInt(left));
          const wider = BigInt(total) * BigInt(left + 2000);
          expect((share - 1n) * BigInt(length)).toBeLessThanOrEqual(wider);
          expect(share).toBeLessThanOrEqual(BigInt(total));
        },
      ),
    );
  });
});

test("slidingTimeLeft is when the share fits the room, and not before", () => {
  const rooms = fc.integer({ min: 0, max: 1_000_000 });
  fc.assert(
    fc.property(rooms, rooms, fc.integer({ min: 2, max: 90_000_000 }), (total, room, length) => {
      const left = slidingTimeLeft(total, room, length);
      if (left > 0) expect(slidingShare(total, left, length)).toBeLessThanOrEqual(room);
      if (left < length) expect(slidingShare(total, left + 1, length)).toBeGreaterThan(room);
    }),
  );
});
