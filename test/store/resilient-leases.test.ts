/** Leases while the store is away: what is known here, what is journaled and replayed. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  openResilient,
  type ResilientStore,
} from "../../limitador-bridge/ledger/store/resilient.ts";
import { claim, recordIds, reservation, settlement } from "./contract/fixture.ts";
import { Flaky, fast, unavailable, untilClosed } from "./flaky-store.ts";

const folder = await mkdtemp(join(tmpdir(), "tollgate-resilient-leases-"));
afterAll(() => rm(folder, { recursive: true, force: true }));

const hour = { kind: "fixed", lengthMs: 3_600_000 } as const;
const limited = (reserve: number) => claim({ reserve, window: hour });
let count = 0;
let flaky = new Flaky();
let store: ResilientStore;

beforeEach(async () => {
  count += 1;
  flaky = new Flaky();
  store = await openResilient(flaky, { journalPath: join(folder, String(count)), ...fast });
});
afterEach(() => store.close());

describe("leases while the store is away", () => {
  test("settlements under a lease and its return are replayed in their order", async () => {
    const under = (id: string, spent: number) => ({
      ...settlement(id, spent, [claim({ key: "other", window: hour })]),
      lease: "L",
    });
    expect(await store.reserve(reservation("L", [limited(10)], { parts: 8 }))).toMatchObject({
      counters: [{ held: 80, remaining: 20 }],
    });
    await store.settle([under("a", 4)]);
    flaky.mode = "fails";
    // The shadow knows that seven parts are held.
    const over = await unavailable(store.reserve(reservation("over", [limited(27)])));
    expect(over.shadow).toMatchObject({ admitted: false, violated: [{ used: 4, held: 70 }] });
    expect(await store.settle([under("b", 5)])).toMatchObject([
      { duplicate: false, counters: [{ used: 9, held: 60 }] },
    ]);
    await store.shrink("L", 2);
    const fits = await unavailable(store.reserve(reservation("fits", [limited(71)])));
    expect(fits.shadow).toMatchObject({ admitted: true, counters: [{ used: 9, held: 91 }] });
    await store.release("fits");
    await store.settle([under("c", 6), under("c", 6)]);
    // Told again in the other order, a part would be missing.
    await store.shrink("L", 1);
    flaky.mode = "works";
    await untilClosed(store);
    expect(await flaky.counters("", 10)).toMatchObject([{ used: 15, held: 10 }]);
    expect((await recordIds(flaky)).sort()).toEqual(["a", "b", "c"]);
    await store.settle([under("b", 5), under("d", 7), under("e", 8)]);
    expect((await flaky.counters("", 10)).map(({ used, held }) => [used, held])).toEqual([
      [22, 0],
      [8, 0],
    ]);
  });

  test("a lease that ended in the store is given back in the shadow too", async () => {
    const started = Date.now();
    await store.reserve(reservation("L", [limited(10)], { parts: 10, holdMs: 1 }));
    await store.reserve(
      reservation("M", [claim({ key: "m", reserve: 10, window: hour })], { parts: 10 }),
    );
    while (Date.now() <= started + 1) await sleep(1);
    expect(await store.expire()).toEqual(["L"]);
    await store.shrink("M", 3);
    flaky.mode = "fails";
    const all = [limited(100), claim({ key: "m", reserve: 70, window: hour })];
    const { shadow } = await unavailable(store.reserve(reservation("a", all)));
    expect(shadow).toMatchObject({ admitted: true, counters: [{ held: 100 }, { held: 100 }] });
  });

  test("a lease that only the shadow was asked for is not held there, nor journaled", async () => {
    flaky.mode = "fails";
    await unavailable(store.reserve(reservation("open", [limited(1)])));
    await unavailable(store.reserve(reservation("the", [limited(1)])));
    expect(store.status().circuit).toBe("open");
    const lease = reservation("L", [claim({ key: "m", reserve: 10, window: hour })], { parts: 9 });
    expect((await unavailable(store.reserve(lease))).shadow).toMatchObject({ admitted: true });
    await store.shrink("L", 1);
    const all = reservation("all", [claim({ key: "m", reserve: 100, window: hour })]);
    expect((await unavailable(store.reserve(all))).shadow).toMatchObject({ admitted: true });
    expect(store.status().journaledBytes).toBe(0);
  });

  test("a lease whose answer comes too late is given back, in the store and here", async () => {
    await store.reserve(reservation("known", [limited(1)]));
    flaky.mode = "hangs";
    const late = await unavailable(store.reserve(reservation("L", [limited(3)], { parts: 8 })));
    expect(late.shadow).toMatchObject({ admitted: true, counters: [{ held: 25 }] });
    flaky.resume();
    const calls = flaky.calls;
    while (flaky.calls === calls) await sleep(1);
    expect(await flaky.counters("", 10)).toMatchObject([{ used: 0, held: 1 }]);
    flaky.mode = "fails";
    const next = await unavailable(store.reserve(reservation("next", [limited(99)])));
    expect(next.shadow).toMatchObject({ admitted: true, counters: [{ held: 100 }] });
  });
});
