import { expect, test } from "vitest";
import { MemoryStore } from "../../limitador-bridge/ledger/store/memory.ts";
import { record, recordIds } from "./contract/fixture.ts";
import { storeContract } from "./contract.ts";

storeContract("memory", async (options) => new MemoryStore(options));

test("the oldest records go when there are too many", async () => {
  const store = new MemoryStore({ maxRecords: 10 });
  for (let n = 0; n < 25; n += 1) {
    const time = new Date(1_800_000_000_000 + n).toISOString();
    await store.appendRecord(record(`r${n}`, { time }));
  }
  expect(await recordIds(store)).toEqual(
    [24, 23, 22, 21, 20, 19, 18, 17, 16, 15].map((n) => `r${n}`),
  );
});
