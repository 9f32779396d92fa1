/** Claims by shard, and the answers of several shards put together. Pure. */
import { distinctClaims } from "../../book.ts";
import { counterId } from "../../counter.ts";
import type { CounterView, LimitClaim, ReserveResult } from "../store.ts";
import type { Reserved, ShardClaims } from "./shard-calls.ts";
import type { Shard, Shards } from "./shards.ts";

/** Home first, also without claims, then in the order of shards. */
export type Groups = Map<Shard, ShardClaims>;

export function grouped(shards: Shards, claims: LimitClaim[], home: Shard): Groups {
  const found: Groups = new Map([[home, new Map()]]);
  for (const [id, claim] of distinctClaims(claims)) {
    const shard = shards.ofClaim(claim);
    const group = found.get(shard) ?? new Map<string, LimitClaim>();
    found.set(shard, group.set(id, claim));
  }
  const others = [...found].filter(([shard]) => shard !== home);
  others.sort(([a], [b]) => a.index - b.index);
  return new Map([[home, found.get(home) as ShardClaims], ...others]);
}

export function resultOf(parts: Reserved[], claims: LimitClaim[]): ReserveResult {
  const counters = viewsOf(parts, claims);
  if (parts.every(({ verdict }) => verdict !== "denied")) return { admitted: true, counters };
  return { admitted: false, counters, violated: parts.flatMap((part) => part.violated) };
}

/** Indexes of the shards besides home. */
export function othersOf(groups: Groups): number[] {
  return [...groups.keys()].slice(1).map(({ index }) => index);
}

/** The views of all shards, in the order of the claims. */
export function viewsOf(
  parts: { counters: Map<string, CounterView> }[],
  claims: LimitClaim[],
): CounterView[] {
  const found = new Map(parts.flatMap((part) => [...part.counters]));
  const ordered = new Map<string, CounterView>();
  for (const id of [...claims.map(counterId), ...found.keys()]) {
    const view = found.get(id);
    if (view !== undefined) ordered.set(id, view);
  }
  return [...ordered.values()];
}
