import { describe, expect, test } from "vitest";
import type { LimitClaim, Settlement } from "../../../limitador-bridge/ledger/store/store.ts";
import type { Bench } from "../contract.ts";
import { amounts, claim, record, recordIds, reservation, settlement } from "./fixture.ts";

const hourMs = 3_600_000;

function provisional(id: string, spent: number, claims: LimitClaim[] = []): Settlement {
  const estimated = { source: "estimated", reason: "still running" } as const;
  return { ...settlement(id, spent, claims, estimated), provisional: true };
}
const estimatedRecord = (id: string) => provisional(id, 0).record;

export function provisionalContract(bench: Bench): void {
  const records = async () => (await bench.store.records({ limit: 10 })).records;

  describe("provisional settlement", () => {
    test("replaces the hold and is recorded like any other", async () => {
      const { store } = bench;
      await store.reserve(reservation("a", [claim({ reserve: 60 })]));
      expect(await store.settle([provisional("a", 30)])).toMatchObject([
        { id: "a", duplicate: false, counters: [{ used: 30, held: 0, remaining: 70 }] },
      ]);
      expect(await records()).toEqual([estimatedRecord("a")]);
      bench.clock.advance(30_000);
      expect(await store.expire()).toEqual([]);
      await store.release("a");
      expect(await store.counters("", 10)).toMatchObject([{ used: 30, held: 0 }]);
    });

    test.each([[0], [12], [95]])(
      "the final one of %i replaces charge and record",
      async (spent) => {
        const { store } = bench;
        await store.settle([settlement("other", 4, [claim()])]);
        await store.reserve(reservation("a", [claim({ reserve: 60 })]));
        await store.settle([provisional("a", 30)]);
        const final = await store.settle([settlement("a", spent)]);
        expect(final).toMatchObject([
          { id: "a", duplicate: false, counters: [{ used: 4 + spent, held: 0 }] },
        ]);
        expect(await records()).toEqual([record("other"), record("a")]);
        const again = await store.settle([settlement("a", 99, [claim()])]);
        expect(again).toMatchObject([{ duplicate: true, counters: [{ used: 4 + spent }] }]);
        const late = await store.settle([provisional("a", 99, [claim()])]);
        expect(late).toMatchObject([{ duplicate: true, counters: [{ used: 4 + spent }] }]);
        expect(await records()).toEqual([record("other"), record("a")]);
      },
    );

    test("a second provisional one is a duplicate, and the final one still counts", async () => {
      const { store } = bench;
      await store.reserve(reservation("a", [claim({ reserve: 60 })]));
      const twice = await store.settle([provisional("a", 30), provisional("a", 40, [claim()])]);
      expect(twice).toMatchObject([
        { duplicate: false },
        { duplicate: true, counters: [{ used: 30, held: 0 }] },
      ]);
      expect(await store.settle([settlement("a", 7)])).toMatchObject([
        { duplicate: false, counters: [{ used: 7, held: 0 }] },
      ]);
    });

    test("each claim is corrected in its own unit", async () => {
      const { store } = bench;
      const claims = [claim({ key: "usd", unit: "usd", limit: 9_000 }), claim({ key: "total" })];
      await store.reserve(reservation("a", claims));
      const guess = { ...provisional("a", 0), amounts: amounts(30, { usd: 4_000 }) };
      await store.settle([guess]);
      await store.settle([settlement("a", amounts(20, { usd: 5_000 }))]);
      const views = await store.counters("", 10);
      expect(views.map(({ key, used }) => [key, used])).toEqual([
        ["total", 20],
        ["usd", 5_000],
      ]);
    });

    test("with no reservation the claims are charged, and corrected", async () => {
      const { store } = bench;
      const claims = [claim({ key: "one" }), claim({ key: "two", limit: 3 })];
      expect(await store.settle([provisional("a", 30, claims)])).toMatchObject([
        {
          duplicate: false,
          counters: [
            { key: "one", used: 30 },
            { key: "two", used: 30, remaining: 0 },
          ],
        },
      ]);
      const final = await store.settle([settlement("a", 8, [claim({ key: "three" })])]);
      expect(final).toMatchObject([{ duplicate: false }]);
      const views = await store.counters("", 10);
      expect(views.map(({ key, used }) => [key, used])).toEqual([
        ["one", 8],
        ["two", 8],
      ]);
      expect(await records()).toEqual([record("a")]);
    });

    test("one after the expiry replaces its charge, and is replaced", async () => {
      const { store, clock } = bench;
      await store.reserve(reservation("a", [claim({ reserve: 60, onExpiry: 25 })]));
      clock.advance(30_000);
      await store.expire();
      expect(await store.settle([provisional("a", 40)])).toMatchObject([
        { duplicate: false, counters: [{ used: 40, held: 0 }] },
      ]);
      expect(await records()).toEqual([estimatedRecord("a")]);
      await store.settle([settlement("a", 6)]);
      expect(await store.counters("", 10)).toMatchObject([{ used: 6, held: 0 }]);
      expect(await records()).toEqual([record("a")]);
    });

    test("the final record may have another time and request id", async () => {
      const { store, clock } = bench;
      await store.settle([provisional("a", 30, [claim()])]);
      const time = new Date(clock.timeMs - 5_000).toISOString();
      await store.settle([settlement("a", 1, [], { time, requestId: "other" })]);
      expect(await recordIds(store)).toEqual(["a"]);
      expect(await recordIds(store, { requestId: "other" })).toEqual(["a"]);
      expect(await recordIds(store, { requestId: "request-of-a" })).toEqual([]);
    });

    test("after the window's end charges nothing in the next one", async () => {
      const { store, clock } = bench;
      await store.reserve(reservation("a", [claim({ reserve: 60 })]));
      await store.settle([provisional("a", 30)]);
      clock.advance(60_000);
      await store.reserve(reservation("b", [claim({ reserve: 1 })]));
      await store.settle([settlement("a", 90)]);
      expect(await store.counters("", 10)).toMatchObject([{ used: 0, held: 1 }]);
      expect(await recordIds(store)).toEqual(["a"]);
    });

    test("in a sliding window the bucket where it was charged is corrected", async () => {
      const { store, clock } = bench;
      const slid = claim({ window: { kind: "sliding", lengthMs: 60_000 }, reserve: 50 });
      await store.reserve(reservation("a", [slid]));
      await store.settle([provisional("a", 40)]);
      clock.advance(90_000);
      await store.reserve(reservation("b", [{ ...slid, reserve: 1 }]));
      await store.settle([settlement("a", 81)]);
      expect(await store.counters("", 10)).toMatchObject([{ used: 41, held: 1 }]);
    });

    test("is remembered for 25 hours, and the final one for as long again", async () => {
      const { store, clock } = bench;
      const month = { kind: "calendar", period: "month", timeZone: "UTC" } as const;
      await store.settle([provisional("a", 10, [claim({ window: month })])]);
      clock.advance(25 * hourMs - 1);
      await store.expire();
      const final = settlement("a", 4, [claim({ window: month })]);
      expect(await store.settle([final])).toMatchObject([
        { duplicate: false, counters: [{ used: 4 }] },
      ]);
      clock.advance(25 * hourMs - 1);
      await store.expire();
      expect(await store.settle([final])).toMatchObject([
        { duplicate: true, counters: [{ used: 4 }] },
      ]);
      expect(await records()).toEqual([record("a")]);
    });

    test("sent twenty times in parallel with its final one, the final one counts", async () => {
      const { store } = bench;
      await store.reserve(reservation("a", [claim({ reserve: 60 })]));
      const calls = Array.from({ length: 20 }, (_, n) =>
        store.settle([n % 2 === 0 ? provisional("a", 30, [claim()]) : settlement("a", 9)]),
      );
      const results = (await Promise.all(calls)).flat();
      const counted = results.filter(({ duplicate }) => !duplicate).length;
      expect([1, 2]).toContain(counted);
      expect(await store.counters("", 10)).toMatchObject([{ used: 9, held: 0 }]);
      expect(await records()).toEqual([record("a")]);
    });
  });
}
