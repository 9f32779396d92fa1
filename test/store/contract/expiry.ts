import { describe, expect, test } from "vitest";
import type { Bench } from "../contract.ts";
import { claim, expiryRecordOf, record, recordIds, reservation, settlement } from "./fixture.ts";

export function expiryContract(bench: Bench): void {
  describe("expiry", () => {
    test("a hold ends at its time, charges onExpiry and leaves its record", async () => {
      const { store, clock } = bench;
      await store.reserve(reservation("a", [claim({ reserve: 60, onExpiry: 25 })]));
      clock.advance(29_999);
      expect(await store.expire()).toEqual([]);
      expect(await store.counters("", 10)).toMatchObject([{ used: 0, held: 60 }]);
      clock.advance(1);
      expect(await store.expire()).toEqual(["a"]);
      expect(await store.counters("", 10)).toMatchObject([{ used: 25, held: 0 }]);
      expect((await store.records({ limit: 10 })).records).toEqual([expiryRecordOf("a")]);
      expect(await store.expire()).toEqual([]);
    });

    test("the oldest ends first", async () => {
      const { store, clock } = bench;
      await store.reserve(reservation("late", [claim()], { holdMs: 3_000 }));
      await store.reserve(reservation("early", [claim()], { holdMs: 1_000 }));
      await store.reserve(reservation("later", [claim()], { holdMs: 9_000 }));
      clock.advance(4_000);
      expect(await store.expire()).toEqual(["early", "late"]);
    });

    test("more than end in one step all end, once", async () => {
      const { store, clock } = bench;
      const ids = Array.from({ length: 1_200 }, (_, index) => `h${index}`);
      const claims = [claim({ limit: 100_000, reserve: 10, onExpiry: 4 })];
      await Promise.all(ids.map((id) => store.reserve(reservation(id, claims))));
      clock.advance(30_000);
      expect((await store.expire()).sort()).toEqual(ids.sort());
      expect(await store.counters("", 10)).toMatchObject([{ used: 4_800, held: 0 }]);
      expect(await store.expire()).toEqual([]);
      expect(await recordIds(store)).toHaveLength(1_200);
    });

    test("a settlement before expire() ran is a settlement like any other", async () => {
      const { store, clock } = bench;
      await store.reserve(reservation("a", [claim({ reserve: 60, onExpiry: 25 })]));
      clock.advance(40_000);
      await store.settle([settlement("a", 10)]);
      expect(await store.expire()).toEqual([]);
      expect(await store.counters("", 10)).toMatchObject([{ used: 10, held: 0 }]);
    });

    test.each([
      [10, 10],
      [70, 70],
    ])("a late settlement of %i replaces the charge of the expiry", async (spent, used) => {
      const { store, clock } = bench;
      await store.reserve(reservation("a", [claim({ reserve: 60, onExpiry: 25 })]));
      clock.advance(30_000);
      await store.expire();
      const late = await store.settle([settlement("a", spent, [claim()])]);
      expect(late).toMatchObject([{ duplicate: false, counters: [{ used, held: 0 }] }]);
      expect((await store.records({ limit: 10 })).records).toEqual([record("a")]);
      const again = await store.settle([settlement("a", spent, [claim()])]);
      expect(again).toMatchObject([{ duplicate: true, counters: [{ used }] }]);
    });

    test("the late record replaces the other also where time and request id differ", async () => {
      const { store, clock } = bench;
      await store.reserve(reservation("a", [claim({ reserve: 60 })]));
      clock.advance(30_000);
      await store.expire();
      const time = new Date(clock.timeMs - 35_000).toISOString();
      await store.settle([settlement("a", 1, [], { time, requestId: "other" })]);
      expect(await recordIds(store)).toEqual(["a"]);
      expect(await recordIds(store, { requestId: "other" })).toEqual(["a"]);
      expect(await recordIds(store, { requestId: "request-of-a" })).toEqual([]);
    });

    test("an expiry after the window's end charges nothing in the next one", async () => {
      const { store, clock } = bench;
      const long = { holdMs: 90_000 };
      await store.reserve(reservation("a", [claim({ reserve: 60, onExpiry: 25 })], long));
      clock.advance(61_000);
      await store.reserve(reservation("b", [claim({ reserve: 1 })], long));
      clock.advance(30_000);
      expect(await store.expire()).toEqual(["a"]);
      expect(await store.counters("", 10)).toMatchObject([{ used: 0, held: 1 }]);
      await store.settle([settlement("a", 10, [claim()])]);
      expect(await store.counters("", 10)).toMatchObject([{ used: 0, held: 1 }]);
    });

    test("an expired id cannot be reserved again", async () => {
      const { store, clock } = bench;
      const request = reservation("a", [claim({ reserve: 60, onExpiry: 25 })]);
      await store.reserve(request);
      clock.advance(30_000);
      await store.expire();
      expect(await store.reserve(request)).toMatchObject({
        admitted: true,
        counters: [{ used: 25, held: 0 }],
      });
    });

    test("a release after expiry has no effect", async () => {
      const { store, clock } = bench;
      await store.reserve(reservation("a", [claim({ reserve: 60, onExpiry: 25 })]));
      clock.advance(30_000);
      await store.expire();
      await store.release("a");
      expect(await store.counters("", 10)).toMatchObject([{ used: 25, held: 0 }]);
    });
  });
}
