/** How long the release filter takes from nothing to metering, in this Node's V8. */
import { startFilter } from "./filter-driver.ts";

export interface FilterStartResult {
  /** Compiled, started, and told the filter config; one value for each round. */
  configuredMs: number[];
}

/** Measures; `config` is what the service answers at /v1/filter-config. */
export function measureFilterStart(
  wasm: string,
  config: object,
  rounds: number,
): FilterStartResult {
  const configuredMs = Array.from({ length: rounds }, () => {
    const before = performance.now();
    startFilter(wasm, config);
    return performance.now() - before;
  });
  return { configuredMs };
}
