/** The kinds that a policy folder may hold. To add a kind, add its file and list it here. */
import { closestName } from "../../cel/closest-name.ts";
import { apiRouteKind } from "./api-route.ts";
import { httpRouteKind } from "./http-route.ts";
import { identityKind } from "./identity.ts";
import type { PolicyKind } from "./kind.ts";
import { llmBudgetKind } from "./llm-budget.ts";
import { priceTableKind } from "./price-table.ts";
import { tokenRateLimitPolicyKind } from "./token-rate-limit.ts";

export const POLICY_KINDS: readonly PolicyKind[] = [
  tokenRateLimitPolicyKind,
  identityKind,
  priceTableKind,
  llmBudgetKind,
  apiRouteKind,
  httpRouteKind,
];

/** Everything in this API group is ours; what is not known there is a mistake. */
const OWN_GROUP = "tollgate.dev";

function groupOf(apiVersion: string): string {
  return apiVersion.split("/")[0] as string;
}

export type KindMatch =
  | { kind: PolicyKind }
  /** Its items are objects of this kind. */
  | { listOf: PolicyKind }
  | { problem: string; field: "apiVersion" | "kind" }
  /** Some other Kubernetes object. */
  | "ignored";

const LIST = "List";

function hasVersion({ apiVersion, olderVersions }: PolicyKind, wanted: string): boolean {
  return apiVersion === wanted || olderVersions?.includes(wanted) === true;
}

/**
 * Which kind an object is of, or which one it lists. Near misses are problems, so that no typo
 * switches a limit off.
 */
export function findKind(
  kinds: readonly PolicyKind[],
  apiVersion: string,
  kind: string,
): KindMatch {
  const named = (known: PolicyKind) => known.kind === kind || known.kind + LIST === kind;
  const exact = kinds.find((known) => named(known) && hasVersion(known, apiVersion));
  if (exact !== undefined) return exact.kind === kind ? { kind: exact } : { listOf: exact };
  // Kinds of the same name in groups that are not like any of ours are someone else's.
  const group = closestName(
    groupOf(apiVersion),
    kinds.map((known) => groupOf(known.apiVersion)),
  );
  if (group === null) return "ignored";
  const meant = kinds.find(named);
  if (meant !== undefined) {
    const problem = `expected "${meant.apiVersion}", found "${apiVersion}"`;
    return { problem, field: "apiVersion" };
  }
  // A GRPCRoute is near an HTTPRoute, but no typo of it.
  const names = kinds
    .filter((known) => groupOf(known.apiVersion) === group && known.isForeign !== true)
    .map((known) => known.kind);
  const closest = closestName(kind, [...names, ...names.map((name) => name + LIST)]);
  // Kuadrant's RateLimitPolicy is near TokenRateLimitPolicy, too, but no typo of it.
  const isTypo = closest !== null && Math.abs(closest.length - kind.length) <= 2;
  if (!isTypo && groupOf(apiVersion) !== OWN_GROUP) return "ignored";
  const expected = closest ?? names.join(" or ");
  return { problem: `unknown kind "${kind}": expected ${expected}`, field: "kind" };
}
