/** Claims by shard, and the answers of several shards put together. Pure. */
import type { DistinctClaims } from "../../claims.ts";
import type { CounterView, Refusal } from "../store.ts";
import type { Answer, Views } from "./shard-calls.ts";
import type { Shard, Shards } from "./shards.ts";

/** Home first, also without claims, then in the order of shards. */
export type Groups = Map<Shard, DistinctClaims>;

export function grouped(shards: Shards, claims: DistinctClaims, home: Shard): Groups {
  if (shards.all.length === 1) return new Map([[home, claims]]);
  const found: Groups = new Map([[home, new Map()]]);
  for (const [id, claim] of claims) {
    const shard = shards.ofClaim(claim);
    const group: DistinctClaims = found.get(shard) ?? new Map();
    found.set(shard, group.set(id, claim));
  }
  const others = [...found].filter(([shard]) => shard !== home);
  others.sort(([a], [b]) => a.index - b.index);
  return new Map([[home, found.get(home) as DistinctClaims], ...others]);
}

/** Indexes of the shards besides home. */
export function othersOf(groups: Groups): number[] {
  return [...groups.keys()].slice(1).map(({ index }) => index);
}

/** What the shards of one option say of it. */
export function refusalOf(answers: Answer[], claims: DistinctClaims): Refusal {
  const inOrder = (part: keyof Answer) =>
    viewsOf(
      answers.map((answer) => answer[part]),
      claims,
    );
  return { counters: inOrder("counters"), violated: inOrder("violated") };
}

/** The views of all shards, in the order of the claims. */
export function viewsOf(parts: Views[], claims: DistinctClaims): CounterView[] {
  const found = new Map(parts.flatMap((part) => [...part]));
  const ordered: Views = new Map();
  for (const id of [...claims.keys(), ...found.keys()]) {
    const view = found.get(id);
    if (view !== undefined) ordered.set(id, view);
  }
  return [...ordered.values()];
}
