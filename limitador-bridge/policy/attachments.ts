/**
 * What each TokenRateLimitPolicy is attached to, of the Gateways and HTTPRoutes that are known. No
 * policy is ever left out: one whose target is not known counts more requests than was meant, and
 * a warning says so. Pure.
 */
import { addTo } from "../multi-map.ts";
import { type GatewayRef, gatewayKey, mayBeSame } from "./gateway-ref.ts";
import { type HttpRoute, type RouteRule, ruleNamed } from "./http-route.ts";
import type { TokenRateLimitPolicy } from "./kinds/token-rate-limit.ts";
import type { PolicyProblem } from "./policy-set.ts";
import type { SourceDocument } from "./source-document.ts";

/** A policy in force and the document that it is made of. */
export interface SourcedPolicy {
  source: SourceDocument;
  policy: TokenRateLimitPolicy;
}

type PolicyLists<Key> = Map<Key, TokenRateLimitPolicy[]>;

export interface Attachments {
  gateways: TokenRateLimitPolicy[];
  /**
   * By the key of a parentRef, those of them for a Gateway of that name in another namespace, where
   * none is for that very Gateway, nor any route for theirs: perhaps it is the one that is meant.
   * They count the requests of its routes beside the other limits.
   */
  stray: PolicyLists<string>;
  routes: PolicyLists<HttpRoute>;
  rules: PolicyLists<RouteRule>;
  /** For rules that their route does not have: they count all its requests, beside the others. */
  lostRules: PolicyLists<HttpRoute>;
  /** For routes that are not known. */
  lost: TokenRateLimitPolicy[];
  /** They are all for one route, and no other is known: it is the route of all requests. */
  isLostRouteAll: boolean;
  /** By the policy's document; those that say the same are the same. */
  warnings: ReadonlyMap<SourceDocument, PolicyProblem[]>;
}

function quoted(name: string): string {
  return JSON.stringify(name);
}

class Attaching {
  readonly gateways: TokenRateLimitPolicy[] = [];
  readonly stray: PolicyLists<string> = new Map();
  readonly routes: PolicyLists<HttpRoute> = new Map();
  readonly rules: PolicyLists<RouteRule> = new Map();
  readonly lostRules: PolicyLists<HttpRoute> = new Map();
  readonly lost: SourcedPolicy[] = [];
  readonly warnings = new Map<SourceDocument, PolicyProblem[]>();
  /** By message. */
  readonly said = new Map<string, PolicyProblem>();
  readonly known = new Map<string, HttpRoute[]>();
  /** By name, the Gateways that routes are attached to. */
  readonly parents = new Map<string, GatewayRef[]>();
  /** Whether every route says which Gateways it is attached to. */
  readonly sayParents: boolean;
  /** Keys of the Gateways that policies are for. */
  readonly targets: ReadonlySet<string>;

  constructor(routes: readonly HttpRoute[], policies: readonly SourcedPolicy[]) {
    for (const route of routes) addTo(this.known, route.name, route);
    const refs = routes.flatMap(({ gateways }) => gateways);
    for (const [, ref] of new Map(refs.map((each) => [gatewayKey(each), each]))) {
      addTo(this.parents, ref.name, ref);
    }
    this.sayParents = routes.every(({ gateways }) => gateways.length > 0);
    this.targets = new Set(
      policies.flatMap(({ policy: { targetRef, targetNamespace } }) =>
        targetRef.kind === "Gateway"
          ? [gatewayKey({ namespace: targetNamespace, name: targetRef.name })]
          : [],
      ),
    );
  }

  /**
   * What is wrong with many policies in the same way is said once, of the first of them: the place
   * of each would cost reading them all with the slower parser.
   */
  warn({ source }: SourcedPolicy, field: "name" | "sectionName", message: string): void {
    let warning = this.said.get(message);
    if (warning === undefined) {
      warning = source.problem(["spec", "targetRef", field], message);
      this.said.set(message, warning);
    }
    addTo(this.warnings, source, warning);
  }

  attach(sourced: SourcedPolicy): void {
    const { policy, source } = sourced;
    const { kind, name, sectionName } = policy.targetRef;
    if (kind === "Gateway") {
      this.attachToGateway(sourced);
      return;
    }
    // A target lies in the namespace of its policy.
    const route = this.known.get(name)?.find(({ namespace }) => namespace === source.namespace);
    if (route === undefined) this.lost.push(sourced);
    else if (sectionName === undefined) addTo(this.routes, route, policy);
    else this.attachToRule(sourced, route, sectionName);
  }

