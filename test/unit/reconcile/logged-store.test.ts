import { expect, test } from "vitest";
import type { Settlement, Store } from "../../../limitador-bridge/ledger/store/store.ts";
import type { LogEntry, Unlogged } from "../../../limitador-bridge/reconcile/log-entry.ts";
import { LoggedStore } from "../../../limitador-bridge/reconcile/logged-store.ts";
import type { Recovery } from "../../../limitador-bridge/reconcile/recovery.ts";
import { expiryRecordOf, settlement } from "../../store/contract/fixture.ts";

const REMEMBERED = 100_000;

test("a settlement sent again is logged again where its first time is forgotten", async () => {
  const known = new Set<string>();
  let logged: Unlogged[] = [];
  const inner = {
    settle: async (settlements: Settlement[]) =>
      settlements.map(({ id }) => {
        const duplicate = known.has(id);
        known.add(id);
        return { id, duplicate, counters: [], charges: [] };
      }),
  } as unknown as Store;
  const store = new LoggedStore({
    inner,
    log: {
      append: async (entries) => {
        logged = entries;
        return entries as LogEntry[];
      },
    },
    recovery: { isReady: true, logged: () => {} } as unknown as Recovery,
    expiredEntry: async () => null,
    onLogFailure: (error) => {
      throw error;
    },
  });
  const one = settlement("0", 1);
  const numbered = (from: number, count: number) =>
    Array.from({ length: count }, (_, index) => ({ ...one, id: String(from + index) }));
  await store.settle(numbered(0, REMEMBERED));
  logged = [];
  await store.settle(numbered(0, 2));
  expect(logged).toEqual([]);
  await store.settle(numbered(REMEMBERED, 1));
  await store.settle([...numbered(0, 1), ...numbered(REMEMBERED, 1)]);
  expect(logged).toMatchObject([{ kind: "settled", again: true, id: "0" }]);
});

test("the record of each hold that expired is told", async () => {
  const told: string[] = [];
  const inner = { expire: async () => ["a", "lease", "b"] } as unknown as Store;
  const store = new LoggedStore({
    inner,
    log: { append: async (entries) => entries as LogEntry[] },
    recovery: { isReady: true, logged: () => {} } as unknown as Recovery,
    expiredEntry: async (id) =>
      id === "lease" ? null : { kind: "expired", id, record: expiryRecordOf(id), charges: [] },
    onExpired: ({ id, reason }) => void told.push(`${id}: ${reason}`),
    onLogFailure: (error) => {
      throw error;
    },
  });
  expect(await store.expire()).toEqual(["a", "lease", "b"]);
  expect(told).toEqual(["a: hold expired", "b: hold expired"]);
});
