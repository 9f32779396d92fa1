/**
 * Which limits are in force where Gateway and HTTPRoute policies meet. Pure.
 *
 *   Gateway overrides   atomic: instead of every HTTPRoute limit;  merge: instead of those of the
 *                       same name
 *   HTTPRoute           its own limits
 *   Gateway defaults    atomic (also bare limits): where no HTTPRoute policy has any limit;
 *                       merge: names that no HTTPRoute policy has
 *
 * Policies of one level do not conflict: all their limits are in force.
 */
import type { CompiledLimit, TokenRateLimitPolicy } from "./kinds/token-rate-limit.ts";

function limitsOf(policies: readonly TokenRateLimitPolicy[]): CompiledLimit[] {
  return policies.flatMap((policy) => policy.limits);
}

/** The limits in force for one route, of the policies on its gateway and on itself. */
export function effectiveLimits(
  gateway: readonly TokenRateLimitPolicy[],
  route: readonly TokenRateLimitPolicy[],
): CompiledLimit[] {
  const overrides = gateway.filter(({ role }) => role === "overrides");
  const overridden = new Set(limitsOf(overrides).map(({ name }) => name));
  const replacesAll = overrides.some(({ strategy }) => strategy === "atomic");
  const own = limitsOf(route);
  const ownNames = new Set(own.map(({ name }) => name));
  const defaults = gateway
    .filter(({ role }) => role === "defaults")
    .flatMap(({ strategy, limits }) => {
      if (own.length === 0) return limits;
      return strategy === "merge" ? limits.filter(({ name }) => !ownNames.has(name)) : [];
    });
  const kept = replacesAll ? [] : own.filter(({ name }) => !overridden.has(name));
  return [...limitsOf(overrides), ...kept, ...defaults];
}
