import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { createTurns, inSlices } from "../../limitador-bridge/turns.ts";

test("callers take turns, in their order, and others are served in between", async () => {
  const turn = createTurns();
  const seen: string[] = [];
  const caller = async (name: string) => {
    await turn();
    seen.push(name);
  };
  const other = async () => {
    for (let n = 0; n < 4; n += 1) {
      await nextTurn();
      seen.push("-");
    }
  };
  await Promise.all([caller("a"), caller("b"), caller("c"), other()]);
  const names = seen.filter((name) => name !== "-");
  expect(names).toEqual(["a", "b", "c"]);
  expect(seen.join("")).not.toMatch(/ab|bc/);
});

test("slices come in their order, with a turn for others between two of them", async () => {
  const seen: string[] = [];
  const slices = async () => {
    for await (const slice of inSlices([1, 2, 3, 4, 5], 2)) seen.push(slice.join());
  };
  const other = async () => {
    for (let n = 0; n < 2; n += 1) {
      await nextTurn();
      seen.push("-");
    }
  };
  await Promise.all([slices(), other()]);
  expect(seen).toEqual(["1,2", "-", "3,4", "-", "5"]);
});

test("of nothing there is no slice", async () => {
  const seen: unknown[] = [];
  for await (const slice of inSlices([], 2)) seen.push(slice);
  expect(seen).toEqual([]);
});
