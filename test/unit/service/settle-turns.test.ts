import { expect, test } from "vitest";
import { MemoryStore } from "../../../limitador-bridge/ledger/store/memory.ts";
import { createService, settlementRecord } from "./service-fixture.ts";

test("of batches that come at once, each has a turn of the event loop to itself", async () => {
  let turn = 0;
  let isOver = false;
  const count = () => {
    turn++;
    if (!isOver) setImmediate(count);
  };
  const turns: number[] = [];
  const { app } = createService({
    store: () => {
      const store = new MemoryStore();
      const settle = store.settle.bind(store);
      store.settle = (settlements) => {
        turns.push(turn);
        return settle(settlements);
      };
      return store;
    },
  });
  await app.ready();
  setImmediate(count);
  const answers = await Promise.all(
    ["a", "b", "c", "d"].map((id) =>
      app.inject({
        method: "POST",
        url: "/v1/settle",
        body: { records: [settlementRecord(id, [1, 2])] },
      }),
    ),
  );
  isOver = true;
  expect(answers.map((answer) => answer.json())).toEqual(
    Array.from({ length: 4 }, () => ({ accepted: 1, duplicate: 0 })),
  );
  expect(new Set(turns).size).toBe(4);
});
