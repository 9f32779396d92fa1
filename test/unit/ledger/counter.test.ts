import { describe, expect, test } from "vitest";
import {
  adjust,
  type CounterSpec,
  counterAt,
  counterId,
  fits,
  isOver,
  limitInForce,
  parseCounterId,
  resetsAt,
  viewOf,
} from "../../../limitador-bridge/ledger/counter.ts";

const fixed: CounterSpec = {
  key: "k",
  unit: "total",
  limit: 10,
  window: { kind: "fixed", lengthMs: 100 },
};
const sliding: CounterSpec = { ...fixed, window: { kind: "sliding", lengthMs: 100 } };
const max = Number.MAX_SAFE_INTEGER;

describe("counterId", () => {
  test("names key, unit and window, and is read back", () => {
    const spec = { ...fixed, key: "a\nb c:d" };
    expect(counterId(spec)).toBe("a\nb c:d\ntotal fixed:100");
    const { key, unit, window } = spec;
    expect(parseCounterId(counterId(spec))).toEqual({ key, unit, window });
  });

  test("a lone surrogate is U+FFFD", () => {
    expect(counterId({ ...fixed, key: "a\ud800😀" })).toBe("a\ufffd😀\ntotal fixed:100");
  });

  test.each(["", "key", "key\ntokens fixed:1", "key\ntotal", "key\ntotal fixed:x"])(
    "%j is none",
    (id) => {
      expect(() => parseCounterId(id)).toThrow();
    },
  );
});

describe("counterAt", () => {
  test("rolls a fixed window on only after its end", () => {
    const first = adjust(counterAt(undefined, fixed, 1000), 1000, { used: 4, held: 3 });
    expect(counterAt(first, fixed, 1099)).toBe(first);
    expect(counterAt(first, fixed, 1100)).toEqual({
      ...first,
      startMs: 1100,
      endMs: 1200,
      used: 0,
      held: 0,
    });
  });

  test("rolls sliding buckets on by one, and clears them after two", () => {
    const first = adjust(counterAt(undefined, sliding, 1050), 1000, { used: 4, held: 3 });
    const second = counterAt(first, sliding, 1150);
    expect(second).toMatchObject({
      startMs: 1100,
      used: 0,
      held: 0,
      previousUsed: 4,
      previousHeld: 3,
    });
    expect(counterAt(first, sliding, 1200)).toMatchObject({ previousUsed: 0, previousHeld: 0 });
  });

  test("takes over a new limit", () => {
    const first = counterAt(undefined, fixed, 1000);
    expect(counterAt(first, { ...fixed, limit: 99 }, 1050).limit).toBe(99);
  });
});

test("sums stay within 0 and 2^53 - 1", () => {
  const empty = counterAt(undefined, { ...fixed, limit: max }, 1000);
  const full = adjust(empty, 1000, { used: max, held: max });
  expect(adjust(full, 1000, { used: max, held: max })).toMatchObject({ used: max, held: max });
  expect(viewOf(full, 1000).remaining).toBe(0);
  expect(fits(full, { reserve: 1 }, 1000)).toBe(false);
  expect(adjust(empty, 1000, { used: -1, held: -1 })).toMatchObject({ used: 0, held: 0 });
});

test("isOver: after the end, for sliding after two lengths", () => {
  expect([1099, 1100].map((now) => isOver(counterAt(undefined, fixed, 1000), now))).toEqual([
    false,
    true,
  ]);
  expect([1199, 1200].map((now) => isOver(counterAt(undefined, sliding, 1000), now))).toEqual([
    false,
    true,
  ]);
});

