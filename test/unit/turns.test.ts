import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { createTurns } from "../../limitador-bridge/turns.ts";

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
