import { describe, expect, test } from "vitest";
import type { Store } from "../../../limitador-bridge/ledger/store/store.ts";
import type { Bench } from "../contract.ts";
import { claim, record, recordIds, reservation, settlement, startMs } from "./fixture.ts";

const at = (ms: number) => ({ time: new Date(startMs + ms).toISOString() });
const dayMs = 86_400_000;

export function recordContract(bench: Bench): void {
  describe("records", () => {
    test("a record comes back as it was given", async () => {
      const { store } = bench;
      const full = record("a", {
        user: "Zoë “😀” \u0000\n",
        requestId: "r!1/ü",
        otherUnits: { web_search: 1.5 },
        reason: "",
      });
      await store.appendRecord(full);
      expect((await store.records({ limit: 1 })).records).toEqual([full]);
      expect((await store.records({ limit: 1, requestId: "r!1/ü" })).records).toEqual([full]);
    });

    test("newest first, whatever the order of writing", async () => {
      const { store } = bench;
      for (const ms of [20, 0, 30, 10]) await store.appendRecord(record(`at${ms}`, at(ms)));
      expect(await recordIds(store)).toEqual(["at30", "at20", "at10", "at0"]);
    });

    test("settlements and denials stand together; denials charge nothing", async () => {
      const { store } = bench;
      await store.reserve(reservation("a", [claim({ reserve: 5 })]));
      await store.settle([settlement("a", 5)]);
      await store.appendRecord(record("b", { outcome: "denied", status: 429, ...at(1) }));
      expect(await recordIds(store)).toEqual(["b", "a"]);
      expect(await store.counters("", 10)).toMatchObject([{ used: 5 }]);
    });

    test("the same record appended twice is one", async () => {
      const { store } = bench;
      await store.appendRecord(record("a"));
      await store.appendRecord(record("a"));
      expect(await recordIds(store)).toEqual(["a"]);
    });

    test("pages by cursor; each record once, also while newer ones are written", async () => {
      const { store } = bench;
      for (const ms of [0, 1, 2, 3, 4]) await store.appendRecord(record(`at${ms}`, at(ms)));
      const first = await store.records({ limit: 2 });
      expect(first.records.map(({ id }) => id)).toEqual(["at4", "at3"]);
      await store.appendRecord(record("newer", at(9)));
      const second = await store.records({ limit: 2, cursor: first.next as string });
      expect(second.records.map(({ id }) => id)).toEqual(["at2", "at1"]);
      const third = await store.records({ limit: 2, cursor: second.next as string });
      expect(third.records.map(({ id }) => id)).toEqual(["at0"]);
      expect(third.next).toBeNull();
    });

    test("a page that ends with the last record has no next", async () => {
      const { store } = bench;
      for (const ms of [0, 1]) await store.appendRecord(record(`at${ms}`, at(ms)));
      expect(await store.records({ limit: 2 })).toMatchObject({ next: null });
      expect(await store.records({ limit: 2, requestId: "nobody" })).toEqual({
        records: [],
        next: null,
      });
    });

    test("sinceMs is included, untilMs is not", async () => {
      const { store } = bench;
      for (const ms of [0, 1, 2, 3]) await store.appendRecord(record(`at${ms}`, at(ms)));
      const between = { sinceMs: startMs + 1, untilMs: startMs + 3 };
      expect(await recordIds(store, between)).toEqual(["at2", "at1"]);
      expect(await recordIds(store, { ...between, limit: 1 })).toEqual(["at2", "at1"]);
      expect(await recordIds(store, { requestId: "request-of-at3", ...between })).toEqual([]);
    });

    test("filters by user, team, app, model and request id, also together", async () => {
      const { store } = bench;
      await appendVariants(store);
      expect(await recordIds(store, { user: "bob" })).toEqual(["b"]);
      expect(await recordIds(store, { team: "ops" })).toEqual(["c"]);
      expect(await recordIds(store, { app: "chat" })).toEqual(["d", "c"]);
      expect(await recordIds(store, { app: "chat", team: "research" })).toEqual(["d"]);
      expect(await recordIds(store, { model: "o3" })).toEqual(["e", "d"]);
      expect(await recordIds(store, { requestId: "request-of-b" })).toEqual(["b"]);
      expect(await recordIds(store, { requestId: "request-of-b", user: "alice" })).toEqual([]);
      expect(await recordIds(store, { user: "bob", limit: 1 })).toEqual(["b"]);
    });

    test("a request id that begins like another is not found with it", async () => {
      const { store } = bench;
      await store.appendRecord(record("a", { requestId: "r" }));
      await store.appendRecord(record("b", { requestId: "r!2027" }));
      await store.appendRecord(record("c", { requestId: "r", ...at(5) }));
      expect(await recordIds(store, { requestId: "r", limit: 1 })).toEqual(["c", "a"]);
      expect(await recordIds(store, { requestId: "r!2027" })).toEqual(["b"]);
    });

    test("one call looks at 10,000 records at most and says where to go on", async () => {
      const { store } = bench;
      const count = 10_500;
      const writes = Array.from({ length: count }, (_, ms) =>
        store.appendRecord(record(`at${ms}`, { ...at(ms), user: ms === 0 ? "rare" : "alice" })),
      );
      await Promise.all(writes);
      const first = await store.records({ limit: 5, user: "rare" });
      expect(first.records).toEqual([]);
      const second = await store.records({ limit: 5, user: "rare", cursor: first.next as string });
      expect(second.records.map(({ id }) => id)).toEqual(["at0"]);
      expect(second.next).toBeNull();
    }, 60_000);

    test("records older than the retention go, and their index with them", async () => {
      const store = await bench.open({ recordRetentionMs: 2 * dayMs });
      await store.appendRecord(record("old"));
      await store.appendRecord(record("new", at(dayMs)));
      bench.clock.advance(2 * dayMs);
      await store.expire();
      expect(await recordIds(store)).toEqual(["new", "old"]);
      bench.clock.advance(1);
      await store.expire();
      expect(await recordIds(store)).toEqual(["new"]);
      expect(await recordIds(store, { requestId: "request-of-old" })).toEqual([]);
    });

    test.each([
      ["limit 0", { limit: 0 }],
      ["limit 1001", { limit: 1001 }],
      ["time", { limit: 1, sinceMs: -1 }],
      ["cursor", { limit: 1, cursor: "bm9uc2Vuc2U" }],
    ])("a bad query (%s) is refused", async (field, query) => {
      await expect(bench.store.records(query)).rejects.toMatchObject({
        code: "invalid_input",
        message: expect.stringContaining(field),
      });
    });

    test("a record with no readable time is refused", async () => {
      const bad = record("a", { time: "yesterday" });
      const refused = { code: "invalid_input", message: expect.stringContaining("yesterday") };
      await expect(bench.store.appendRecord(bad)).rejects.toMatchObject(refused);
    });
  });
}

async function appendVariants(store: Store): Promise<void> {
  await store.appendRecord(record("a", at(0)));
  await store.appendRecord(record("b", { user: "bob", ...at(1) }));
  await store.appendRecord(record("c", { team: "ops", app: "chat", ...at(2) }));
  await store.appendRecord(record("d", { model: "o3", app: "chat", ...at(3) }));
  await store.appendRecord(record("e", { model: null, requestedModel: "o3", ...at(4) }));
}
