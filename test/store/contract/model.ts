import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Store } from "../../../limitador-bridge/ledger/store/store.ts";
import type { Window } from "../../../limitador-bridge/ledger/window.ts";
import type { Bench } from "../contract.ts";
import { claim, recordIds, reservation, settlement, startMs, type TestClock } from "./fixture.ts";
import { type ModelClaim, ReferenceModel } from "./reference-model.ts";

const limits: { key: string; limit: number; window: Window }[] = [
  { key: "fixed", limit: 50, window: { kind: "fixed", lengthMs: 10_000 } },
  { key: "sliding", limit: 70, window: { kind: "sliding", lengthMs: 7_000 } },
  { key: "daily", limit: 300, window: { kind: "calendar", period: "day", timeZone: "UTC" } },
];

const ids = fc.integer({ min: 0, max: 25 }).map((n) => `id${n}`);
const claims = fc.subarray(limits, { minLength: 1 }).chain((chosen) =>
  fc.tuple(
    ...chosen.map((limit) =>
      fc
        .record({
          reserve: fc.integer({ min: 0, max: 40 }),
          onExpiry: fc.integer({ min: 0, max: 10 }),
          enforced: fc.integer({ min: 0, max: 4 }).map((n) => n > 0),
        })
        .map((rest): ModelClaim => ({ ...limit, ...rest })),
    ),
  ),
);
const operation = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("reserve" as const), id: ids, claims }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("settle" as const),
      id: ids,
      claims,
      spent: fc.integer({ min: 0, max: 60 }),
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
    for (const { key, window } of limits) {
      const seen = views.find((view) => view.key === key) ?? { used: 0, held: 0 };
      const { used, held } = seen;
      expect({ key, used, held }).toEqual({ key, ...model.view(key, window, clock.timeMs) });
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
    case "reserve": {
      const request = reservation(step.id, step.claims.map(claim), { holdMs });
      const { admitted } = await store.reserve(request);
      expect(admitted).toBe(model.reserve(step.id, step.claims, holdMs, nowMs));
      return;
    }
    case "settle": {
      const [result] = await store.settle([
        settlement(step.id, step.spent, step.claims.map(claim)),
      ]);
      const duplicate = model.settle(step.id, step.spent, step.claims, nowMs);
      expect(result).toMatchObject({ id: step.id, duplicate });
      recorded.add(step.id);
      return;
    }
    case "release":
      model.release(step.id);
      return store.release(step.id);
    case "expire": {
      const expired = model.expire(nowMs);
      expect((await store.expire()).sort()).toEqual(expired.sort());
      for (const id of expired) recorded.add(id);
      return;
    }
    case "wait":
      // Ids are remembered for a day; the model remembers them for ever.
      clock.advance(Math.min(step.ms, startMs + 86_400_000 - nowMs));
  }
}
