import { describe, expect, test } from "vitest";
import type { Window } from "../../../limitador-bridge/ledger/window.ts";
import type { Bench } from "../contract.ts";
import { claim, reservation, settlement, startMs } from "./fixture.ts";

const sliding: Window = { kind: "sliding", lengthMs: 60_000 };

export function windowContract(bench: Bench): void {
  describe("windows", () => {
    test("a fixed window begins at the first hit and not at the second", async () => {
      const { store, clock } = bench;
      await store.reserve(reservation("a", [claim({ reserve: 100 })]));
      clock.advance(59_999);
      const denied = await store.reserve(reservation("b", [claim({ reserve: 1 })]));
      expect(denied).toMatchObject({
        admitted: false,
        violated: [{ resetsAtMs: startMs + 60_000 }],
      });
      clock.advance(1);
      const next = await store.reserve(reservation("c", [claim({ reserve: 100 })]));
      expect(next).toMatchObject({
        admitted: true,
        counters: [{ used: 0, held: 100, resetsAtMs: startMs + 120_000 }],
      });
    });

    test("a counter whose window is over is not shown", async () => {
      const { store, clock } = bench;
      await store.settle([settlement("a", 10, [claim()])]);
      clock.advance(59_999);
      expect(await store.counters("", 10)).toMatchObject([{ used: 10 }]);
      clock.advance(1);
      expect(await store.counters("", 10)).toEqual([]);
      await store.expire();
      expect(await store.counters("", 10)).toEqual([]);
    });

    test("a sliding window weights the last bucket, rounded up", async () => {
      const { store, clock } = bench;
      const slid = (reserve: number) => claim({ window: sliding, reserve });
      await store.settle([settlement("a", 90, [slid(0)])]);
      clock.advance(60_000);
      // All of the last bucket is in view.
      expect(await store.reserve(reservation("b", [slid(11)]))).toMatchObject({ admitted: false });
      clock.advance(20_001);
      // 90 × 39,999 / 60,000 = 59.9985
      expect(await store.reserve(reservation("c", [slid(41)]))).toMatchObject({
        admitted: false,
        violated: [{ used: 60, held: 0, remaining: 40, resetsAtMs: startMs + 120_000 }],
      });
      expect(await store.reserve(reservation("d", [slid(40)]))).toMatchObject({
        admitted: true,
        counters: [{ used: 60, held: 40, remaining: 0 }],
      });
    });

    test("a hold of the last bucket is settled there, and weighted", async () => {
      const { store, clock } = bench;
      const slid = claim({ window: sliding, reserve: 50 });
      await store.reserve(reservation("a", [slid]));
      clock.advance(90_000);
      expect(await store.counters("", 10)).toMatchObject([{ used: 0, held: 25 }]);
      await store.reserve(reservation("b", [claim({ window: sliding, reserve: 1 })]));
      const late = await store.settle([settlement("a", 81)]);
      expect(late).toMatchObject([{ counters: [{ used: 41, held: 1, remaining: 58 }] }]);
    });

    test("a hold from before the last bucket changes nothing", async () => {
      const { store, clock } = bench;
      await store.reserve(reservation("a", [claim({ window: sliding, reserve: 50 })]));
      clock.advance(60_000);
      await store.reserve(reservation("b", [claim({ window: sliding, reserve: 1 })]));
      clock.advance(60_000);
      await store.reserve(reservation("c", [claim({ window: sliding, reserve: 2 })]));
      await store.settle([settlement("a", 90)]);
      expect(await store.counters("", 10)).toMatchObject([{ used: 0, held: 3 }]);
    });

    test("a sliding window is empty after two lengths", async () => {
      const { store, clock } = bench;
      await store.settle([settlement("a", 90, [claim({ window: sliding })])]);
      clock.advance(119_999);
      expect(await store.counters("", 10)).toMatchObject([{ used: 1 }]);
      clock.advance(1);
      expect(await store.counters("", 10)).toEqual([]);
    });

    test("a sliding weight is exact at 2^53 - 1", async () => {
      const { store, clock } = bench;
      const max = Number.MAX_SAFE_INTEGER;
      const wide = claim({ window: sliding, limit: max });
      await store.settle([settlement("a", max, [wide])]);
      clock.advance(60_001);
      // (2^53 - 1) × 59,999 / 60,000 = 9,007,049,134,753,411.98
      expect(await store.counters("", 10)).toMatchObject([{ used: 9_007_049_134_753_412 }]);
    });

    test.each([
      ["hour", "Asia/Kolkata", "2027-01-04T08:30:00Z"],
      ["day", "UTC", "2027-01-05T00:00:00Z"],
      ["day", "America/New_York", "2027-01-04T05:00:00Z", "2027-01-05T05:00:00Z"],
      ["week", "Europe/Berlin", "2027-01-10T23:00:00Z"],
      ["month", "Asia/Tokyo", "2027-01-31T15:00:00Z"],
    ] as const)(
      "a calendar %s in %s ends on the local clock",
      async (period, timeZone, ...ends) => {
        const { store, clock } = bench;
        const endMs = Date.parse(ends.at(-1) as string);
        const window: Window = { kind: "calendar", period, timeZone };
        const result = await store.settle([settlement("a", 60, [claim({ window })])]);
        expect(result).toMatchObject([{ counters: [{ used: 60, resetsAtMs: endMs }] }]);
        clock.timeMs = endMs - 1;
        const before = await store.reserve(reservation("b", [claim({ window, reserve: 41 })]));
        expect(before).toMatchObject({ admitted: false, violated: [{ used: 60 }] });
        clock.timeMs = endMs;
        const after = await store.reserve(reservation("c", [claim({ window, reserve: 100 })]));
        expect(after).toMatchObject({ admitted: true, counters: [{ used: 0, held: 100 }] });
      },
    );

    test("several windows are decided together", async () => {
      const { store, clock } = bench;
      const minute = claim({ key: "m", limit: 10, reserve: 6 });
      const day: Window = { kind: "calendar", period: "day", timeZone: "UTC" };
      const daily = claim({ key: "d", limit: 15, reserve: 6, window: day });
      await store.reserve(reservation("a", [minute, daily]));
      const second = await store.reserve(reservation("b", [minute, daily]));
      expect(second).toMatchObject({ admitted: false, violated: [{ key: "m" }] });
      clock.advance(60_000);
      const third = await store.reserve(reservation("c", [minute, daily]));
      expect(third).toMatchObject({ admitted: true, counters: [{ held: 6 }, { held: 12 }] });
      clock.advance(60_000);
      const fourth = await store.reserve(reservation("d", [minute, daily]));
      expect(fourth).toMatchObject({ admitted: false, violated: [{ key: "d" }] });
    });
  });
}
