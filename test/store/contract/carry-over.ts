import { describe, expect, test } from "vitest";
import type { LimitClaim } from "../../../limitador-bridge/ledger/store/store.ts";
import type { Bench } from "../contract.ts";
import { claim, reservation, settlement } from "./fixture.ts";

const dayMs = 86_400_000;
const day = { kind: "calendar", period: "day", timeZone: "UTC" } as const;

/** A claim on a day's limit of which so many percent are carried over. */
function daily(percent: number, over: Partial<LimitClaim> = {}): LimitClaim {
  return claim({ window: { ...day, carryOver: { percent } }, ...over });
}

export function carryOverContract(bench: Bench): void {
  const spend = (id: string, used: number, one: LimitClaim) =>
    bench.store.settle([settlement(id, used, [one])]);

  describe("carry-over", () => {
    test.each([
      [100, 40, 160],
      [50, 40, 130],
      [33, 41, 119],
      [50, 100, 100],
      [50, 150, 100],
    ])("%i % of the limit with %i of 100 used: %i the next day", async (percent, used, limit) => {
      const { store, clock } = bench;
      await spend("a", used, daily(percent));
      expect(await store.counters("", 10)).toMatchObject([{ limit: 100, used }]);
      clock.advance(dayMs);
      const [view] = await store.counters("", 10);
      expect(view).toMatchObject({ limit, used: 0, remaining: limit });
      expect(view?.carriedOver ?? 0).toBe(limit - 100);
      const over = daily(percent, { reserve: limit + 1 });
      expect(await store.reserve(reservation("b", [over]))).toMatchObject({
        admitted: false,
        violated: [{ limit, used: 0, held: 0, remaining: limit }],
      });
      expect(
        await store.reserve(reservation("c", [daily(percent, { reserve: limit })])),
      ).toMatchObject({ admitted: true, counters: [{ limit, held: limit, remaining: 0 }] });
      expect(await store.settle([settlement("c", 1)])).toMatchObject([
        { counters: [{ limit, used: 1, remaining: limit - 1 }] },
      ]);
      expect(await store.counters("", 10)).toMatchObject([{ limit, used: 1 }]);
    });

    test("what was carried over is not carried on", async () => {
      const { store, clock } = bench;
      await spend("a", 0, daily(100));
      clock.advance(dayMs);
      expect(await spend("b", 70, daily(100))).toMatchObject([{ counters: [{ limit: 200 }] }]);
      clock.advance(dayMs);
      expect(await store.counters("", 10)).toMatchObject([{ limit: 130 }]);
      expect(await spend("c", 0, daily(100))).toMatchObject([{ counters: [{ limit: 130 }] }]);
    });

    test("a counter that is new, or counted nothing for a period, has nothing", async () => {
      const { store, clock } = bench;
      expect(await spend("a", 10, daily(50))).toMatchObject([{ counters: [{ limit: 100 }] }]);
      clock.advance(2 * dayMs);
      expect(await store.counters("", 10)).toEqual([]);
      expect(await spend("b", 10, daily(50))).toMatchObject([{ counters: [{ limit: 100 }] }]);
    });

    test("it is kept where expire() ran in between", async () => {
      const { store, clock } = bench;
      await spend("a", 40, daily(50));
      clock.advance(dayMs);
      await store.expire();
      clock.advance(dayMs / 2);
      await store.expire();
      expect(await store.counters("", 10)).toMatchObject([{ limit: 130, used: 0 }]);
      expect(await spend("b", 1, daily(50))).toMatchObject([{ counters: [{ limit: 130 }] }]);
    });

    test("a hold of the last period counts as used until it is settled", async () => {
      const { store, clock } = bench;
      const long = { holdMs: 2 * dayMs };
      await spend("used", 10, daily(50));
      await store.reserve(reservation("a", [daily(50, { reserve: 60 })], long));
      clock.advance(dayMs);
      const next = await store.reserve(reservation("b", [daily(50, { reserve: 1 })], long));
      expect(next).toMatchObject({ counters: [{ limit: 115, used: 0, held: 1 }] });
      await store.settle([settlement("a", 20)]);
      expect(await store.counters("", 10)).toMatchObject([{ limit: 135, used: 0, held: 1 }]);
    });

    test("it is of the last period's limit, on top of this period's", async () => {
      const { store, clock } = bench;
      await spend("a", 40, daily(50));
      clock.advance(dayMs);
      const raised = daily(50, { limit: 1_000, reserve: 1 });
      expect(await store.reserve(reservation("b", [raised]))).toMatchObject({
        counters: [{ limit: 1_030 }],
      });
    });

    test("a policy edit turns it on from the next period, and off at once", async () => {
      const { store, clock } = bench;
      await spend("a", 40, claim({ window: day }));
      await spend("b", 0, daily(50));
      expect(await store.counters("", 10)).toMatchObject([{ limit: 100, used: 40 }]);
      clock.advance(dayMs);
      expect(await spend("c", 5, daily(50))).toMatchObject([{ counters: [{ limit: 130 }] }]);
      expect(await spend("d", 5, daily(10))).toMatchObject([{ counters: [{ limit: 106 }] }]);
      expect(await spend("e", 5, claim({ window: day }))).toMatchObject([
        { counters: [{ limit: 100, used: 15 }] },
      ]);
      // Two services need not learn of the edit at one time.
      expect(await spend("again", 5, daily(50))).toMatchObject([{ counters: [{ limit: 130 }] }]);
      await spend("off", 5, claim({ window: day }));
      clock.advance(dayMs);
      expect(await spend("f", 5, daily(50))).toMatchObject([
        { counters: [{ limit: 100, used: 5 }] },
      ]);
    });

    test("terms are of the limit with what was carried over", async () => {
      const { store, clock } = bench;
      await spend("a", 40, daily(50));
      clock.advance(dayMs);
      await spend("b", 129, daily(50));
      const fits = async (id: string, over: Partial<LimitClaim>) =>
        (await store.reserve(reservation(id, [daily(50, over)]))).admitted;
      expect(await fits("c", { reserve: 7, allowance: 5 })).toBe(false);
      expect(await fits("d", { reserve: 6, allowance: 5 })).toBe(true);
      expect(await fits("e", { allowance: 5 })).toBe(false);
    });

    test("is exact at 2^53 - 1, and never wraps", async () => {
      const { clock } = bench;
      const max = Number.MAX_SAFE_INTEGER;
      const half = 4_503_599_627_370_495;
      await spend("a", 1, daily(99, { limit: half }));
      clock.advance(dayMs);
      // (half − 1) × 99 / 100 = 4,458,563,631,096,789.06
      expect(await spend("b", 0, daily(99, { limit: 1 }))).toMatchObject([
        { counters: [{ limit: 4_458_563_631_096_790 }] },
      ]);
      expect(await spend("c", 0, daily(99, { limit: max }))).toMatchObject([
        { counters: [{ limit: max }] },
      ]);
    });

    test("over a month's end in a time zone with daylight saving", async () => {
      const { store, clock } = bench;
      const window = {
        ...({ kind: "calendar", period: "month", timeZone: "Europe/Berlin" } as const),
        carryOver: { percent: 25 },
      } as const;
      clock.timeMs = Date.parse("2027-03-31T21:59:59.999Z");
      await spend("a", 20, claim({ window }));
      clock.advance(1);
      expect(await store.counters("", 10)).toMatchObject([
        { limit: 120, used: 0, resetsAtMs: Date.parse("2027-04-30T22:00:00Z") },
      ]);
      clock.timeMs = Date.parse("2027-04-30T21:59:59.999Z");
      await store.expire();
      expect(await spend("b", 5, claim({ window }))).toMatchObject([
        { counters: [{ limit: 120 }] },
      ]);
    });
  });
}