describe("a counter that carries over", () => {
  const day = { kind: "calendar", period: "day", timeZone: "UTC" } as const;
  const daily: CounterSpec = { ...fixed, window: { ...day, carryOver: { percent: 50 } } };
  const dayMs = 86_400_000;
  const first = adjust(counterAt(undefined, daily, 0), 0, { used: 3, held: 1 });

  test("is over a period later than others", () => {
    expect([2 * dayMs - 1, 2 * dayMs].map((now) => isOver(first, now))).toEqual([false, true]);
    const plain = counterAt(undefined, { ...daily, window: day }, 0);
    expect([dayMs - 1, dayMs].map((now) => isOver(plain, now))).toEqual([false, true]);
  });

  test("leaves what was neither used nor held, also as that is corrected", () => {
    const second = counterAt(first, daily, dayMs);
    expect(second).toMatchObject({
      ...{ used: 0, held: 0, previousUsed: 3, previousHeld: 1 },
      ...{ previousStartMs: 0, previousLimit: 10 },
    });
    const view = viewOf(second, dayMs);
    expect(view).toMatchObject({ limit: 13, carriedOver: 3, remaining: 13 });
    expect(limitInForce({ ...daily, limit: 20 }, view)).toBe(23);
    expect(limitInForce({ ...daily, limit: max }, view)).toBe(max);
    expect(limitInForce({ ...fixed, limit: 20 }, view)).toBe(20);
    const third = adjust(second, dayMs, { used: 12, held: 0 });
    expect(fits(third, { reserve: 1 }, dayMs)).toBe(true);
    expect(fits(third, { reserve: 2 }, dayMs)).toBe(false);
  });

  test("is corrected in the period before where that is in view", () => {
    const late = adjust(counterAt(undefined, daily, dayMs), dayMs, { used: 3, held: 1 });
    const next = counterAt(late, daily, 2 * dayMs);
    const corrected = adjust(next, dayMs, { used: 5, held: -1 });
    expect(corrected).toMatchObject({ used: 0, held: 0, previousUsed: 8, previousHeld: 0 });
    expect(viewOf(corrected, 2 * dayMs).limit).toBe(11);
    expect(adjust(next, 0, { used: 5, held: -1 })).toBe(next);
  });
});

describe("resetsAt of a sliding window", () => {
  const at = (used: number, previousUsed: number, nowMs: number) => {
    const state = { ...counterAt(undefined, sliding, nowMs), used, previousUsed };
    return resetsAt(state, nowMs);
  };
  test("is the bucket's end while there is room", () => {
    expect(at(9, 0, 1020)).toBe(1100);
  });
  test("is in this bucket when the last one lets go", () => {
    // 4 + 20 × left / 100 ≤ 9 from 25 ms before the end.
    expect(at(4, 20, 1020)).toBe(1075);
  });
  test("is in the next bucket when this one is full", () => {
    // 16 × left / 100 ≤ 9 from 56 ms before the end of the next bucket.
    expect(at(16, 0, 1020)).toBe(1144);
  });
  test("is the first moment at which a request fits; not before it while some is held", () => {
    const first = counterAt(undefined, sliding, 1020);
    for (let number = 0; number < 6 ** 5; number += 1) {
      const [used, held, previousUsed, previousHeld, limit] = [0, 1, 2, 3, 4].map(
        (place) => Math.floor(number / 6 ** place) % 6,
      ) as [number, number, number, number, number];
      const state = { ...first, used, held, previousUsed, previousHeld, limit };
      if (limit === 0 || fits(state, { reserve: 0 }, 1020)) continue;
      const isFree = (atMs: number) => {
        return fits(counterAt(state, { ...sliding, limit }, atMs), { reserve: 0 }, atMs);
      };
      const atMs = resetsAt(state, 1020);
      expect(isFree(atMs), `${number}`).toBe(true);
      if (held + previousHeld === 0) expect(isFree(atMs - 1), `${number}`).toBe(false);
    }
  });
  test("is two ends ahead for a limit of 0", () => {
    const none = counterAt(undefined, { ...sliding, limit: 0 }, 1020);
    expect(resetsAt({ ...none, used: 5 }, 1020)).toBe(1200);
  });
});
