import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ClassicLevel } from "classic-level";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import {
  type EmbeddedStoreOptions,
  openEmbeddedStore,
} from "../../limitador-bridge/ledger/store/embedded.ts";
import { timeKey } from "../../limitador-bridge/ledger/store/record-query.ts";
import {
  claim,
  record,
  recordIds,
  reservation,
  settlement,
  TestClock,
} from "./contract/fixture.ts";

const folder = await mkdtemp(join(tmpdir(), "tollgate-restart-"));
afterAll(() => rm(folder, { recursive: true, force: true }));

const hourMs = 3_600_000;
let count = 0;
let path = "";
let clock = new TestClock();
const open = (options: EmbeddedStoreOptions = {}) =>
  openEmbeddedStore(path, { nowMs: clock.nowMs, ...options });

beforeEach(() => {
  count += 1;
  path = join(folder, String(count), "made", "with its parents");
  clock = new TestClock();
});

/** Changes rows of the closed store. */
async function editRows(change: (db: ClassicLevel) => Promise<unknown>): Promise<void> {
  const db = new ClassicLevel(path);
  await db.open();
  await change(db);
  await db.close();
}

async function keysOf(kind: string): Promise<string[]> {
  const keys: string[] = [];
  await editRows(async (db) => keys.push(...(await db.keys({ gte: kind, lt: `${kind}~` }).all())));
  return keys;
}

