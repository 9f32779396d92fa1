import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, expect, test } from "vitest";
import type { OpenedLevel } from "../../limitador-bridge/ledger/store/embedded/open-level.ts";
import { openLevel } from "../../limitador-bridge/ledger/store/embedded/open-level.ts";
import { EmbeddedStore } from "../../limitador-bridge/ledger/store/embedded.ts";
import { claim, reservation, TestClock } from "./contract/fixture.ts";

const folder = await mkdtemp(join(tmpdir(), "tollgate-counters-"));
afterAll(() => rm(folder, { recursive: true, force: true }));

let count = 0;
let level: OpenedLevel;
let store: EmbeddedStore;
let clock = new TestClock();

beforeEach(async () => {
  count += 1;
  clock = new TestClock();
  level = await openLevel(join(folder, String(count)));
  store = new EmbeddedStore(level, { nowMs: clock.nowMs });
});
afterEach(() => store.close().catch(() => {}));

let ids = 0;
function reserve(keys: string[], lengthMs = 60_000): Promise<unknown> {
  ids += 1;
  const window = { kind: "fixed", lengthMs } as const;
  return store.reserve(
    reservation(
      `id-${ids}`,
      keys.map((key) => claim({ key, window, reserve: 1 })),
    ),
  );
}

const keysOf = async (prefix: string, limit: number) =>
  (await store.counters(prefix, limit)).map(({ key }) => key);

test("those that begin so are found in order, as many as are asked for", async () => {
  await reserve(["b", "a/2", "a/10", "a", "á/1", "a/1"]);
  expect(await keysOf("a/", 10)).toEqual(["a/1", "a/10", "a/2"]);
  expect(await keysOf("a/", 2)).toEqual(["a/1", "a/10"]);
  expect(await keysOf("a\n", 10)).toEqual(["a"]);
  expect(await keysOf("", 10)).toEqual(["a", "a/1", "a/10", "a/2", "b", "á/1"]);
  expect(await keysOf("c", 10)).toEqual([]);
});

test("one that is not written yet is among them, at its place", async () => {
  await reserve(["k1", "k3"]);
  const writing = reserve(["k2"]);
  expect(await keysOf("k", 2)).toEqual(["k1", "k2"]);
  await writing;
  expect(await keysOf("k", 3)).toEqual(["k1", "k2", "k3"]);
});

test("those whose window is over take no place", async () => {
  await reserve(["a", "b", "c"], 1_000);
  await reserve(["x", "y"]);
  clock.advance(1_000);
  expect(await keysOf("", 1)).toEqual(["x"]);
  expect(await keysOf("", 5)).toEqual(["x", "y"]);
});

test("while LevelDB is closed, those in memory are told", async () => {
  await reserve(["b", "a"]);
  await level.db.close();
  expect(await keysOf("", 1)).toEqual(["a"]);
  expect(await keysOf("b", 5)).toEqual(["b"]);
});
