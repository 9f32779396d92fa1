import { describe, expect, test } from "vitest";
import { PreviewStore } from "../../../limitador-bridge/estimate/preview-store.ts";
import { MemoryStore } from "../../../limitador-bridge/ledger/store/memory.ts";
import type { LimitClaim, Store } from "../../../limitador-bridge/ledger/store/store.ts";
import type { Window } from "../../../limitador-bridge/ledger/window.ts";
import { record } from "../reports/records.ts";

const HOUR_MS = 3_600_000;
const START_MS = Date.UTC(2026, 2, 1, 12);
const WINDOWS: Window[] = [
  { kind: "fixed", lengthMs: HOUR_MS },
  { kind: "sliding", lengthMs: HOUR_MS },
  { kind: "calendar", period: "hour", timeZone: "UTC" },
  { kind: "calendar", period: "hour", timeZone: "UTC", carryOver: { percent: 50 } },
];

/** Numbers that look random and are the same in every run. */
function sequence(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function randomClaims(random: (below: number) => number): LimitClaim[] {
  return Array.from({ length: 1 + random(3) }, () => {
    const kind = random(WINDOWS.length);
    return {
      key: `k${kind}`,
      unit: "total",
      limit: 100,
      window: WINDOWS[kind] as Window,
      reserve: random(3) * 15,
      onExpiry: 0,
      enforced: random(5) > 0,
      ...(random(4) === 0 ? { allowance: 5 } : {}),
      ...(random(4) === 0 ? { below: 80 } : {}),
      ...(random(6) === 0 ? { from: 40 } : {}),
    } satisfies LimitClaim;
  });
}

const request = (id: string, claims: LimitClaim[], alternatives: LimitClaim[][]) => ({
  id,
  claims,
  alternatives,
  holdMs: 600_000,
  expiryRecord: record(id),
});

describe("a preview", () => {
  test("decides as the ledger does, and leaves it as it is", async () => {
    const random = sequence(7);
    let nowMs = START_MS;
    const store = new MemoryStore({ nowMs: () => nowMs });
    const outcomes = new Map<string, number>();
    for (let i = 0; i < 1500; i++) {
      nowMs += random(6) * 60_000;
      const asked = request(`r${i}`, randomClaims(random), [randomClaims(random)]);
      const before = await store.counters("", 100);
      const preview = new PreviewStore(store, () => nowMs);
      const previewed = await preview.reserve(asked);
      expect(await store.counters("", 100)).toEqual(before);
      const decided = await store.reserve(asked);
      const outcome = decided.admitted ? `option ${decided.option}` : "refused";
      expect(previewed.admitted ? `option ${previewed.option}` : "refused").toBe(outcome);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      if (!decided.admitted) {
        const keys = ({ violated }: { violated: { key: string }[] }) =>
          violated.map(({ key }) => key);
        expect(previewed.admitted || keys(previewed)).toEqual(keys(decided));
        continue;
      }
      if (random(3) === 0) continue;
      const total = random(40);
      const amounts = { total, input: 0, output: 0, requests: 1, usd: 0 };
      await store.settle([{ id: `r${i}`, amounts, claims: [], record: record(`r${i}`) }]);
    }
    expect(Math.min(...outcomes.values())).toBeGreaterThan(50);
    expect([...outcomes.keys()].sort()).toEqual(["option 0", "option 1", "refused"]);
  });

  test("shows the counters as they are before", async () => {
    const store = new MemoryStore({ nowMs: () => START_MS });
    const claim: LimitClaim = {
      key: "k",
      unit: "total",
      limit: 100,
      window: { kind: "fixed", lengthMs: HOUR_MS },
      reserve: 60,
      onExpiry: 0,
      enforced: true,
    };
    await store.reserve(request("a", [claim], []));
    const raised = { ...claim, limit: 130 };
    const preview = new PreviewStore(store, () => START_MS + 1000);
    expect((await preview.reserve(request("b", [raised], []))).admitted).toBe(true);
    expect(preview.limits).toEqual([
      {
        claim: raised,
        view: {
          key: "k",
          unit: "total",
          window: claim.window,
          limit: 130,
          used: 0,
          held: 60,
          remaining: 70,
          resetsAtMs: START_MS + HOUR_MS,
        },
        fits: true,
      },
    ]);
    expect((await preview.reserve(request("c", [claim], []))).admitted).toBe(false);
    expect(preview.limits.map(({ fits }) => fits)).toEqual([false]);
  });

  test("keeps why the store could not be read", async () => {
    const gone = new Error("gone");
    const store: Pick<Store, "counters"> = { counters: () => Promise.reject(gone) };
    const preview = new PreviewStore(store, () => START_MS);
    const claim = { ...randomClaims(sequence(1))[0] } as LimitClaim;
    await expect(preview.reserve(request("a", [claim], []))).rejects.toThrow(gone);
    expect(preview.failure).toEqual({ error: gone });
  });
});
