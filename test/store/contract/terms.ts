import { describe, expect, test } from "vitest";
import type { LimitClaim } from "../../../limitador-bridge/ledger/store/store.ts";
import type { Bench } from "../contract.ts";
import { claim, reservation, settlement } from "./fixture.ts";

export function termContract(bench: Bench): void {
  /** Uses so much of the counter. */
  const spend = (used: number) => bench.store.settle([settlement("spent", used, [claim()])]);
  const fits = async (id: string, over: Partial<LimitClaim>): Promise<boolean> => {
    const { admitted } = await bench.store.reserve(reservation(id, [claim(over)]));
    return admitted;
  };

  describe("allowance", () => {
    test("a request that begins under the limit may go over it by so much, not more", async () => {
      await spend(99);
      expect(await fits("a", { reserve: 7, allowance: 5 })).toBe(false);
      expect(await fits("b", { reserve: 6, allowance: 5 })).toBe(true);
      expect(await bench.store.counters("", 10)).toMatchObject([
        { limit: 100, used: 99, held: 6, remaining: 0 },
      ]);
    });

    test("one that begins at the limit may not, whatever it reserves", async () => {
      await spend(100);
      expect(await fits("a", { reserve: 1, allowance: 50 })).toBe(false);
      expect(await fits("b", { reserve: 0, allowance: 50 })).toBe(false);
    });

    test("holds count like use", async () => {
      await spend(90);
      expect(await fits("a", { reserve: 10, allowance: 5 })).toBe(true);
      expect(await fits("b", { reserve: 1, allowance: 5 })).toBe(false);
    });

    test("with nothing reserved it changes nothing", async () => {
      await spend(99);
      expect(await fits("a", { allowance: 5 })).toBe(true);
    });

    test("is exact at 2^53 - 1", async () => {
      const limit = Number.MAX_SAFE_INTEGER - 10;
      const wide = { limit, allowance: 10 };
      expect(await fits("a", { ...wide, reserve: limit - 1 })).toBe(true);
      expect(await fits("b", { ...wide, reserve: 12 })).toBe(false);
      expect(await fits("c", { ...wide, reserve: 11 })).toBe(true);
    });

    test("of claims on one counter the one that lets less through holds", async () => {
      const { store } = bench;
      await spend(80);
      // 90 + 20 and 100 + 5: up to 105, begun below 90.
      const both = (reserve: number) => [
        claim({ limit: 90, allowance: 20, reserve }),
        claim({ allowance: 5, reserve }),
      ];
      expect(await store.reserve(reservation("a", both(26)))).toMatchObject({ admitted: false });
      expect(await store.reserve(reservation("b", both(25)))).toMatchObject({
        admitted: true,
        counters: [{ limit: 90, used: 80, held: 25 }],
      });
    });
  });

  describe("below and from", () => {
    test("a claim fits only while used + held + reserve < below", async () => {
      await spend(70);
      expect(await fits("a", { reserve: 10, below: 80 })).toBe(false);
      expect(await fits("b", { reserve: 9, below: 80 })).toBe(true);
      expect(await fits("c", { below: 79 })).toBe(false);
      expect(await fits("d", { below: 80 })).toBe(true);
    });

    test("a below of 0 never fits", async () => {
      expect(await fits("a", { below: 0 })).toBe(false);
    });

    test("a claim fits only once used + held ≥ from", async () => {
      await spend(70);
      expect(await fits("a", { reserve: 5, from: 71 })).toBe(false);
      expect(await fits("b", { reserve: 5, from: 70 })).toBe(true);
      expect(await fits("c", { reserve: 5, from: 75 })).toBe(true);
      expect(await fits("d", { reserve: 5, from: 81 })).toBe(false);
    });

    test("the limit holds as well", async () => {
      await spend(99);
      expect(await fits("a", { reserve: 2, below: 500, from: 1 })).toBe(false);
    });

    test("what is not enforced is not asked", async () => {
      await spend(70);
      expect(await fits("a", { reserve: 9, below: 5, from: 99, enforced: false })).toBe(true);
    });

    test("of claims on one counter all terms hold", async () => {
      const { store } = bench;
      await spend(50);
      const admitted = async (id: string, from: number, below: number) =>
        (await store.reserve(reservation(id, [claim({ from }), claim({ below })]))).admitted;
      expect(await admitted("a", 51, 60)).toBe(false);
      expect(await admitted("b", 50, 50)).toBe(false);
      expect(await admitted("c", 50, 51)).toBe(true);
    });

    test("of a sliding window the weighted count is looked at", async () => {
      const { store, clock } = bench;
      const window = { kind: "sliding", lengthMs: 60_000 } as const;
      await store.settle([settlement("spent", 80, [claim({ window })])]);
      clock.advance(90_000);
      expect(await fits("a", { window, from: 41 })).toBe(false);
      expect(await fits("b", { window, below: 40 })).toBe(false);
      expect(await fits("c", { window, from: 40, below: 41 })).toBe(true);
    });
  });
}
