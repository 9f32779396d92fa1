import { describe, expect, test } from "vitest";
import type { Store } from "../../../limitador-bridge/ledger/store/store.ts";
import type { Bench } from "../contract.ts";
import { claim, recordIds, reservation, settlement } from "./fixture.ts";

const clients = 64;
const operations = 10_000;
const hour = { kind: "fixed", lengthMs: 3_600_000 } as const;

export function concurrencyContract(bench: Bench): void {
  describe("concurrency", () => {
    test("of 200 parallel requests on a limit that fits exactly 50, 50 are admitted", async () => {
      const { store } = bench;
      const requests = Array.from({ length: 200 }, (_, n) =>
        store.reserve(reservation(`r${n}`, [claim({ limit: 500, reserve: 10, window: hour })])),
      );
      const results = await Promise.all(requests);
      expect(results.filter(({ admitted }) => admitted)).toHaveLength(50);
      expect(await store.counters("", 10)).toMatchObject([{ used: 0, held: 500, remaining: 0 }]);
    });

    test("one id reserved and settled in parallel counts once", async () => {
      const { store } = bench;
      const request = reservation("a", [claim({ reserve: 10 })]);
      await Promise.all(Array.from({ length: 20 }, () => store.reserve(request)));
      expect(await store.counters("", 10)).toMatchObject([{ held: 10 }]);
      const calls = Array.from({ length: 20 }, () => store.settle([settlement("a", 7)]));
      const results = (await Promise.all(calls)).flat();
      expect(results.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
      expect(await store.counters("", 10)).toMatchObject([{ used: 7, held: 0 }]);
      expect(await recordIds(store)).toEqual(["a"]);
    });

    test(`${clients} clients, ${operations} operations: never over any limit`, async () => {
      const { store } = bench;
      const tally = new Map<string, number>();
      const left = { leases: 0, parts: 0 };
      let next = 0;
      const work = async (client: number) => {
        const random = randomOf(client + 1);
        while (next < operations) {
          next += 1;
          const id = `${client}-${next}`;
          if (random(20) > 0) await exchange(store, id, random, tally);
          else await leased(store, id, random, { tally, left });
        }
      };
      await Promise.all(Array.from({ length: clients }, (_, client) => work(client)));
      const views = await store.counters("", 100);
      const used = Object.fromEntries(views.map((view) => [view.key, view.used]));
      expect(used).toEqual(Object.fromEntries(tally));
      expect([left.leases > 20, left.parts > 20]).toEqual([true, true]);
      for (const view of views) {
        expect(view.held).toBe(0);
        expect(view.used).toBeLessThanOrEqual(view.limit);
      }
      // The limit for all was reached: only what the last clients held, at most 20 each, is left.
      expect(tally.get("all")).toBeGreaterThan(10_000 - (clients + 1) * 20);
    }, 60_000);
  });
}

/** Reserves on a user's, a team's and everybody's limit, then settles or releases. */
async function exchange(
  store: Store,
  id: string,
  random: (below: number) => number,
  tally: Map<string, number>,
): Promise<void> {
  const reserve = 1 + random(20);
  const claims = claimsOf(random(8), reserve);
  const { admitted } = await store.reserve(reservation(id, claims));
  if (!admitted) return;
  if (random(10) === 0) return store.release(id);
  const spent = reserve - random(reserve);
  for (const { key } of claims) tally.set(key, (tally.get(key) ?? 0) + spent);
  await store.settle([settlement(id, spent)]);
}

function claimsOf(user: number, reserve: number) {
  return [
    claim({ key: `user${user}`, limit: 1_500, reserve, window: hour }),
    claim({ key: `team${user % 2}`, limit: 5_500, reserve, window: hour }),
    claim({ key: "all", limit: 10_000, reserve, window: hour }),
  ];
}

/** Reserves a lease, settles under it from all sides, and gives the rest back. */
async function leased(
  store: Store,
  id: string,
  random: (below: number) => number,
  { tally, left }: { tally: Map<string, number>; left: { leases: number; parts: number } },
): Promise<void> {
  const parts = 2 + random(4);
  const reserve = 1 + random(4);
  const claims = claimsOf(random(8), reserve);
  const { admitted } = await store.reserve(reservation(id, claims, { parts }));
  if (!admitted) return;
  const used = random(parts + 1);
  const settling = Array.from({ length: used }, (_, n) => {
    const spent = reserve - random(reserve);
    for (const { key } of claims) tally.set(key, (tally.get(key) ?? 0) + spent);
    return store.settle([{ ...settlement(`${id}-${n}`, spent), lease: id }]);
  });
  // Those under way when the lease is given back keep their parts.
  await Promise.all([...settling, store.shrink(id, used)]);
  await store.shrink(id, 0);
  left.leases += 1;
  left.parts += parts - used;
}

/** Numbers from a seed (Lehmer), for runs that can be repeated. */
function randomOf(seed: number): (below: number) => number {
  let state = seed * 7_919_317;
  return (below) => {
    state = (state * 48_271) % 2_147_483_647;
    return Math.floor((state / 2_147_483_647) * below);
  };
}
