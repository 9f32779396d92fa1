/** A hold over several shards that is cut short can still be found, and given back, later. */
import { expect, test } from "vitest";
import { Reservations } from "../../../limitador-bridge/ledger/store/redis/reservations.ts";
import type {
  Reserved,
  ShardCalls,
} from "../../../limitador-bridge/ledger/store/redis/shard-calls.ts";
import { type Shard, Shards } from "../../../limitador-bridge/ledger/store/redis/shards.ts";
import { StoreError } from "../../../limitador-bridge/ledger/store/store-error.ts";
import { claim, reservation } from "../../store/contract/fixture.ts";

const shards = new Shards("p", 64);
const home = shards.homeOf("a").index;
const other = shards.ofClaim({ key: "alice" }).index;
const away = new StoreError("unavailable", "redis: away");

/** Calls to a home that answers and to others that do not, where `isAway`. */
function fakeCalls(isAway: { reserve: boolean; release: boolean }) {
  const released: number[] = [];
  const held: Reserved = {
    verdict: "held",
    option: 0,
    answers: [{ counters: new Map(), violated: new Map() }],
  };
  const calls = {
    reserve: async ({ index }: Shard) => {
      if (index !== home && isAway.reserve) throw away;
      return held;
    },
    release: async ({ index }: Shard) => {
      if (index !== home && isAway.release) throw away;
      released.push(index);
    },
  };
  return { calls: calls as unknown as ShardCalls, released };
}

test.each([
  { isAway: { reserve: true, release: false }, given: [other, home] },
  // Without its home nobody would know what the other shard holds.
  { isAway: { reserve: true, release: true }, given: [] },
])("what is given back after a later shard fails: $isAway", async ({ isAway, given }) => {
  expect(home).not.toBe(other);
  const { calls, released } = fakeCalls(isAway);
  const reservations = new Reservations(shards, calls, () => {});
  const request = reservation("a", [claim({ key: "alice", reserve: 10 })]);
  await expect(reservations.reserve(request)).rejects.toBe(away);
  expect(released).toEqual(given);
});
