/** What each rate in force allows now, whatever the counters were told when they last counted. */
import { counterKey } from "./counter-key.ts";
import type { TokenRateLimitPolicy } from "./kinds/token-rate-limit.ts";

/**
 * Amounts, in the rate's unit (nano-USD for usd), by what the keys of a rate's counters have before
 * the first value (see counterKey).
 */
export function ratesInForce(
  policies: readonly TokenRateLimitPolicy[],
): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const { policy, name, rates } of policies.flatMap(({ limits }) => limits)) {
    for (const { key, amount } of rates) found.set(counterKey(policy, name, key, []), amount);
  }
  return found;
}
