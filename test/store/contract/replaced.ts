import { describe, expect, test } from "vitest";
import type { Settlement } from "../../../limitador-bridge/ledger/store/store.ts";
import type { Bench } from "../contract.ts";
import { claim, expiryRecordOf, record, reservation, settlement } from "./fixture.ts";

const estimated = { source: "estimated", reason: "still running" } as const;
const provisional = (id: string, over = {}): Settlement => ({
  ...settlement(id, 5, [claim()], { ...estimated, ...over }),
  provisional: true,
});

export function replacedContract(bench: Bench): void {
  /** What settling tells of the record that the settlement's takes the place of. */
  const replaced = async (...settlements: Settlement[]) =>
    (await bench.store.settle(settlements)).map((result) => result.replaced);

  describe("the record that a settlement's takes the place of", () => {
    test("there is none of a plain settlement, held or not, or a duplicate", async () => {
      const { store } = bench;
      await store.reserve(reservation("held", [claim({ reserve: 9 })]));
      const once = settlement("held", 3);
      expect(await replaced(once, settlement("unknown", 3, [claim()]), once)).toEqual([
        undefined,
        undefined,
        undefined,
      ]);
      const [result] = await store.settle([settlement("another", 3)]);
      expect(Object.keys(result ?? {})).not.toContain("replaced");
    });

    test("is the provisional one's, for the final one alone", async () => {
      expect(await replaced(provisional("a"), provisional("a", { status: 9 }))).toEqual([
        undefined,
        undefined,
      ]);
      const final = settlement("a", 7);
      expect(await replaced(final, final)).toEqual([record("a", estimated), undefined]);
    });

    test("is that of an expiry, also for a provisional one, whose own comes next", async () => {
      const { store, clock } = bench;
      await store.reserve(reservation("a", [claim({ reserve: 60 })]));
      await store.reserve(reservation("b", [claim({ reserve: 9 })]));
      clock.advance(30_000);
      await store.expire();
      expect(await replaced(settlement("a", 1), provisional("b"), settlement("b", 1))).toEqual([
        expiryRecordOf("a"),
        expiryRecordOf("b"),
        record("b", estimated),
      ]);
    });

    test("may have an id, a time and a request id of its own", async () => {
      const { store, clock } = bench;
      const time = new Date(clock.timeMs - 5_000).toISOString();
      const own = { id: "exchange", time, requestId: "other" };
      await store.settle([provisional("response", own)]);
      const final = settlement("response", 7, [], { id: "response" });
      expect(await replaced(final)).toEqual([record("exchange", { ...estimated, ...own })]);
      expect((await store.records({ limit: 10 })).records).toEqual([record("response")]);
    });

    test("that of a part of a lease is told like any other", async () => {
      const { store } = bench;
      await store.reserve(reservation("L", [claim({ reserve: 9 })], { parts: 2 }));
      await store.settle([{ ...provisional("a"), lease: "L" }]);
      expect(await replaced(settlement("a", 7))).toEqual([record("a", estimated)]);
    });
  });

  describe("asking whether an id is known", () => {
    const impossible = claim({ key: "impossible", unit: "requests", limit: 0, reserve: 1 });
    const isKnown = async (id: string) => {
      const { admitted } = await bench.store.reserve(reservation(id, [impossible], { holdMs: 1 }));
      return admitted;
    };

    test("an unknown one is refused, and nothing is changed", async () => {
      expect([await isKnown("a"), await isKnown("a")]).toEqual([false, false]);
      expect(await bench.store.counters("", 10)).toEqual([]);
      bench.clock.advance(1_000);
      expect(await bench.store.expire()).toEqual([]);
    });

    test("held, expired, provisional and settled ones are, released ones not", async () => {
      const { store, clock } = bench;
      for (const id of ["expired", "held", "released"]) {
        const holdMs = id === "expired" ? 1_000 : 30_000;
        await store.reserve(reservation(id, [claim({ reserve: 1 })], { holdMs }));
      }
      await store.release("released");
      clock.advance(1_000);
      expect(await store.expire()).toEqual(["expired"]);
      await store.settle([provisional("provisional"), settlement("settled", 1, [claim()])]);
      const ids = ["held", "expired", "provisional", "settled", "released"];
      const known = [];
      for (const id of ids) known.push(await isKnown(id));
      expect(known).toEqual([true, true, true, true, false]);
      expect(await store.counters("impossible", 10)).toEqual([]);
    });
  });
}
