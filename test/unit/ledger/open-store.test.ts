import { describe, expect, test } from "vitest";
import { Clock } from "../../../limitador-bridge/ledger/store/clock.ts";
import { openStore } from "../../../limitador-bridge/ledger/store/open-store.ts";

describe("openStore", () => {
  test("memory:", async () => {
    const store = await openStore("memory:");
    await store.ping();
    expect(await store.counters("", 1)).toEqual([]);
    await store.close();
  });

  test.each(["", "memory", "memory:x", "embedded:", "mysql://root:secret@host/db"])(
    "%j is refused, saying what there is and no password",
    async (url) => {
      const error = await openStore(url).catch((reason: Error) => reason);
      expect(error).toMatchObject({ code: "unsupported_scheme" });
      expect((error as Error).message).toMatch(/expected one of memory:, embedded:PATH/);
      expect((error as Error).message).not.toContain("secret");
    },
  );
});

test("time does not go back", () => {
  const times = [100, 90.5, 101.5, 0];
  const clock = new Clock(() => times.shift() as number);
  expect([clock.nowMs(), clock.nowMs(), clock.nowMs(), clock.nowMs()]).toEqual([
    100, 100, 101, 101,
  ]);
  clock.seen(500);
  times.push(200);
  expect(clock.nowMs()).toBe(500);
});