describe("after a restart", () => {
  test("counters, holds and records are there, and holds expire at their time", async () => {
    const first = await open();
    const month = { kind: "calendar", period: "month", timeZone: "Europe/Berlin" } as const;
    const sliding = { kind: "sliding", lengthMs: 60_000 } as const;
    const claims = [
      claim({ reserve: 40, onExpiry: 9 }),
      claim({ key: "m", window: month, unit: "usd", limit: 2 ** 53 - 1, reserve: 2 ** 52 }),
      claim({ key: "s", window: sliding, reserve: 7 }),
    ];
    await first.reserve(reservation("a", claims));
    await first.reserve(reservation("b", [claim({ reserve: 50 })]));
    await first.settle([settlement("b", 30)]);
    clock.advance(10_000);
    const before = await first.counters("", 10);
    await first.close();

    const second = await open();
    expect(before).toHaveLength(3);
    expect(await second.counters("", 10)).toEqual(before);
    clock.advance(19_999);
    expect(await second.expire()).toEqual([]);
    clock.advance(1);
    expect(await second.expire()).toEqual(["a"]);
    expect(await second.counters("default", 10)).toMatchObject([{ used: 39, held: 0 }]);
    expect(await recordIds(second)).toEqual(["b", "a"]);
    await second.close();
  });

  test("settled, expired and reserved ids are still known", async () => {
    const first = await open();
    const month = { kind: "calendar", period: "month", timeZone: "UTC" } as const;
    const monthly = claim({ window: month, reserve: 10, onExpiry: 4 });
    await first.reserve(reservation("expired", [monthly]));
    clock.advance(30_000);
    await first.expire();
    await first.reserve(reservation("held", [monthly]));
    await first.settle([settlement("settled", 3, [monthly])]);
    await first.close();

    clock.advance(1_000);
    const second = await open();
    await second.reserve(reservation("held", [monthly]));
    const results = await second.settle(
      ["settled", "expired", "held"].map((id) => settlement(id, 5, [monthly])),
    );
    expect(results.map(({ duplicate }) => duplicate)).toEqual([true, false, false]);
    expect(await second.counters("", 10)).toMatchObject([{ used: 13, held: 0 }]);
    expect((await recordIds(second)).sort()).toEqual(["expired", "held", "settled"]);
    await second.close();
  });

  test("options, provisional settlements and what is carried over are still known", async () => {
    const first = await open();
    const day = { kind: "calendar", period: "day", timeZone: "UTC" } as const;
    const carried = claim({ key: "c", window: { ...day, carryOver: { percent: 50 } } });
    await first.settle([settlement("before", 40, [carried])]);
    const alternatives = [[{ ...carried, reserve: 10, onExpiry: 3 }]];
    const request = reservation("held", [claim({ limit: 0 })], { alternatives });
    const long = { ...request, holdMs: 48 * hourMs };
    await first.reserve(long);
    await first.settle([{ ...settlement("guess", 20, [carried]), provisional: true }]);
    await first.close();

    clock.advance(24 * hourMs);
    const second = await open();
    const view = async () =>
      (await second.counters("", 10)).map(({ limit, used }) => [limit, used]);
    // 100 + (100 − 40 − 20 − 10) / 2
    expect(await view()).toEqual([[115, 0]]);
    expect(await second.reserve(long)).toMatchObject({ option: 1, counters: [{ limit: 115 }] });
    expect(await second.settle([settlement("guess", 25), settlement("held", 2)])).toMatchObject([
      { duplicate: false, counters: [{ limit: 112 }] },
      { duplicate: false, counters: [{ limit: 116 }] },
    ]);
    await second.settle([settlement("next", 1, [carried])]);
    expect(await recordIds(second)).toEqual(["next", "held", "guess", "before"]);
    await second.close();
    const third = await open();
    expect(await third.settle([settlement("guess", 1)])).toMatchObject([{ duplicate: true }]);
    const [seen] = await third.counters("", 10);
    expect(seen).toMatchObject({ limit: 116, used: 1 });
    await third.close();
  });

  test("leases, their parts and what a settlement takes the place of are still known", async () => {
    const first = await open();
    const ten = [claim({ reserve: 10, onExpiry: 9 })];
    const under = (id: string, spent: number, over = {}) => ({
      ...settlement(id, spent, [claim({ key: "other" })], over),
      lease: "L",
    });
    await first.reserve(reservation("L", ten, { parts: 5 }));
    await first.reserve(reservation("M", ten, { parts: 4, holdMs: 50_000 }));
    const guess = under("guess", 4, { source: "estimated" });
    await first.settle([{ ...guess, provisional: true }, under("sure", 6)]);
    await first.shrink("L", 2);
    const before = await first.counters("", 10);
    expect(before).toMatchObject([{ used: 10, held: 60 }]);
    await first.close();

    const second = await open();
    expect(await second.counters("", 10)).toEqual(before);
    expect(await second.settle([under("guess", 5), under("sure", 9), under("new", 1)])).toEqual([
      expect.objectContaining({ duplicate: false, replaced: record("guess", guess.record) }),
      expect.objectContaining({ duplicate: true }),
      expect.objectContaining({ duplicate: false }),
    ]);
    expect(await second.counters("", 10)).toMatchObject([{ used: 12, held: 50 }]);
    clock.advance(30_000);
    expect(await second.expire()).toEqual(["L"]);
    await second.shrink("M", 1);
    await second.close();

    const third = await open();
    expect(await third.counters("", 10)).toMatchObject([{ used: 12, held: 10 }]);
    clock.advance(20_000);
    expect(await third.expire()).toEqual(["M"]);
    expect(await third.counters("", 10)).toMatchObject([{ used: 12, held: 0 }]);
    expect((await recordIds(third)).sort()).toEqual(["guess", "new", "sure"]);
    await third.close();
    expect([await keysOf("h"), (await keysOf("e")).sort()]).toEqual([
      [],
      ["e!guess", "e!new", "e!sure"],
    ]);
  });

  test("rows of layout 1, also without options and carry-over, are read", async () => {
    await (await open()).close();
    const at = clock.timeMs;
    const id = "k\ntotal fixed:60000";
    const expiryRecord = record("a");
    const hold = { expiresAtMs: at + 30_000, claims: [[id, 100, at, 10, 4]], expiryRecord };
    const ended = { ...hold, claims: [[id, 100, at, 10, 7]], expiryRecord: record("b") };
    const old = record("c", { time: new Date(at - 1).toISOString(), requestId: null });
    await editRows((db) =>
      db.batch([
        { type: "put", key: `c!${id}`, value: JSON.stringify([100, at, at + 60_000, 7, 10, 0, 0]) },
        { type: "put", key: "h!a", value: JSON.stringify(hold) },
        {
          type: "put",
          key: "e!b",
          value: JSON.stringify({ state: "expired", atMs: at, hold: ended }),
        },
        { type: "put", key: "e!c", value: JSON.stringify({ state: "settled", atMs: at }) },
        { type: "put", key: `r!${timeKey(at - 1)}!c`, value: JSON.stringify(old) },
        { type: "put", key: "m!format", value: "1" },
      ]),
    );
    const store = await open();
    expect(await store.records({ limit: 10 })).toEqual({ records: [old], next: null });
    expect(await store.counters("", 10)).toMatchObject([{ limit: 100, used: 7, held: 10 }]);
    const results = await store.settle(["a", "b", "c"].map((each) => settlement(each, 1)));
    expect(results.map(({ duplicate }) => duplicate)).toEqual([false, false, true]);
    expect(results[1]).toMatchObject({ replaced: record("b") });
    expect(await store.counters("", 10)).toMatchObject([{ limit: 100, used: 2, held: 0 }]);
    expect((await recordIds(store)).sort()).toEqual(["a", "b", "c"]);
    await store.close();
    await editRows(async (db) => expect(await db.get("m!format")).toBe("2"));
  });

  test("time does not go back behind what the counters have seen", async () => {
    clock.advance(50_000);
    const first = await open();
    await first.reserve(reservation("a", [claim({ reserve: 100 })]));
    await first.close();
    clock.advance(-50_000);
    const second = await open();
    expect(await second.reserve(reservation("b", [claim({ reserve: 1 })]))).toMatchObject({
      admitted: false,
      violated: [{ held: 100, resetsAtMs: clock.timeMs + 110_000 }],
    });
    await second.close();
  });
});

