/** Parts that are begun while all of them are being stopped. */
import { expect, test } from "vitest";
import { type Parts, startPart } from "../../../limitador-bridge/cli/keep-up.ts";
import { start } from "../../../limitador-bridge/cli/process.ts";

const STOPPING = "nothing is started any more: all parts are being stopped";
const part = () => start("the part", process.execPath, ["-e", "setInterval(() => {}, 1000)"], {});

test("a part that was on its way when the stop began is ended", async () => {
  const parts: Parts = { started: [], isStopping: false };
  const begun = part();
  const starting = startPart(parts, async () => {
    const running = await begun;
    parts.isStopping = true;
    return running;
  });
  await expect(starting).rejects.toThrow(STOPPING);
  expect((await begun).isRunning()).toBe(false);
  expect(parts.started).toEqual([]);
});

test("no part is begun after that", async () => {
  let begun = 0;
  const parts: Parts = { started: [], isStopping: true };
  const starting = startPart(parts, () => {
    begun += 1;
    return part();
  });
  await expect(starting).rejects.toThrow(STOPPING);
  expect([begun, parts.started]).toEqual([0, []]);
});
