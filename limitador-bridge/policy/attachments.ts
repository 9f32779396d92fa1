/**
 * What each TokenRateLimitPolicy is attached to, of the Gateways and HTTPRoutes that are known. No
 * policy is ever left out: one whose target is not known counts more requests than was meant, and
 * a warning says so. Pure.
 */
import { addTo } from "../multi-map.ts";
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
  readonly routes: PolicyLists<HttpRoute> = new Map();
  readonly rules: PolicyLists<RouteRule> = new Map();
  readonly lostRules: PolicyLists<HttpRoute> = new Map();
  readonly lost: SourcedPolicy[] = [];
  readonly warnings = new Map<SourceDocument, PolicyProblem[]>();
  /** By message. */
  readonly said = new Map<string, PolicyProblem>();
  readonly known = new Map<string, HttpRoute[]>();
  /** Names of the Gateways that routes are attached to; null: to every one. */
  readonly parents: ReadonlySet<string> | null;

  constructor(routes: readonly HttpRoute[]) {
    for (const route of routes) addTo(this.known, route.name, route);
    this.parents = routes.every(({ gateways }) => gateways.length > 0)
      ? new Set(routes.flatMap(({ gateways }) => gateways))
      : null;
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
    if (this.known.size === 0 || this.parents === null || this.parents.has(name)) return;
    const message =
      `no HTTPRoute in the policies folder has the parentRef ${quoted(name)}: ` +
      "in force only for requests that none of them takes";
    this.warn(sourced, "name", message);
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
  const attaching = new Attaching(known);
  for (const sourced of policies) attaching.attach(sourced);
  const isLostRouteAll = attaching.isLostRouteAll();
  attaching.warnOfLost(isLostRouteAll);
  const { gateways, routes, rules, lostRules, lost, warnings } = attaching;
  return {
    gateways,
    routes,
    rules,
    lostRules,
    lost: lost.map(({ policy }) => policy),
    isLostRouteAll,
    warnings,
  };
}
