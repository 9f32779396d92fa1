/** The policies and prices in force, and what happens when their files change. */
import type { Metrics } from "../metrics.ts";
import { type LoadedPolicies, type LoadOptions, problemText } from "../policy/load.ts";
import type { PolicySet } from "../policy/policy-set.ts";
import { watchPolicies } from "../policy/watch.ts";
import type { Log, Prices } from "./ports.ts";

export interface InForce {
  policies: () => PolicySet;
  prices: () => Prices;
  /** Ends the watch. What is in force stays. */
  close(): Promise<void>;
}

export interface InForceParts {
  dir: string;
  initial: LoadedPolicies;
  /** As the initial ones were loaded. */
  load: Omit<LoadOptions, "previous">;
  makePrices: (loaded: LoadedPolicies) => Prices;
  metrics: Metrics;
  log: Log;
}

/** Serves what was loaded at start, and after each change of the folder what was good of it. */
export function keepInForce(parts: InForceParts): InForce {
  const { dir, initial, load, makePrices, metrics, log } = parts;
  let policies = initial.set;
  let prices = makePrices(initial);
  const watch = watchPolicies({
    dir,
    initial,
    load,
    onChange(loaded) {
      const next = makePrices(loaded);
      policies = loaded.set;
      prices = next;
      metrics.policyReloads.inc({ result: loaded.problems.length === 0 ? "accepted" : "rejected" });
      for (const problem of loaded.problems) {
        log.error(
          { problem: problemText(problem) },
          "policy problem: the last good version serves",
        );
      }
      log.info(
        { version: policies.version, problems: loaded.problems.length },
        "policies reloaded",
      );
    },
    onError(error) {
      metrics.policyReloads.inc({ result: "failed" });
      log.error({ err: error }, "policies not reloaded: the last good ones serve");
    },
  });
  return { policies: () => policies, prices: () => prices, close: () => watch.close() };
}
