/**
 * How holds and leases end, over the shards that they are in: settled, released or shrunk. On a
 * single node each is one script call. A settlement settles the other shards first and home last:
 * what is cut short is done again as a whole by the caller, and each shard counts it once.
 *
 * A settlement under a lease is settled in all shards of the lease, each of which takes one part
 * off. A shard that does not know the lease any more charges the claims that it counts.
 */
import { dropOldest } from "../../../drop-oldest.ts";
import { type DistinctClaims, distinctClaims } from "../../claims.ts";
import type { Settlement, SettleResult } from "../store.ts";
import { type Groups, grouped, viewsOf } from "./groups.ts";
import type { Reservations } from "./reservations.ts";
import type { SettledPart, ShardCalls } from "./shard-calls.ts";
import type { Shard, Shards } from "./shards.ts";

/** Ids whose shards are remembered, to save a look-up at their settlement. */
const maxRemembered = 200_000;
const noClaims: DistinctClaims = new Map();
const unknown = { state: "unknown" as const, otherShards: [] };

/** Where an id is settled. */
interface Place {
  /** Besides home. */
  others: Shard[];
  lease: { id: string; shards: Shard[] } | null;
}

export class Settlements {
  readonly #shards: Shards;
  readonly #calls: ShardCalls;
  readonly #reservations: Pick<Reservations, "views">;
  /** By id, the other shards of holds made here. */
  readonly #remembered = new Map<string, number[]>();

  constructor(shards: Shards, calls: ShardCalls, reservations: Pick<Reservations, "views">) {
    this.#shards = shards;
    this.#calls = calls;
    this.#reservations = reservations;
  }

  /** Saves a look-up of a hold that is in these shards besides home. */
  remember(id: string, otherShards: number[]): void {
    this.#remembered.set(id, otherShards);
    dropOldest(this.#remembered, maxRemembered);
  }

  /** @param touched gets the shards that have to be durable */
  async settle(settlement: Settlement, touched: Set<Shard>): Promise<SettleResult> {
    const { id } = settlement;
    const claims = distinctClaims(settlement.claims);
    const home = this.#shards.homeOf(id);
    const groups = grouped(this.#shards, claims, home);
    const place = await this.#placeOf(settlement, home, groups);
    if (place === null) {
      // The first answer may have been lost, and what it stands for too.
      for (const shard of groups.keys()) touched.add(shard);
      const counters = await this.#reservations.views(id, claims, groups);
      return { id, duplicate: true, counters, charges: [] };
    }
    const { others, lease } = place;
    const settleIn = (shard: Shard, charged: boolean, home: { otherShards: number[] } | null) => {
      touched.add(shard);
      const own = charged ? (groups.get(shard) ?? noClaims) : noClaims;
      const leaseId = lease?.id ?? null;
      return this.#calls.settle(shard, settlement, { claims: own, home, lease: leaseId });
    };
    const parts = await Promise.all(others.map((shard) => settleIn(shard, true, null)));
    // The lease has ended meanwhile: claims in other shards than its own are charged as well.
    const hasEnded = lease !== null && parts.some(({ by }) => by === "claims");
    const unasked = [...groups.keys()].filter((one) => one !== home && !others.includes(one));
    const further = hasEnded ? unasked : [];
    parts.push(...(await Promise.all(further.map((shard) => settleIn(shard, true, null)))));
    const otherShards = [...others, ...further].map(({ index }) => index);
    const isCharged = lease === null || hasEnded || lease.shards.includes(home);
    const last = await settleIn(home, isCharged, { otherShards });
    this.#remembered.delete(id);
    return resultOf(id, claims, [last, ...parts]);
  }

  /** null: the id is settled, in all its shards. */
  async #placeOf({ id, lease }: Settlement, home: Shard, groups: Groups): Promise<Place | null> {
    const single = this.#shards.all.length === 1;
    const own = this.#remembered.get(id);
    if (own !== undefined) return { others: this.#at(own), lease: null };
    const { state, otherShards } = single ? unknown : await this.#calls.lookup(home, id);
    if (state === "settled") return null;
    if (state !== "unknown") return { others: this.#at(otherShards), lease: null };
    const leased = lease === undefined ? null : await this.#shardsOf(lease);
    const shards = leased ?? [...groups.keys()];
    const others = shards.filter((shard) => shard !== home);
    return {
      others,
      lease: leased !== null && lease !== undefined ? { id: lease, shards: leased } : null,
    };
  }

  #at(indexes: number[]): Shard[] {
    return indexes.map((index) => this.#shards.all[index] as Shard);
  }

  /** All shards of a hold or lease, home first; null where none is held. */
  async #shardsOf(id: string): Promise<Shard[] | null> {
    const home = this.#shards.homeOf(id);
    if (this.#shards.all.length === 1) return [home];
    const remembered = this.#remembered.get(id);
    if (remembered !== undefined) return [home, ...this.#at(remembered)];
    const { state, otherShards } = await this.#calls.lookup(home, id);
    return state === "held" ? [home, ...this.#at(otherShards)] : null;
  }

  /** Gives a hold back; home last, since it says where the others are. */
  async release(id: string): Promise<void> {
    const [home, ...others] = (await this.#shardsOf(id)) ?? [];
    if (home === undefined) return;
    for (const shard of others) await this.#calls.release(shard, id);
    await this.#calls.release(home, id);
    this.#remembered.delete(id);
  }

  /** Leaves a lease no more than so many parts; home last. */
  async shrink(id: string, parts: number): Promise<void> {
    const [home, ...others] = (await this.#shardsOf(id)) ?? [];
    if (home === undefined) return;
    await Promise.all(others.map((shard) => this.#calls.shrink(shard, id, parts)));
    await this.#calls.shrink(home, id, parts);
    if (parts === 0) this.#remembered.delete(id);
  }
}

/** What the shards say together; home first, which alone has the record. */
function resultOf(id: string, claims: DistinctClaims, parts: SettledPart[]): SettleResult {
  const counters = viewsOf(
    parts.map((part) => part.counters),
    claims,
  );
  const charges = parts.flatMap((part) => part.charges);
  const [home] = parts;
  const result = { id, duplicate: home?.by === "duplicate", counters, charges };
  const replaced = home?.replaced ?? null;
  return replaced === null ? result : { ...result, replaced };
}