  attachToGateway(sourced: SourcedPolicy): void {
    const { name, sectionName } = sourced.policy.targetRef;
    this.gateways.push(sourced.policy);
    if (sectionName !== undefined) {
      const message =
        `the listener ${quoted(sectionName)} is not known here: ` +
        `in force for all requests of the Gateway ${quoted(name)}`;
      this.warn(sourced, "sectionName", message);
    }
    if (this.known.size > 0) this.checkParents(sourced);
  }

  /** Whether any route is attached to the policy's Gateway; a limit is not lost for a namespace. */
  checkParents(sourced: SourcedPolicy): void {
    const { targetRef, targetNamespace: namespace } = sourced.policy;
    const { name } = targetRef;
    const parents = this.parents.get(name) ?? [];
    if (parents.some((ref) => mayBeSame(ref, { namespace, name }))) return;
    const unclaimed = parents.filter((ref) => !this.targets.has(gatewayKey(ref)));
    for (const ref of unclaimed) addTo(this.stray, gatewayKey(ref), sourced.policy);
    if (unclaimed.length === 0 && !this.sayParents) return;
    const [other] = unclaimed.length > 0 ? unclaimed : parents;
    const where =
      other === undefined
        ? ""
        : ` in the namespace ${quoted(namespace ?? "")} ` +
          `(there is one in the namespace ${quoted(other.namespace ?? "")})`;
    const meaning =
      unclaimed.length > 0
        ? "in force for its requests all the same, beside their other limits"
        : "in force only for requests that none of them takes";
    const missing = `no HTTPRoute in the policies folder has the parentRef ${quoted(name)}`;
    this.warn(sourced, "name", `${missing}${where}: ${meaning}`);
  }

  attachToRule(sourced: SourcedPolicy, route: HttpRoute, section: string): void {
    const rule = ruleNamed(route, section);
    if (rule !== undefined) {
      addTo(this.rules, rule, sourced.policy);
      return;
    }
    addTo(this.lostRules, route, sourced.policy);
    const message =
      `the HTTPRoute ${quoted(route.name)} has no rule ${quoted(section)}: ` +
      "in force for all requests of the route, beside its other limits";
    this.warn(sourced, "sectionName", message);
  }

  /** Whether the lost ones may stand for the only route that there is. */
  isLostRouteAll(): boolean {
    if (this.known.size > 0) return false;
    const targets = this.lost.map(({ source, policy: { targetRef } }) =>
      JSON.stringify([source.namespace, targetRef.name]),
    );
    return (
      new Set(targets).size === 1 &&
      this.lost.every(({ policy }) => policy.targetRef.sectionName === undefined)
    );
  }

  warnOfLost(isRouteAll: boolean): void {
    for (const sourced of this.lost) {
      const { name, sectionName } = sourced.policy.targetRef;
      const other = this.known.get(name)?.[0];
      const where =
        other === undefined ? "" : ` (there is one in the namespace ${quoted(other.namespace)})`;
      const rule = sectionName === undefined ? "" : ` with the rule ${quoted(sectionName)}`;
      const missing = `no HTTPRoute ${quoted(name)}${rule} in the policies folder${where}`;
      const meaning = isRouteAll
        ? "taken for the route of all requests, in place of Gateway defaults"
        : "in force for all requests, beside Gateway defaults";
      this.warn(sourced, "name", `${missing}: ${meaning}`);
    }
  }
}

/** Attaches policies to their targets, of all the HTTPRoutes that are known. */
export function attachPolicies(
  policies: readonly SourcedPolicy[],
  known: readonly HttpRoute[],
): Attachments {
  const attaching = new Attaching(known, policies);
  for (const sourced of policies) attaching.attach(sourced);
  const isLostRouteAll = attaching.isLostRouteAll();
  attaching.warnOfLost(isLostRouteAll);
  const { gateways, stray, routes, rules, lostRules, lost, warnings } = attaching;
  return {
    gateways,
    stray,
    routes,
    rules,
    lostRules,
    lost: lost.map(({ policy }) => policy),
    isLostRouteAll,
    warnings,
  };
}
