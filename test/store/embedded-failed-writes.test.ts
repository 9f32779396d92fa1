/** Writes that fail for a while: nothing is lost, nothing is charged twice, nothing stays held. */
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, expect, test } from "vitest";
import type { UsageRecord } from "../../limitador-bridge/contract/usage-record.ts";
import {
  type EmbeddedStore,
  openEmbeddedStore,
} from "../../limitador-bridge/ledger/store/embedded.ts";
import {
  claim,
  expiryRecordOf,
  recordIds,
  reservation,
  settlement,
  TestClock,
} from "./contract/fixture.ts";
import { noSpace, openOnDisk } from "./failing-disk.ts";

const folder = await mkdtemp(join(tmpdir(), "tollgate-failed-writes-"));
afterAll(() => rm(folder, { recursive: true, force: true }));

const disk = { failures: 0, writes: 0 };
const clock = new TestClock();
const claims = [claim({ limit: 1_000, reserve: 10, onExpiry: 4 })];
let count = 0;
let path = "";
let store: EmbeddedStore;
let expired: UsageRecord[] = [];

beforeEach(async () => {
  count += 1;
  path = join(folder, String(count));
  Object.assign(disk, { failures: 0, writes: 0 });
  expired = [];
  const onExpired = (record: UsageRecord) => void expired.push(record);
  store = await openOnDisk(path, disk, { nowMs: clock.nowMs, onExpired });
});
afterEach(() => store.close());

/** Used and held of the one counter. */
async function sums(of: EmbeddedStore = store) {
  return (await of.counters("", 10)).map(({ used, held }) => ({ used, held }));
}

/** What a process finds that begins after this one was killed now. */
async function afterKill<T>(look: (found: EmbeddedStore) => Promise<T>): Promise<T> {
  const copy = `${path}-copy`;
  await cp(path, copy, { recursive: true });
  await rm(join(copy, "LOCK"), { force: true });
  const found = await openEmbeddedStore(copy, { nowMs: clock.nowMs });
  try {
    return await look(found);
  } finally {
    await found.close();
    await rm(copy, { recursive: true });
  }
}

/** Waits, with no call that could write, until nothing fails any more. */
async function untilWorking() {
  await expect.poll(() => disk.failures, { timeout: 5_000 }).toBe(0);
  await expect.poll(() => works(), { timeout: 5_000 }).toBe(true);
}
const works = () =>
  store.reserve(reservation("probe", [])).then(
    () => true,
    () => false,
  );

test("the store works again by itself, and has all that was acknowledged", async () => {
  await store.reserve(reservation("held", claims));
  await store.reserve(reservation("spent", claims));
  await store.settle([settlement("done", 30, claims)]);
  disk.failures = 3;
  await expect(store.settle([settlement("spent", 7)])).rejects.toMatchObject(noSpace);
  await expect(store.reserve(reservation("next", claims))).rejects.toMatchObject(noSpace);
  await untilWorking();
  await store.reserve(reservation("next", claims));
  const expected = [{ used: 37, held: 20 }];
  expect(await sums()).toEqual(expected);
  expect(await afterKill(sums)).toEqual(expected);
  expect((await afterKill(recordIds)).sort()).toEqual(["done", "spent"]);
  clock.advance(30_000);
  expect((await afterKill((found) => found.expire())).sort()).toEqual(["held", "next", "probe"]);
});

test("it is not tried more often than now and then, and not after it was closed", async () => {
  disk.failures = 1_000;
  await expect(store.reserve(reservation("a", claims))).rejects.toMatchObject(noSpace);
  await new Promise((resolve) => setTimeout(resolve, 600));
  expect(disk.writes).toBeGreaterThanOrEqual(2);
  expect(disk.writes).toBeLessThanOrEqual(3);
  await expect(store.close()).rejects.toMatchObject(noSpace);
  const writes = disk.writes;
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  expect(disk.writes).toBe(writes);
});

test("what is refused because it could not be written is not held, and never charged", async () => {
  disk.failures = 1;
  const lease = reservation("lease", claims, { parts: 5 });
  const refused = [store.reserve(reservation("a", claims)), store.reserve(lease)];
  for (const one of refused) await expect(one).rejects.toMatchObject(noSpace);
  expect(await sums()).toEqual([{ used: 0, held: 0 }]);
  await untilWorking();
  expect(await afterKill(sums)).toEqual([{ used: 0, held: 0 }]);
  clock.advance(30_000);
  expect(await store.expire()).toEqual(["probe"]);
  expect(await sums()).toEqual([{ used: 0, held: 0 }]);
  expect(await recordIds(store)).toEqual(["probe"]);
});

test("what was held before stays held where asking again cannot be written", async () => {
  await store.reserve(reservation("a", claims));
  disk.failures = 1;
  const both = ["a", "b"].map((id) => store.reserve(reservation(id, claims)));
  for (const one of both) await expect(one).rejects.toMatchObject(noSpace);
  expect(await sums()).toEqual([{ used: 0, held: 10 }]);
  await untilWorking();
  expect(await afterKill(sums)).toEqual([{ used: 0, held: 10 }]);
  await store.settle([settlement("a", 6)]);
  expect(await sums()).toEqual([{ used: 6, held: 0 }]);
});

test("release and shrink give back also while nothing can be written", async () => {
  await store.reserve(reservation("a", claims));
  await store.reserve(reservation("lease", claims, { parts: 5 }));
  disk.failures = 2;
  await expect(store.settle([settlement("s", 3, claims)])).rejects.toMatchObject(noSpace);
  await expect(store.release("a")).rejects.toMatchObject(noSpace);
  await expect(store.shrink("lease", 2)).rejects.toMatchObject(noSpace);
  expect(await sums()).toEqual([{ used: 3, held: 20 }]);
  await untilWorking();
  expect(await afterKill(sums)).toEqual([{ used: 3, held: 20 }]);
});

test("a settlement that is sent again after a failed write is told as the first", async () => {
  await store.reserve(reservation("late", claims));
  clock.advance(30_000);
  await store.expire();
  disk.failures = 1;
  const batch = [settlement("late", 9), settlement("new", 5, claims), settlement("new", 5, claims)];
  await expect(store.settle(batch)).rejects.toMatchObject(noSpace);
  await untilWorking();
  expect(await store.settle(batch)).toMatchObject([
    { id: "late", duplicate: false, replaced: { id: "late", reason: "hold expired" } },
    { id: "new", duplicate: false },
    { id: "new", duplicate: true },
  ]);
  const duplicates = (await store.settle(batch)).map(({ duplicate }) => duplicate);
  expect(duplicates).toEqual([true, true, true]);
  expect(await sums()).toEqual([{ used: 14, held: 0 }]);
});

test("holds whose expiry could not be written at once are told once, when it is", async () => {
  await store.reserve(reservation("a", claims));
  await store.reserve(reservation("lease", claims, { parts: 5 }));
  clock.advance(30_000);
  disk.failures = 1;
  await expect(store.expire()).rejects.toMatchObject(noSpace);
  expect(expired).toEqual([]);
  await untilWorking();
  expect((await store.expire()).sort()).toEqual(["a", "lease"]);
  expect(expired).toEqual([expiryRecordOf("a")]);
  expect(await store.expire()).toEqual([]);
  expect(expired).toHaveLength(1);
});
