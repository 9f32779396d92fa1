import { expect, test } from "vitest";
import { Shadow } from "../../../limitador-bridge/ledger/store/resilient/shadow.ts";
import { claim, reservation } from "../../store/contract/fixture.ts";

test("a hold of the shadow's own ends at its time and charges its estimate", () => {
  const shadow = new Shadow();
  const asked = (id: string) =>
    reservation(id, [claim({ limit: 100, reserve: 60, onExpiry: 25 })], { holdMs: 1_000 });
  expect(shadow.reserve(asked("a"), 5_000).admitted).toBe(true);
  shadow.expire(5_999);
  expect(shadow.reserve(asked("b"), 5_999).admitted).toBe(false);
  shadow.expire(6_000);
  expect(shadow.reserve(asked("b"), 6_000)).toMatchObject({
    admitted: true,
    counters: [{ used: 25, held: 60, remaining: 15 }],
  });
});
