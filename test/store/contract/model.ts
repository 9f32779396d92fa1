import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Store } from "../../../limitador-bridge/ledger/store/store.ts";
import type { Window } from "../../../limitador-bridge/ledger/window.ts";
import type { Bench } from "../contract.ts";
import { claim, recordIds, reservation, settlement, startMs, type TestClock } from "./fixture.ts";
import { type ModelClaim, ReferenceModel } from "./reference-model.ts";

const day = { kind: "calendar", period: "day", timeZone: "UTC" } as const;
const limits: { key: string; limit: number; window: Window }[] = [
  { key: "fixed", limit: 50, window: { kind: "fixed", lengthMs: 10_000 } },
  { key: "sliding", limit: 70, window: { kind: "sliding", lengthMs: 7_000 } },
  { key: "daily", limit: 300, window: day },
  { key: "carried", limit: 150, window: { ...day, carryOver: { percent: 37 } } },
];

const leases = fc.integer({ min: 0, max: 3 }).map((n) => `lease${n}`);
const ids = fc.integer({ min: 0, max: 25 }).map((n) => `id${n}`);
const claims = fc.subarray(limits, { minLength: 1 }).chain((chosen) =>
  fc.tuple(
    ...chosen.map((limit) =>
      fc
        .record({
          reserve: fc.integer({ min: 0, max: 40 }),
          onExpiry: fc.integer({ min: 0, max: 10 }),
          enforced: fc.integer({ min: 0, max: 4 }).map((n) => n > 0),
          allowance: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 30 })),
          below: fc.oneof(fc.constant(1_000), fc.integer({ min: 0, max: 150 })),
          from: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 100 })),
        })
        .map((rest): ModelClaim => ({ ...limit, ...rest })),
    ),
  ),
);
const options = fc.array(claims, { minLength: 1, maxLength: 3 });
const operation = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("reserve" as const), id: ids, options }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("settle" as const),
      id: ids,
      claims,
      spent: fc.integer({ min: 0, max: 60 }),
      provisional: fc.boolean(),
      lease: leases,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("lease" as const),
      id: leases,
      parts: fc.integer({ min: 1, max: 4 }),
      options,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("shrink" as const),
      id: leases,
      parts: fc.integer({ min: 0, max: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("release" as const), id: ids }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("expire" as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("wait" as const),
      ms: fc.oneof(fc.integer({ min: 1, max: 6_000 }), fc.constant(8 * 3_600_000)),
    }),
  },
);
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

const holdMs = 5_000;

export function modelContract(bench: Bench): void {
  describe("model", () => {
    test("random operations give what the reference model says", async () => {
      let run = 0;
      const property = fc.asyncProperty(
        fc.array(operation, { minLength: 20, maxLength: 120 }),
        async (operations) => {
          run += 1;
          bench.clock.timeMs = startMs;
          const store = await bench.open();
          try {
            await compare(store, bench.clock, operations);
          } finally {
            await store.close();
          }
        },
      );
      await fc.assert(property, { numRuns: 60, seed: 20_270_104 });
      expect(run).toBeGreaterThanOrEqual(60);
    }, 120_000);
  });
}

async function compare(store: Store, clock: TestClock, operations: Operation[]): Promise<void> {
  const model = new ReferenceModel();
  const recorded = new Set<string>();
  for (const step of operations) {
    await apply(step, store, model, clock, recorded);
    const views = await store.counters("", 10);
    for (const { key, limit, window } of limits) {
      const expected = model.view(key, limit, window, clock.timeMs);
      // A counter that counts nothing may not be there.
      const seen = views.find((view) => view.key === key) ?? { ...expected, used: 0, held: 0 };
      const { used, held } = seen;
      expect({ key, limit: seen.limit, used, held }).toEqual({ key, ...expected });
    }
  }
  expect(new Set(await recordIds(store))).toEqual(recorded);
}

async function apply(
  step: Operation,
  store: Store,
  model: ReferenceModel,
  clock: TestClock,
  recorded: Set<string>,
): Promise<void> {
  const nowMs = clock.timeMs;
  switch (step.do) {
    case "reserve":
    case "lease": {
      const [first = [], ...rest] = step.options.map((option) => option.map(claim));
      const parts = step.do === "lease" ? { parts: step.parts } : {};
      const request = reservation(step.id, first, { holdMs, alternatives: rest, ...parts });
      const result = await store.reserve(request);
      const option =
        step.do === "lease"
          ? model.lease(step.id, step.parts, step.options, { holdMs, nowMs })
          : model.reserve(step.id, step.options, holdMs, nowMs);
      expect(result.admitted ? result.option : null).toBe(option);
      return;
    }
    case "settle": {
      const { id, spent, claims: charged, provisional, lease } = step;
      const one = { ...settlement(id, spent, charged.map(claim)), provisional, lease };
      const [result] = await store.settle([one]);
      const duplicate = model.settle(id, spent, charged, nowMs, { provisional, lease });
      expect(result).toMatchObject({ id, duplicate });
      recorded.add(step.id);
      return;
    }
    case "release":
      model.release(step.id);
      return store.release(step.id);
    case "shrink":
      model.shrink(step.id, step.parts);
      return store.shrink(step.id, step.parts);
    case "expire": {
      const expired = model.expire(nowMs);
      expect((await store.expire()).sort()).toEqual(expired.sort());
      for (const id of expired) if (!id.startsWith("lease")) recorded.add(id);
      return;
    }
    case "wait":
      // Ids are remembered for a day; the model remembers them for ever.
      clock.advance(Math.min(step.ms, startMs + 86_400_000 - nowMs));
  }
}
