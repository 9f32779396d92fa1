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
  | { problem: string; field: "apiVersion" | "kind" }
  /** Some other Kubernetes object. */
  | "ignored";

/** Which kind an object is of. Near misses are problems, so that no typo switches a limit off. */
export function findKind(
  kinds: readonly PolicyKind[],
  apiVersion: string,
  kind: string,
): KindMatch {
  const exact = kinds.find(
    (known) =>
      known.kind === kind &&
      (known.apiVersion === apiVersion || known.olderVersions?.includes(apiVersion) === true),
  );
  if (exact !== undefined) return { kind: exact };
  const siblings = kinds.filter((known) => groupOf(known.apiVersion) === groupOf(apiVersion));
  const sameKind = siblings.find((known) => known.kind === kind);
  if (sameKind !== undefined) {
    const problem = `expected "${sameKind.apiVersion}", found "${apiVersion}"`;
    return { problem, field: "apiVersion" };
  }
  // A GRPCRoute is near an HTTPRoute, but no typo of it.
  const names = siblings.flatMap((known) => (known.isForeign === true ? [] : [known.kind]));
  const closest = closestName(kind, names);
  // Kuadrant's RateLimitPolicy is near TokenRateLimitPolicy, too, but no typo of it.
  const isTypo = closest !== null && Math.abs(closest.length - kind.length) <= 2;
  if (!isTypo && groupOf(apiVersion) !== OWN_GROUP) return "ignored";
  const expected = closest ?? names.join(" or ");
  return { problem: `unknown kind "${kind}": expected ${expected}`, field: "kind" };
}
