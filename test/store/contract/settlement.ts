import { describe, expect, test } from "vitest";
import type { Bench } from "../contract.ts";
import { amounts, claim, recordIds, reservation, settlement, startMs } from "./fixture.ts";

export function settlementContract(bench: Bench): void {
  describe("settlement", () => {
    test("the hold is replaced by the truth, less or more, and debt is carried", async () => {
      const { store } = bench;
      await store.reserve(reservation("a", [claim({ reserve: 60 })]));
      await store.reserve(reservation("b", [claim({ reserve: 40 })]));
      const less = await store.settle([settlement("a", 10)]);
      expect(less).toMatchObject([
        { id: "a", duplicate: false, counters: [{ used: 10, held: 40, remaining: 50 }] },
      ]);
      const more = await store.settle([settlement("b", 95)]);
      expect(more).toMatchObject([{ counters: [{ used: 105, held: 0, remaining: 0 }] }]);
      expect(await store.reserve(reservation("c", [claim()]))).toMatchObject({ admitted: false });
    });

    test("each claim is charged in its own unit", async () => {
      const { store } = bench;
      const units = ["total", "input", "output", "requests", "usd"] as const;
      const claims = units.map((unit) => claim({ key: unit, unit, limit: 9_000_000 }));
      await store.reserve(reservation("a", claims));
      const spent = { total: 30, input: 10, output: 20, requests: 1, usd: 4_500_000 };
      const [result] = await store.settle([settlement("a", spent)]);
      const used = Object.fromEntries(result?.counters.map((c) => [c.key, c.used]) ?? []);
      expect(used).toEqual(spent);
    });

    test("an id counts once, in one call or in several", async () => {
      const { store } = bench;
      await store.reserve(reservation("a", [claim({ reserve: 60 })]));
      const once = settlement("a", 10, [claim()]);
      const both = await store.settle([once, once]);
      expect(both.map(({ duplicate }) => duplicate)).toEqual([false, true]);
      const again = await store.settle([settlement("a", 99, [claim()])]);
      expect(again).toMatchObject([{ id: "a", duplicate: true, counters: [{ used: 10 }] }]);
      expect(await recordIds(store)).toEqual(["a"]);
    });

    test("an id is remembered for 24 hours", async () => {
      const { store, clock } = bench;
      const month = { kind: "calendar", period: "month", timeZone: "UTC" } as const;
      const monthly = claim({ window: month });
      await store.settle([settlement("a", 10, [monthly])]);
      clock.advance(24 * 3_600_000);
      await store.expire();
      const again = await store.settle([settlement("a", 10, [monthly])]);
      expect(again).toMatchObject([{ duplicate: true, counters: [{ used: 10 }] }]);
    });

    test("with no known reservation the claims are charged in the current windows", async () => {
      const { store, clock } = bench;
      await store.reserve(reservation("a", [claim({ reserve: 5 })]));
      clock.advance(1_000);
      const claims = [claim(), claim({ key: "other", limit: 3 })];
      const result = await store.settle([settlement("unknown", 50, claims)]);
      expect(result).toMatchObject([
        {
          duplicate: false,
          counters: [
            { used: 50, held: 5, remaining: 45, resetsAtMs: startMs + 60_000 },
            { key: "other", used: 50, remaining: 0, resetsAtMs: startMs + 61_000 },
          ],
        },
      ]);
      expect(await recordIds(store)).toEqual(["unknown"]);
    });

    test("the hold's claims are charged, whatever the settlement names", async () => {
      const { store } = bench;
      await store.reserve(reservation("a", [claim({ reserve: 5 })]));
      await store.settle([settlement("a", 9, [claim({ key: "other" })])]);
      expect(await store.counters("", 10)).toMatchObject([{ used: 9, held: 0 }]);
    });

    test("a request that straddles a window's end is charged where it was reserved", async () => {
      const { store, clock } = bench;
      await store.reserve(reservation("a", [claim({ reserve: 60 })]));
      await store.reserve(reservation("b", [claim()]));
      clock.advance(60_000);
      const next = await store.reserve(reservation("c", [claim({ reserve: 100 })]));
      expect(next).toMatchObject({ admitted: true, counters: [{ used: 0, held: 100 }] });
      const late = await store.settle([settlement("a", 80), settlement("b", 80)]);
      expect(late).toMatchObject([
        { counters: [{ used: 0, held: 100 }] },
        { counters: [{ used: 0, held: 100 }] },
      ]);
      expect(await recordIds(store)).toEqual(["b", "a"]);
    });

    test("an explicit zero stays zero", async () => {
      const { store } = bench;
      await store.reserve(reservation("a", [claim({ reserve: 60 })]));
      const result = await store.settle([settlement("a", 0)]);
      expect(result).toMatchObject([{ counters: [{ used: 0, held: 0, remaining: 100 }] }]);
    });

    test("a bad settlement refuses the whole call and changes nothing", async () => {
      const { store } = bench;
      await store.reserve(reservation("a", [claim({ reserve: 60 })]));
      const bad = settlement("b", amounts(1, { usd: -1 }));
      const call = store.settle([settlement("a", 1), bad]);
      await expect(call).rejects.toMatchObject({ code: "invalid_input" });
      expect(await store.counters("", 10)).toMatchObject([{ used: 0, held: 60 }]);
      expect(await recordIds(store)).toEqual([]);
    });

    test("an empty call settles nothing", async () => {
      expect(await bench.store.settle([])).toEqual([]);
    });
  });

  describe("release", () => {
    test("gives the hold back, once, with no record", async () => {
      const { store } = bench;
      await store.reserve(reservation("a", [claim({ reserve: 60 })]));
      await store.reserve(reservation("b", [claim({ reserve: 30 })]));
      await store.release("a");
      await store.release("a");
      expect(await store.counters("", 10)).toMatchObject([{ used: 0, held: 30 }]);
      expect(await recordIds(store)).toEqual([]);
    });

    test("has no effect on an unknown or a settled id", async () => {
      const { store } = bench;
      await store.release("unknown");
      await store.reserve(reservation("a", [claim({ reserve: 60 })]));
      await store.settle([settlement("a", 10)]);
      await store.release("a");
      expect(await store.counters("", 10)).toMatchObject([{ used: 10, held: 0 }]);
    });

    test("a settlement after it is charged to its claims", async () => {
      const { store } = bench;
      await store.reserve(reservation("a", [claim({ reserve: 60 })]));
      await store.release("a");
      const result = await store.settle([settlement("a", 10, [claim()])]);
      expect(result).toMatchObject([{ duplicate: false, counters: [{ used: 10, held: 0 }] }]);
    });

    test("an id can be reserved again after it", async () => {
      const { store } = bench;
      await store.reserve(reservation("a", [claim({ reserve: 60 })]));
      await store.release("a");
      await store.reserve(reservation("a", [claim({ reserve: 10 })]));
      expect(await store.counters("", 10)).toMatchObject([{ used: 0, held: 10 }]);
    });
  });
}