describe("what is over leaves no rows", () => {
  test("counters and settled ids", async () => {
    const store = await open();
    await store.reserve(reservation("a", [claim({ reserve: 10 })]));
    await store.settle([settlement("a", 5), settlement("b", 5, [claim({ key: "other" })])]);
    clock.advance(25 * hourMs - 1);
    await store.expire();
    const [known] = await store.settle([settlement("a", 5)]);
    expect(known).toMatchObject({ duplicate: true });
    clock.advance(1);
    await store.expire();
    await store.close();
    expect([await keysOf("c"), await keysOf("e"), await keysOf("h"), await keysOf("p")]).toEqual([
      [],
      [],
      [],
      [],
    ]);
    expect(await keysOf("r")).toHaveLength(2);
  });

  test("settled ids, more than one slice of them, that ended together and one by one", async () => {
    const store = await open();
    const together = Array.from({ length: 1_200 }, (_, n) => settlement(`t${n}`, 1));
    await store.settle(together);
    for (let n = 0; n < 5; n += 1) await store.settle([settlement(`s${n}`, 1)]);
    clock.advance(25 * hourMs);
    await store.expire();
    await store.close();
    expect([await keysOf("e"), await keysOf("p")]).toEqual([[], []]);
  });

  test("an id that expired and was settled later is known from the settlement on", async () => {
    const store = await open();
    await store.reserve(reservation("a", [claim()]));
    clock.advance(hourMs);
    await store.expire();
    clock.advance(10 * hourMs);
    await store.settle([settlement("a", 5)]);
    clock.advance(16 * hourMs);
    await store.expire();
    expect(await store.settle([settlement("a", 5)])).toMatchObject([{ duplicate: true }]);
    clock.advance(9 * hourMs);
    await store.expire();
    await store.close();
    expect([await keysOf("e"), await keysOf("p")]).toEqual([[], []]);
  });

  test("old records with their index, more than one slice of them", async () => {
    const store = await open({ recordRetentionMs: hourMs });
    const old = Array.from({ length: 1_200 }, (_, n) => store.appendRecord(record(`r${n}`)));
    await Promise.all(old);
    clock.advance(2 * hourMs);
    await store.expire();
    await store.close();
    expect([await keysOf("q"), await keysOf("r")]).toEqual([[], []]);
  });
});

