import { describe, expect, test } from "vitest";
import type { LimitClaim, Settlement } from "../../../limitador-bridge/ledger/store/store.ts";
import type { Bench } from "../contract.ts";
import { claim, record, recordIds, reservation, settlement } from "./fixture.ts";

/** A lease of so many parts; what onExpiry says is not charged. */
const lease = (id: string, claims: LimitClaim[], parts: number, holdMs = 30_000) =>
  reservation(id, claims, { parts, holdMs });

/** Under the lease "L". */
const under = (id: string, spent: number, claims: LimitClaim[] = []): Settlement => ({
  ...settlement(id, spent, claims),
  lease: "L",
});

export function leaseContract(bench: Bench): void {
  const counters = async () =>
    (await bench.store.counters("", 10)).map(({ key, used, held }) => [key, used, held]);
  const key = claim().key;

  describe("leases", () => {
    test("every part is held, and has to fit as a whole", async () => {
      const { store } = bench;
      const ten = [claim({ reserve: 10, onExpiry: 4 })];
      expect(await store.reserve(lease("over", ten, 11))).toMatchObject({
        admitted: false,
        violated: [{ key, used: 0, held: 0, remaining: 100 }],
      });
      expect(await counters()).toEqual([]);
      expect(await store.reserve(lease("L", ten, 9))).toMatchObject({
        admitted: true,
        option: 0,
        counters: [{ used: 0, held: 90, remaining: 10 }],
      });
      expect(await store.reserve(lease("M", ten, 2))).toMatchObject({ admitted: false });
      expect(await store.reserve(lease("N", ten, 1))).toMatchObject({ counters: [{ held: 100 }] });
    });

    test("allowance and below are of the whole, and so are alternatives", async () => {
      const { store } = bench;
      const loose = claim({ reserve: 30, allowance: 20 });
      expect(await store.reserve(lease("a", [loose], 5))).toMatchObject({ admitted: false });
      expect(await store.reserve(lease("b", [loose], 4))).toMatchObject({ admitted: true });
      await store.shrink("b", 0);
      const below = claim({ reserve: 30, below: 60 });
      const request = lease("c", [below], 2);
      const taken = await store.reserve({ ...request, alternatives: [[claim({ reserve: 20 })]] });
      expect(taken).toMatchObject({ admitted: true, option: 1, counters: [{ held: 40 }] });
      expect(await store.reserve(request)).toMatchObject({ option: 0, counters: [{ held: 40 }] });
    });

    test("each settlement takes the place of one part, in all limits", async () => {
      const { store } = bench;
      const claims = [claim({ reserve: 10 }), claim({ key: "usd", unit: "usd", reserve: 7 })];
      await store.reserve(lease("L", claims, 3));
      const amounts = { total: 4, input: 1, output: 3, requests: 1, usd: 9 };
      const first = { ...under("a", 0, claims), amounts };
      expect(await store.settle([first, under("b", 12, claims)])).toMatchObject([
        {
          id: "a",
          duplicate: false,
          counters: [
            { key, used: 4, held: 20 },
            { key: "usd", used: 9, held: 14 },
          ],
        },
        {
          counters: [
            { used: 16, held: 10 },
            { used: 9, held: 7 },
          ],
        },
      ]);
      expect(await store.settle([under("c", 0, claims)])).toMatchObject([
        { counters: [{ used: 16, held: 0 }, { held: 0 }] },
      ]);
      expect((await recordIds(store)).sort()).toEqual(["a", "b", "c"]);
      bench.clock.advance(30_000);
      expect(await store.expire()).toEqual([]);
    });

    test("an id counts once, and takes one part", async () => {
      const { store } = bench;
      await store.reserve(lease("L", [claim({ reserve: 10 })], 5));
      const both = await store.settle([under("a", 3), under("a", 3)]);
      expect(both.map(({ duplicate }) => duplicate)).toEqual([false, true]);
      expect(await store.settle([under("a", 8)])).toMatchObject([{ duplicate: true }]);
      expect(await counters()).toEqual([[key, 3, 40]]);
    });

    test("with no part left, or no such lease, the claims are charged", async () => {
      const { store } = bench;
      await store.reserve(lease("L", [claim({ reserve: 10 })], 1));
      const other = [claim({ key: "other" })];
      await store.settle([under("a", 3, other), under("b", 4, other)]);
      await store.settle([{ ...settlement("c", 5, other), lease: "nobody's" }]);
      expect(await counters()).toEqual([
        [key, 3, 0],
        ["other", 9, 0],
      ]);
    });

    test("a hold is no lease, and an id that is held itself takes no part", async () => {
      const { store } = bench;
      await store.reserve(reservation("hold", [claim({ reserve: 10 })]));
      await store.reserve(lease("L", [claim({ key: "leased", reserve: 5 })], 2));
      const other = [claim({ key: "other" })];
      await store.settle([{ ...settlement("a", 3, other), lease: "hold" }, under("hold", 4)]);
      await store.shrink("hold", 0);
      expect(await counters()).toEqual([
        [key, 4, 0],
        ["leased", 0, 10],
        ["other", 3, 0],
      ]);
    });

    test("a part is charged in the window in which the lease was reserved", async () => {
      const { store, clock } = bench;
      await store.reserve(lease("L", [claim({ reserve: 10 })], 3, 90_000));
      clock.advance(30_000);
      await store.settle([under("a", 4)]);
      expect(await counters()).toEqual([[key, 4, 20]]);
      clock.advance(30_000);
      await store.reserve(reservation("next", [claim({ reserve: 1 })]));
      expect(await store.settle([under("b", 50)])).toMatchObject([
        { duplicate: false, counters: [{ used: 0, held: 1 }] },
      ]);
      expect((await recordIds(store)).sort()).toEqual(["a", "b"]);
    });

    test("in a sliding window the bucket where it was reserved is charged", async () => {
      const { store, clock } = bench;
      const slid = claim({ window: { kind: "sliding", lengthMs: 60_000 }, reserve: 20 });
      await store.reserve(lease("L", [slid], 2, 120_000));
      clock.advance(90_000);
      // Half of the last bucket is in view: 30 / 2 used, 20 / 2 held.
      await store.settle([under("a", 30)]);
      expect(await counters()).toEqual([[key, 15, 10]]);
      await store.shrink("L", 0);
      expect(await counters()).toEqual([[key, 15, 0]]);
    });

    test("shrink leaves no more than so many parts, as often as it is said", async () => {
      const { store } = bench;
      await store.reserve(lease("L", [claim({ reserve: 10 })], 8));
      await store.shrink("L", 3);
      await store.shrink("L", 3);
      await store.shrink("L", 5);
      expect(await counters()).toEqual([[key, 0, 30]]);
      await store.settle([under("a", 1), under("b", 1)]);
      await store.shrink("L", 2);
      expect(await counters()).toEqual([[key, 2, 10]]);
      await store.shrink("L", 0);
      await store.shrink("L", 0);
      await store.shrink("unknown", 0);
      expect(await counters()).toEqual([[key, 2, 0]]);
      await store.settle([under("c", 5, [claim({ key: "other" })])]);
      expect(await counters()).toEqual([
        [key, 2, 0],
        ["other", 5, 0],
      ]);
      bench.clock.advance(30_000);
      expect(await store.expire()).toEqual([]);
    });

    test("release gives all parts back", async () => {
      const { store } = bench;
      await store.reserve(lease("L", [claim({ reserve: 10 })], 8));
      await store.settle([under("a", 1)]);
      await store.release("L");
      expect(await counters()).toEqual([[key, 1, 0]]);
    });

    test("its end gives the rest back, charges nothing and leaves no record", async () => {
      const { store, clock } = bench;
      await store.reserve(lease("L", [claim({ reserve: 10, onExpiry: 9 })], 4, 2_000));
      await store.reserve(
        reservation("early", [claim({ reserve: 1, onExpiry: 2 })], { holdMs: 1 }),
      );
      await store.settle([under("a", 3)]);
      clock.advance(1_999);
      expect(await store.expire()).toEqual(["early"]);
      expect(await counters()).toEqual([[key, 5, 30]]);
      clock.advance(1);
      expect(await store.expire()).toEqual(["L"]);
      expect(await counters()).toEqual([[key, 5, 0]]);
      expect(await store.expire()).toEqual([]);
      expect((await recordIds(store)).sort()).toEqual(["a", "early"]);
      await store.settle([under("late", 6, [claim({ key: "other" })])]);
      expect(await counters()).toEqual([
        [key, 5, 0],
        ["other", 6, 0],
      ]);
    });

    test("reserving it again changes nothing, and after its end it is a new one", async () => {
      const { store } = bench;
      const request = lease("L", [claim({ reserve: 10 })], 4);
      await store.reserve(request);
      await store.settle([under("a", 3)]);
      expect(await store.reserve(request)).toMatchObject({
        admitted: true,
        counters: [{ used: 3, held: 30 }],
      });
      await store.shrink("L", 0);
      expect(await store.reserve({ ...request, parts: 2 })).toMatchObject({
        counters: [{ used: 3, held: 20 }],
      });
    });

    test("a provisional settlement of a part is corrected where the part was", async () => {
      const { store, clock } = bench;
      await store.reserve(lease("L", [claim({ reserve: 10 })], 2));
      await store.settle([{ ...under("a", 6), provisional: true }]);
      expect(await counters()).toEqual([[key, 6, 10]]);
      clock.advance(30_000);
      expect(await store.expire()).toEqual(["L"]);
      const final = await store.settle([under("a", 8, [claim({ key: "other" })])]);
      expect(final).toMatchObject([{ duplicate: false, counters: [{ used: 8, held: 0 }] }]);
      expect(await counters()).toEqual([[key, 8, 0]]);
      expect((await store.records({ limit: 10 })).records).toEqual([record("a")]);
    });

    test("a settlement with the lease's own id takes the place of all of it", async () => {
      const { store } = bench;
      await store.reserve(lease("L", [claim({ reserve: 10 })], 4));
      expect(await store.settle([settlement("L", 7)])).toMatchObject([
        { duplicate: false, counters: [{ used: 7, held: 0 }] },
      ]);
      expect(await counters()).toEqual([[key, 7, 0]]);
    });

    test("published semantics: parts that reserve nothing are charged all the same", async () => {
      const { store } = bench;
      await store.reserve(lease("L", [claim()], 3));
      await store.settle([under("a", 60), under("b", 70)]);
      expect(await counters()).toEqual([[key, 130, 0]]);
      expect(await store.reserve(lease("M", [claim()], 3))).toMatchObject({ admitted: false });
    });

    test("100,000 parts are exact, up to 2^53 - 1 in all", async () => {
      const { store } = bench;
      const max = Number.MAX_SAFE_INTEGER;
      const wide = claim({ limit: max, reserve: 90_071_992_547 });
      const all = await store.reserve(lease("L", [wide], 100_000));
      expect(all).toMatchObject({ counters: [{ held: 9_007_199_254_700_000, remaining: 40_991 }] });
      await store.settle([under("a", 40_990)]);
      await store.shrink("L", 99_998);
      expect(await counters()).toEqual([[key, 40_990, 9_007_019_110_714_906]]);
    });

    test.each([
      ["parts 0", 0, 1],
      ["parts 100001", 100_001, 1],
      ["parts 1.5", 1.5, 1],
      ["claim reserve 90071992548 for 100000 parts", 100_000, 90_071_992_548],
    ])("%s: refused, and nothing is changed", async (message, parts, reserve) => {
      const { store } = bench;
      const call = store.reserve(lease("L", [claim({ reserve, limit: 2 ** 53 - 1 })], parts));
      const refused = { code: "invalid_input", message: expect.stringContaining(message) };
      await expect(call).rejects.toMatchObject(refused);
      expect(await counters()).toEqual([]);
    });

    test.each([[-1], [0.5], [100_001]])("shrink to %d parts is refused", async (parts) => {
      const { store } = bench;
      await store.reserve(lease("L", [claim({ reserve: 10 })], 2));
      const refused = { code: "invalid_input", message: expect.stringContaining(`parts ${parts}`) };
      await expect(store.shrink("L", parts)).rejects.toMatchObject(refused);
      expect(await counters()).toEqual([[key, 0, 20]]);
    });
  });
}
