/** Which limits are in force for requests of each rule of each HTTPRoute, and elsewhere. Pure. */
import type { Attachments } from "./attachments.ts";
import { effectiveLimits } from "./effective-limits.ts";
import { gatewayKey, mayBeSame } from "./gateway-ref.ts";
import type { HttpRoute, RouteRule } from "./http-route.ts";
import type { CompiledLimit, TokenRateLimitPolicy } from "./kinds/token-rate-limit.ts";
import type { RouteSection } from "./route-table.ts";

type Policies = readonly TokenRateLimitPolicy[];
type Limits = readonly CompiledLimit[];

const NONE: Policies = [];

/** Lists of the same limits are the same list, so that one index can serve them all. */
export interface TargetLimits {
  /** For requests that no route takes. */
  elsewhere: Limits;
  rules: ReadonlyMap<RouteRule, Limits>;
}

/** What the levels above leave of the limits of these policies, whatever else there is. */
function leftOf(above: readonly Policies[], policies: Policies): Limits {
  const own = new Set(policies.flatMap(({ limits }) => limits));
  return effectiveLimits([...above, policies]).filter((limit) => own.has(limit));
}

class LimitsOfRules {
  readonly #attachments: Attachments;
  readonly #byGateways = new Map<string, Policies>();
  readonly #plain = new Map<Policies, Limits>();
  readonly #ofRoutes = new Map<HttpRoute, Limits>();

  constructor(attachments: Attachments) {
    this.#attachments = attachments;
  }

  /** The policies on the route's Gateways. */
  #gatewaysOf({ gateways: refs }: HttpRoute): Policies {
    const { gateways } = this.#attachments;
    const key = refs.map(gatewayKey).toSorted().join();
    let found = this.#byGateways.get(key);
    if (found === undefined) {
      const own = gateways.filter(
        ({ targetRef: { name }, targetNamespace: namespace }) =>
          refs.length === 0 || refs.some((ref) => mayBeSame(ref, { namespace, name })),
      );
      found = own.length === gateways.length ? gateways : own;
      this.#byGateways.set(key, found);
    }
    return found;
  }

  /** Where nothing but these policies of Gateways, and those without a known route, apply. */
  plain(gateways: Policies): Limits {
    let limits = this.#plain.get(gateways);
    if (limits === undefined) {
      const { lost, isLostRouteAll } = this.#attachments;
      limits = isLostRouteAll
        ? effectiveLimits([gateways, lost])
        : [...effectiveLimits([gateways]), ...leftOf([gateways], lost)];
      this.#plain.set(gateways, limits);
    }
    return limits;
  }

  /** The policies that are perhaps meant for one of the route's Gateways. */
  #strayOf({ gateways }: HttpRoute): Policies {
    const { stray } = this.#attachments;
    if (stray.size === 0) return NONE;
    return [...new Set(gateways.flatMap((ref) => stray.get(gatewayKey(ref)) ?? NONE))];
  }

  #combined(gateways: Policies, route: HttpRoute, ofRule: Policies): Limits {
    const { routes, lostRules, lost } = this.#attachments;
    const own = routes.get(route) ?? NONE;
    return [
      ...effectiveLimits([gateways, own, ofRule]),
      ...leftOf([gateways, own], lostRules.get(route) ?? NONE),
      ...effectiveLimits([this.#strayOf(route)]),
      ...leftOf([gateways], lost),
    ];
  }

  of({ route, rule }: RouteSection): Limits {
    const { routes, rules, lostRules } = this.#attachments;
    const gateways = this.#gatewaysOf(route);
    const ofRule = rules.get(rule);
    if (ofRule !== undefined) return this.#combined(gateways, route, ofRule);
    const isPlain = !routes.has(route) && !lostRules.has(route);
    if (isPlain && this.#strayOf(route).length === 0) return this.plain(gateways);
    let limits = this.#ofRoutes.get(route);
    if (limits === undefined) {
      limits = this.#combined(gateways, route, NONE);
      this.#ofRoutes.set(route, limits);
    }
    return limits;
  }
}

/** The limits in force for these rules, and for requests that none of them takes. */
export function targetLimits(
  attachments: Attachments,
  sections: readonly RouteSection[],
): TargetLimits {
  const limits = new LimitsOfRules(attachments);
  return {
    elsewhere: limits.plain(attachments.gateways),
    rules: new Map(sections.map((section) => [section.rule, limits.of(section)])),
  };
}
