import { describe, expect, test } from "vitest";
import type { Bench } from "../contract.ts";
import { claim, reservation, settlement, startMs } from "./fixture.ts";

const key = "default/free/tokens/alice";
const carryingOver = (percent: number) => {
  const day = { kind: "calendar", period: "day", timeZone: "UTC" } as const;
  return { ...day, carryOver: { percent } };
};

export function admissionContract(bench: Bench): void {
  describe("admission", () => {
    test("a reservation fits up to the limit and not one over", async () => {
      const { store } = bench;
      const first = await store.reserve(reservation("a", [claim({ reserve: 60 })]));
      expect(first).toEqual({
        admitted: true,
        option: 0,
        counters: [
          {
            key,
            unit: "total",
            window: { kind: "fixed", lengthMs: 60_000 },
            limit: 100,
            used: 0,
            held: 60,
            remaining: 40,
            resetsAtMs: startMs + 60_000,
          },
        ],
      });
      const over = await store.reserve(reservation("b", [claim({ reserve: 41 })]));
      expect(over.admitted).toBe(false);
      const fits = await store.reserve(reservation("c", [claim({ reserve: 40 })]));
      expect(fits).toMatchObject({ admitted: true, counters: [{ held: 100, remaining: 0 }] });
    });

    test("with nothing reserved a request is admitted while used + held < limit", async () => {
      const { store } = bench;
      expect(await store.reserve(reservation("a", [claim()]))).toMatchObject({ admitted: true });
      await store.settle([settlement("a", 99)]);
      expect(await store.reserve(reservation("b", [claim()]))).toMatchObject({ admitted: true });
      await store.settle([settlement("b", 1)]);
      const denied = await store.reserve(reservation("c", [claim()]));
      const full = { key, used: 100, held: 0, remaining: 0, resetsAtMs: startMs + 60_000 };
      expect(denied).toMatchObject({ admitted: false, counters: [full], violated: [full] });
    });

    test("a limit of 0 admits nobody, and the window has not begun", async () => {
      const { store, clock } = bench;
      await store.reserve(reservation("a", [claim({ limit: 0 })]));
      clock.advance(5_000);
      const denied = await store.reserve(reservation("b", [claim({ limit: 0 })]));
      expect(denied).toMatchObject({
        admitted: false,
        violated: [{ used: 0, held: 0, remaining: 0, resetsAtMs: startMs + 65_000 }],
      });
      expect(await store.counters("", 10)).toEqual([]);
    });

    test("all claims or none: a denial names every enforced claim that does not fit", async () => {
      const { store } = bench;
      const roomy = claim({ key: "roomy", limit: 1000, reserve: 10 });
      const tight = claim({ key: "tight", limit: 9, reserve: 10 });
      const full = claim({ key: "full", limit: 0 });
      const shadow = claim({ key: "shadow", limit: 1, reserve: 10, enforced: false });
      const denied = await store.reserve(reservation("a", [roomy, tight, full, shadow]));
      expect(denied).toMatchObject({
        admitted: false,
        counters: [{ key: "roomy" }, { key: "tight" }, { key: "full" }, { key: "shadow" }],
        violated: [{ key: "tight" }, { key: "full" }],
      });
      expect(await store.counters("", 10)).toEqual([]);
      await store.settle([settlement("a", 1)]);
      expect(await store.counters("", 10)).toEqual([]);
    });

    test("a shadow claim is counted and never denied", async () => {
      const { store } = bench;
      const shadow = claim({ limit: 5, reserve: 10, enforced: false });
      expect(await store.reserve(reservation("a", [shadow]))).toMatchObject({ admitted: true });
      expect(await store.reserve(reservation("b", [shadow]))).toMatchObject({
        admitted: true,
        counters: [{ held: 20, remaining: 0 }],
      });
    });

    test("reserving twice with one id is one reservation, also after settling", async () => {
      const { store } = bench;
      const request = reservation("a", [claim({ reserve: 60 })]);
      await store.reserve(request);
      expect(await store.reserve(request)).toMatchObject({
        admitted: true,
        counters: [{ used: 0, held: 60 }],
      });
      await store.settle([settlement("a", 70)]);
      expect(await store.reserve(request)).toMatchObject({
        admitted: true,
        counters: [{ used: 70, held: 0 }],
      });
    });

    test("claims on one counter are one claim, the strictest", async () => {
      const { store } = bench;
      const claims = [claim({ limit: 50, reserve: 10 }), claim({ limit: 90, reserve: 20 })];
      const result = await store.reserve(reservation("a", claims));
      expect(result).toMatchObject({ admitted: true, counters: [{ limit: 50, held: 20 }] });
      expect(result.counters).toHaveLength(1);
      await store.settle([settlement("a", 7)]);
      expect(await store.counters("", 10)).toMatchObject([{ used: 7, held: 0 }]);
    });

    test("one key with another unit or window is another counter", async () => {
      const { store } = bench;
      const claims = [
        claim({ reserve: 10 }),
        claim({ reserve: 20, unit: "usd" }),
        claim({ reserve: 30, window: { kind: "fixed", lengthMs: 3_600_000 } }),
      ];
      const result = await store.reserve(reservation("a", claims));
      expect(result).toMatchObject({ counters: [{ held: 10 }, { held: 20 }, { held: 30 }] });
    });

    test("a new limit is in force at once, debt and all", async () => {
      const { store } = bench;
      await store.reserve(reservation("a", [claim({ reserve: 60 })]));
      const lower = await store.reserve(reservation("b", [claim({ limit: 50, reserve: 1 })]));
      expect(lower).toMatchObject({ admitted: false, violated: [{ limit: 50, held: 60 }] });
      const raised = await store.reserve(reservation("c", [claim({ limit: 200, reserve: 140 })]));
      expect(raised).toMatchObject({ admitted: true, counters: [{ limit: 200, remaining: 0 }] });
    });

    test("a request with no claims is admitted and has a hold", async () => {
      const { store } = bench;
      const result = await store.reserve(reservation("a", []));
      expect(result).toEqual({ admitted: true, option: 0, counters: [] });
      bench.clock.advance(30_000);
      expect(await store.expire()).toEqual(["a"]);
    });

    test("amounts are exact up to 2^53 - 1, and never wrap", async () => {
      const { store } = bench;
      const max = Number.MAX_SAFE_INTEGER;
      const wide = (reserve: number) => claim({ limit: max, reserve });
      await store.reserve(reservation("a", [wide(max - 1)]));
      expect(await store.reserve(reservation("b", [wide(2)]))).toMatchObject({ admitted: false });
      expect(await store.reserve(reservation("c", [wide(1)]))).toMatchObject({
        admitted: true,
        counters: [{ held: max, remaining: 0 }],
      });
      await store.settle([settlement("a", max), settlement("c", max)]);
      expect(await store.counters("", 10)).toMatchObject([{ used: max, held: 0, remaining: 0 }]);
    });

    test.each([
      ["reserve", { reserve: -1 }],
      ["reserve", { reserve: 0.5 }],
      ["limit", { limit: 2 ** 53 }],
      ["onExpiry", { onExpiry: Number.NaN }],
      ["allowance", { allowance: -1 }],
      ["below", { below: 1.5 }],
      ["from", { from: -1 }],
      ["lengthMs", { window: { kind: "fixed", lengthMs: 0 } }],
      ["percent", { window: carryingOver(0) }],
      ["percent", { window: carryingOver(101) }],
      ["time zone", { window: { kind: "calendar", period: "day", timeZone: "Mars/Base" } }],
    ] as const)("bad input (%s) is refused and changes nothing", async (field, over) => {
      const { store } = bench;
      const request = reservation("a", [claim({ key: "good" }), claim(over)]);
      const refused = { code: "invalid_input", message: expect.stringContaining(field) };
      await expect(store.reserve(request)).rejects.toMatchObject(refused);
      expect(await store.counters("", 10)).toEqual([]);
    });

    test("counters are found by prefix, in the order of keys", async () => {
      const { store } = bench;
      const keys = ["team/b", "team/a", "user/a", "team/c"];
      await store.reserve(
        reservation(
          "a",
          keys.map((name) => claim({ key: name, reserve: 1 })),
        ),
      );
      const found = await store.counters("team/", 2);
      expect(found.map((view) => view.key)).toEqual(["team/a", "team/b"]);
      expect(await store.counters("nobody", 10)).toEqual([]);
    });

    test("more counters than are read at once are found, without those that are over", async () => {
      const { store } = bench;
      const names = Array.from({ length: 1200 }, (_, i) => `n${String(i).padStart(4, "0")}`);
      for (let from = 0; from < names.length; from += 200) {
        // Every other two hundred are over when they are looked for.
        const lengthMs = from % 400 === 0 ? 1_000 : 3_600_000;
        const claims = names
          .slice(from, from + 200)
          .map((key) => claim({ key, window: { kind: "fixed", lengthMs }, reserve: 1 }));
        await store.reserve(reservation(`from-${from}`, claims));
      }
      bench.clock.advance(1_000);
      const live = names.filter((_, index) => index % 400 >= 200);
      const found = (await store.counters("n", 2000)).map(({ key }) => key);
      expect(found).toEqual(live);
      expect((await store.counters("n", 500)).map(({ key }) => key)).toEqual(live.slice(0, 500));
      expect((await store.counters("n", 1)).map(({ key }) => key)).toEqual(["n0200"]);
      expect((await store.counters("n03", 9)).map(({ key }) => key)).toEqual(live.slice(100, 109));
    });
  });
}