describe("opening", () => {
  test("a folder that is open already is refused, and works on", async () => {
    const first = await open();
    await expect(open()).rejects.toMatchObject({
      code: "locked",
      message: expect.stringContaining(`embedded store ${path} is open in another process`),
    });
    await first.settle([settlement("a", 1, [claim()])]);
    await first.close();
  });

  test("a path that is a file is refused", async () => {
    path = new URL(import.meta.url).pathname;
    await expect(open()).rejects.toMatchObject({ code: "unavailable" });
  });

  test.each([
    ["c!k\ntotal fixed:1000", "[1,2]", "expected seven or ten integers"],
    ["c!k\ntotal fixed:1000", "{", "JSON"],
    ["c!k\ntokens fixed:1000", "[1,2,3,4,5,6,7]", "not a counter id"],
    ["h!a", "{}", "expected expiresAtMs"],
    ["h!a", '{"expiresAtMs":1,"option":-1,"claims":[]}', "expected option"],
    ["h!a", '{"expiresAtMs":1,"claims":[["k\\ntotal fixed:1",1]]}', "expected a claim"],
    ["h!a", '{"expiresAtMs":1,"claims":[],"parts":0}', "expected parts"],
    ["h!a", '{"expiresAtMs":1,"claims":[]}', "expected expiryRecord"],
    ["x!a", "1", "is of no known kind"],
    ["c", "1", "is of no known kind"],
    ["m!format", "9", 'is "9", expected "2"'],
  ])("a row %j that cannot be read is named", async (key, value, why) => {
    await (await open()).close();
    await editRows((db) => db.put(key, value));
    const error = await open().catch((reason: Error) => reason);
    expect(error).toMatchObject({ code: "corrupt" });
    expect((error as Error).message).toContain(JSON.stringify(key));
    expect((error as Error).message).toContain(why);
    await editRows((db) => (key === "m!format" ? db.put(key, "1") : db.del(key)));
    await (await open()).close();
  });

  test("a table that is damaged is told with the store's name", async () => {
    await (await open()).close();
    await editRows(async (db) => {
      for (let i = 0; i < 500; i++) await db.put(`c!k${i}\ntotal fixed:1000`, "[1,2,3,4,5,6,7]");
      await db.compactRange("a", "z");
    });
    const table = readdirSync(path).find((name) => name.endsWith(".ldb")) ?? "";
    const bytes = readFileSync(join(path, table));
    for (let at = 0; at < bytes.length - 200; at += 97) bytes[at] = (bytes[at] ?? 0) ^ 0xff;
    writeFileSync(join(path, table), bytes);
    const error = await open().catch((reason: Error) => reason);
    expect(error).toMatchObject({ code: "corrupt" });
    expect((error as Error).message).toContain(
      `embedded store ${path} cannot be opened: Corruption`,
    );
  });

  test("a LevelDB that is not ours is refused", async () => {
    await (await open()).close();
    await editRows((db) => db.del("m!format"));
    await editRows((db) => db.put("r!somebody", "else"));
    await expect(open()).rejects.toMatchObject({
      code: "corrupt",
      message: 'row "m!format" is missing, expected "2"',
    });
  });

  test("a record or ended id that cannot be read is named when it is met", async () => {
    await (await open()).close();
    await editRows((db) => db.put("r!0000000000000001!a", "{}"));
    await editRows((db) => db.put("e!b", '{"state":"gone","atMs":1}'));
    const store = await open();
    await expect(store.records({ limit: 1 })).rejects.toMatchObject({
      code: "corrupt",
      message: expect.stringContaining('"r!0000000000000001!a"'),
    });
    await expect(store.settle([settlement("b", 1)])).rejects.toMatchObject({
      code: "corrupt",
      message: expect.stringContaining('"e!b"'),
    });
    await store.close();
  });
});

test("after close everything is refused, and a second close is no error", async () => {
  const store = await open();
  await store.close();
  await store.close();
  const closed = { code: "unavailable", message: "embedded store is closed" };
  await expect(store.reserve(reservation("a", []))).rejects.toMatchObject(closed);
  await expect(store.settle([])).rejects.toMatchObject(closed);
  await expect(store.records({ limit: 1 })).rejects.toMatchObject(closed);
  await expect(store.ping()).rejects.toMatchObject(closed);
});
