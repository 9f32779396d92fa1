import { describe, expect, test } from "vitest";
import type {
  LimitClaim,
  ReserveRequest,
  ReserveResult,
} from "../../../limitador-bridge/ledger/store/store.ts";
import type { Bench } from "../contract.ts";
import { claim, record, recordIds, reservation, settlement } from "./fixture.ts";

/** A request with several options. */
function choice(id: string, ...[claims = [], ...alternatives]: LimitClaim[][]): ReserveRequest {
  return reservation(id, claims, { alternatives });
}

const team = (over: Partial<LimitClaim>) => claim({ key: "team", limit: 1_000, ...over });
const model = (key: string, over: Partial<LimitClaim> = {}) => claim({ key, limit: 100, ...over });

export function optionContract(bench: Bench): void {
  /** key, used and held of all counters. */
  const counts = async () =>
    (await bench.store.counters("", 10)).map(({ key, used, held }) => [key, used, held]);
  const taken = (result: ReserveResult) => (result.admitted ? result.option : null);

  describe("options", () => {
    test("the first that fits is held, and nothing else", async () => {
      const { store } = bench;
      const dear = [team({ reserve: 50 }), model("dear", { reserve: 50 })];
      const cheap = [team({ reserve: 5 }), model("cheap", { reserve: 5 })];
      const first = await store.reserve(choice("a", dear, cheap));
      expect(first).toMatchObject({
        admitted: true,
        option: 0,
        counters: [
          { key: "team", held: 50 },
          { key: "dear", held: 50 },
        ],
      });
      expect(await counts()).toEqual([
        ["dear", 0, 50],
        ["team", 0, 50],
      ]);
    });

    test("where an option does not fit the next is held, with its own amounts", async () => {
      const { store } = bench;
      const dear = (reserve: number) => [team({ reserve }), model("dear", { reserve })];
      const cheap = [team({ reserve: 5, onExpiry: 2 }), model("cheap", { reserve: 5 })];
      const result = await store.reserve(choice("a", dear(101), dear(102), cheap));
      expect(result).toMatchObject({
        admitted: true,
        option: 2,
        counters: [
          { key: "team", used: 0, held: 5, remaining: 995 },
          { key: "cheap", used: 0, held: 5, remaining: 95 },
        ],
      });
      expect(await counts()).toEqual([
        ["cheap", 0, 5],
        ["team", 0, 5],
      ]);
      await store.settle([settlement("a", 3)]);
      expect(await counts()).toEqual([
        ["cheap", 3, 0],
        ["team", 3, 0],
      ]);
    });

    test("at a threshold the second option takes over", async () => {
      const { store } = bench;
      const request = (id: string) =>
        choice(
          id,
          [team({ reserve: 100, below: 801 })],
          [team({ reserve: 20, from: 701, allowance: 10 })],
        );
      const options: (number | null)[] = [];
      for (let n = 0; n < 22; n += 1) options.push(taken(await store.reserve(request(`r${n}`))));
      // 8 × 100, then 10 × 20 up to 1000; 1000 is the limit, at which nothing begins.
      expect(options).toEqual([...Array(8).fill(0), ...Array(10).fill(1), ...Array(4).fill(null)]);
      expect(await counts()).toEqual([["team", 0, 1_000]]);
    });

    test("where none fits nothing is held; each option's refusal is told", async () => {
      const { store } = bench;
      const dear = [team({ reserve: 50 }), model("dear", { reserve: 101 })];
      const cheap = [team({ reserve: 5, from: 1 }), model("cheap", { limit: 4, reserve: 5 })];
      const denied = await store.reserve(choice("a", dear, cheap));
      expect(denied).toMatchObject({
        admitted: false,
        counters: [{ key: "team" }, { key: "cheap", limit: 4, remaining: 4 }],
        violated: [{ key: "team" }, { key: "cheap" }],
        refusals: [
          { counters: [{ key: "team" }, { key: "dear" }], violated: [{ key: "dear" }] },
          {
            counters: [{ key: "team" }, { key: "cheap" }],
            violated: [{ key: "team" }, { key: "cheap" }],
          },
        ],
      });
      expect(await counts()).toEqual([]);
      await store.settle([settlement("a", 1)]);
      expect(await counts()).toEqual([]);
    });

    test("a request without alternatives has one refusal", async () => {
      const denied = await bench.store.reserve(reservation("a", [claim({ reserve: 101 })]));
      const { admitted, refusals, ...rest } = denied as ReserveResult & { refusals: unknown };
      expect([admitted, refusals]).toEqual([false, [rest]]);
    });

    test("an option with no claims always fits", async () => {
      const result = await bench.store.reserve(choice("a", [claim({ limit: 0 })], []));
      expect(result).toEqual({ admitted: true, option: 1, counters: [] });
      bench.clock.advance(30_000);
      expect(await bench.store.expire()).toEqual(["a"]);
    });

    test("the same id again is the same option, held, expired and provisional", async () => {
      const { store, clock } = bench;
      const dear = [model("dear", { reserve: 101 })];
      const wide = [model("dear", { reserve: 100 })];
      const cheap = [model("cheap", { reserve: 5, onExpiry: 2 })];
      await store.reserve(choice("a", dear, cheap));
      const held = { admitted: true, option: 1, counters: [{ key: "cheap", used: 0, held: 5 }] };
      expect(await store.reserve(choice("a", wide, cheap))).toMatchObject(held);
      clock.advance(30_000);
      await store.expire();
      const expired = { ...held, counters: [{ key: "cheap", used: 2, held: 0 }] };
      expect(await store.reserve(choice("a", wide, cheap))).toMatchObject(expired);
      await store.settle([{ ...settlement("a", 3), provisional: true }]);
      const provisional = { ...held, counters: [{ key: "cheap", used: 3, held: 0 }] };
      expect(await store.reserve(choice("a", wide, cheap))).toMatchObject(provisional);
      // Where the request has no such option any more the first is told.
      const fewer = { admitted: true, option: 0, counters: [{ key: "dear", used: 0, held: 0 }] };
      expect(await store.reserve(choice("a", wide))).toMatchObject(fewer);
      await store.settle([settlement("a", 4)]);
      expect(await store.reserve(choice("a", wide, cheap))).toMatchObject(fewer);
      expect(await counts()).toEqual([["cheap", 4, 0]]);
    });

    test("release and expiry end the option that is held", async () => {
      const { store, clock } = bench;
      const dear = [model("dear", { reserve: 101, onExpiry: 90 })];
      const cheap = [
        team({ reserve: 5, onExpiry: 2 }),
        model("cheap", { reserve: 5, onExpiry: 2 }),
      ];
      await store.reserve(choice("released", dear, cheap));
      await store.reserve(choice("expired", dear, cheap));
      await store.release("released");
      expect(await counts()).toEqual([
        ["cheap", 0, 5],
        ["team", 0, 5],
      ]);
      clock.advance(30_000);
      await store.expire();
      expect(await counts()).toEqual([
        ["cheap", 2, 0],
        ["team", 2, 0],
      ]);
      expect(await recordIds(store)).toEqual(["expired"]);
    });

    test("the record of an expiry is that of the option that was held", async () => {
      const { store, clock } = bench;
      const dear = (reserve: number) => [
        team({ unit: "usd", reserve, onExpiry: 90 }),
        model("dear", { unit: "usd", reserve, onExpiry: 90 }),
      ];
      const cheap = [
        team({ unit: "usd", reserve: 5, onExpiry: 2 }),
        model("cheap", { unit: "usd", reserve: 5, onExpiry: 2 }),
      ];
      const recordOf = (id: string) => (option: number) =>
        record(id, {
          model: ["dear", "dear", "cheap"][option] ?? "",
          costNanoUsd: [90, 90, 2][option] ?? 0,
        });
      const request = (id: string, ...options: LimitClaim[][]): ReserveRequest => ({
        ...choice(id, ...options),
        expiryRecord: recordOf(id)(0),
        expiryRecordOf: recordOf(id),
      });
      await store.reserve(request("first", dear(95), dear(94), cheap));
      await store.reserve(request("third", dear(95), dear(94), cheap));
      clock.advance(30_000);
      await store.expire();
      expect(await counts()).toEqual([
        ["cheap", 2, 0],
        ["dear", 90, 0],
        ["team", 92, 0],
      ]);
      const { records } = await store.records({ limit: 10 });
      records.sort((a, b) => a.costNanoUsd - b.costNanoUsd);
      expect(records).toEqual([recordOf("third")(2), recordOf("first")(0)]);
    });

    test("of 60 in parallel as many take each option as fit it", async () => {
      const { store } = bench;
      const request = (id: string) =>
        choice(id, [model("dear", { reserve: 10 })], [model("cheap", { limit: 60, reserve: 3 })]);
      const results = await Promise.all(
        Array.from({ length: 60 }, (_, n) => store.reserve(request(`r${n}`))),
      );
      const count = (option: number | null) =>
        results.filter((result) => taken(result) === option).length;
      expect([count(0), count(1), count(null)]).toEqual([10, 20, 30]);
      expect(await counts()).toEqual([
        ["cheap", 0, 60],
        ["dear", 0, 100],
      ]);
    });

    test("bad input in any option refuses the call", async () => {
      const bad = choice("a", [claim()], [claim({ reserve: -1 })]);
      await expect(bench.store.reserve(bad)).rejects.toMatchObject({ code: "invalid_input" });
      const many = choice("a", ...Array.from({ length: 9 }, () => [claim()]));
      await expect(bench.store.reserve(many)).rejects.toMatchObject({
        code: "invalid_input",
        message: "options: more than 8",
      });
    });
  });
}
