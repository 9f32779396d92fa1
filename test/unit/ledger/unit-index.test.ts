import { expect, test } from "vitest";
import { unitIndex } from "../../../limitador-bridge/ledger/store/redis/claim-args.ts";
import { UNITS } from "../../../limitador-bridge/ledger/store/store.ts";

test("stored counters and scripts on Redis know units by these numbers", () => {
  expect(UNITS.map((unit) => [unit, unitIndex(unit)])).toEqual([
    ["total", 1],
    ["input", 2],
    ["output", 3],
    ["requests", 4],
    ["usd", 5],
  ]);
});
