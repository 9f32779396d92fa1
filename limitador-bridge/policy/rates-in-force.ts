/** What each rate in force allows now, whatever the counters were told when they last counted. */
import type { Window } from "../ledger/window.ts";
import { counterKey } from "./counter-key.ts";
import type { TokenRateLimitPolicy } from "./kinds/token-rate-limit.ts";

export interface RateInForce {
  /** In the rate's unit; nano-USD for usd. */
  limit: number;
  window: Window;
}

/** By what the keys of a rate's counters have before the first value (see counterKey). */
export function ratesInForce(
  policies: readonly TokenRateLimitPolicy[],
): ReadonlyMap<string, RateInForce> {
  const found = new Map<string, RateInForce>();
  for (const { policy, name, rates } of policies.flatMap(({ limits }) => limits)) {
    for (const { key, amount, window } of rates) {
      found.set(counterKey(policy, name, key, []), { limit: amount, window });
    }
  }
  return found;
}
