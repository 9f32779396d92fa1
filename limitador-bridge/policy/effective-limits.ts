/**
 * Which limits are in force where policies of several levels meet: of the Gateway, of the
 * HTTPRoute, of one of its rules. Each level stands over what is in force of those below it. Pure.
 *
 *   its overrides   atomic: instead of every limit from below;  merge: instead of those of the same
 *                   name
 *   from below      limits of the more specific levels
 *   its defaults    atomic (also bare limits): where there is no limit from below;
 *                   merge: names that no limit from below has
 *
 * Policies of one level do not conflict: all their limits are in force.
 */
import type { CompiledLimit, TokenRateLimitPolicy } from "./kinds/token-rate-limit.ts";

type Level = readonly TokenRateLimitPolicy[];

function limitsOf(policies: Level): CompiledLimit[] {
  return policies.flatMap((policy) => policy.limits);
}

function withLevel(level: Level, below: CompiledLimit[]): CompiledLimit[] {
  const overrides = level.filter(({ role }) => role === "overrides");
  const overridden = new Set(limitsOf(overrides).map(({ name }) => name));
  const replacesAll = overrides.some(({ strategy }) => strategy === "atomic");
  const names = new Set(below.map(({ name }) => name));
  const defaults = level
    .filter(({ role }) => role === "defaults")
    .flatMap(({ strategy, limits }) => {
      if (below.length === 0) return limits;
      return strategy === "merge" ? limits.filter(({ name }) => !names.has(name)) : [];
    });
  const kept = replacesAll ? [] : below.filter(({ name }) => !overridden.has(name));
  return [...limitsOf(overrides), ...kept, ...defaults];
}

/** The limits in force, of the policies of each level: from the Gateway to the most specific. */
export function effectiveLimits(levels: readonly Level[]): CompiledLimit[] {
  return levels.reduceRight<CompiledLimit[]>((below, level) => withLevel(level, below), []);
}
