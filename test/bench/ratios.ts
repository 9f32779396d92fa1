/** From measurements to ratios to Envoy alone, round by round. Pure. */
import type { Measurement } from "./measure.ts";
import { type Spread, spreadOf } from "./statistics.ts";

/** Above this the rounds differ so much that a ratio says nothing. */
export const MAX_SPREAD = 0.2;

export interface Comparison {
  scenario: string;
  chain: string;
  /** CPU of a request by that of the base in the same round. */
  cpu: Spread;
  throughput: Spread;
  /** By how much longer than the base's, in µs. */
  addedP50Us: Spread;
  addedP99Us: Spread;
  /** p50 by that of the base: added times may be near 0, so their spread is judged by this. */
  p50: Spread;
  cpuUs: Spread;
  cpuUsByProcess: Record<string, number>;
  requestsPerSecond: Spread;
  p50Us: Spread;
  p99Us: Spread;
  loadCores: Spread;
  upstreamCores: Spread;
}

/** Compares the measurements of one chain with those of the base, which has as many. */
export function compare(
  scenario: string,
  chain: string,
  measured: readonly Measurement[],
  base: readonly Measurement[],
): Comparison {
  const of = (figure: (one: Measurement) => number) => spreadOf(measured.map(figure));
  const paired = (figure: (one: Measurement, base: Measurement) => number) =>
    spreadOf(measured.map((one, round) => figure(one, base[round] as Measurement)));
  return {
    scenario,
    chain,
    cpu: paired((one, its) => one.totalCpuUs / its.totalCpuUs),
    throughput: paired((one, its) => one.requestsPerSecond / its.requestsPerSecond),
    addedP50Us: paired((one, its) => one.p50Us - its.p50Us),
    addedP99Us: paired((one, its) => one.p99Us - its.p99Us),
    p50: paired((one, its) => one.p50Us / its.p50Us),
    cpuUs: of(({ totalCpuUs }) => totalCpuUs),
    cpuUsByProcess: byProcess(measured),
    requestsPerSecond: of(({ requestsPerSecond }) => requestsPerSecond),
    p50Us: of(({ p50Us }) => p50Us),
    p99Us: of(({ p99Us }) => p99Us),
    loadCores: of(({ loadCores }) => loadCores),
    upstreamCores: of(({ upstreamCores }) => upstreamCores),
  };
}

function byProcess(measured: readonly Measurement[]): Record<string, number> {
  const names = new Set(measured.flatMap(({ cpuUs }) => Object.keys(cpuUs)));
  return Object.fromEntries(
    [...names].map((name) => [
      name,
      spreadOf(measured.map(({ cpuUs }) => cpuUs[name] ?? 0)).median,
    ]),
  );
}

/** Which ratios say nothing, each as a line. `isRate`: the scenario is at a fixed rate. */
export function meaningless(comparison: Comparison, isRate: boolean): string[] {
  const { scenario, chain, cpu, throughput, p50 } = comparison;
  const judged = isRate ? { p50 } : { CPU: cpu, throughput };
  return Object.entries(judged)
    .filter(([, spread]) => !(spread.relative <= MAX_SPREAD))
    .map(([what, { relative, min, max }]) => {
      const range = `${min.toFixed(2)} to ${max.toFixed(2)}`;
      return `${scenario}, ${chain}: the ${what} ratio spreads by ${percent(relative)} (${range})`;
    });
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
