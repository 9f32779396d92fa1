import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openLevel } from "../../limitador-bridge/ledger/store/embedded/open-level.ts";
import { EmbeddedStore } from "../../limitador-bridge/ledger/store/embedded.ts";
import { claim, reservation, TestClock } from "./contract/fixture.ts";

const folder = await mkdtemp(join(tmpdir(), "tollgate-expiry-"));
afterAll(() => rm(folder, { recursive: true, force: true }));

test("what has ended is on disk, some hundred holds at a time", async () => {
  const clock = new TestClock();
  const level = await openLevel(folder);
  const syncs: unknown[] = [];
  const batch = level.db.batch.bind(level.db) as () => ReturnType<typeof level.db.batch>;
  Object.assign(level.db, {
    batch() {
      const chained = batch();
      const write = chained.write.bind(chained);
      return Object.assign(chained, {
        write(options: { sync?: boolean }) {
          syncs.push(options.sync);
          return write(options);
        },
      });
    },
  });
  const store = new EmbeddedStore(level, { nowMs: clock.nowMs });
  const claims = [claim({ limit: 100_000, reserve: 10, onExpiry: 4 })];
  const ids = Array.from({ length: 1_200 }, (_, index) => `h${index}`);
  await Promise.all(ids.map((id) => store.reserve(reservation(id, claims))));
  expect(syncs).toEqual([false]);
  clock.advance(30_000);
  expect(await store.expire()).toHaveLength(1_200);
  expect(syncs).toEqual([false, true, true, true]);
  await store.close();
});
