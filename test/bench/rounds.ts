/** All measurements, interleaved: every round has every workload on every chain. */
import type { Chain } from "./chain.ts";
import { type Load, type Measurement, measure } from "./measure.ts";
import type { Settings } from "./settings.ts";
import { LATENCY_WORKLOAD, WORKLOADS, type Workload } from "./workloads.ts";

/** Of a measurement's length, for each workload, before the rounds. */
const WARM_UP_SHARE = 0.5;
const WARM_UP_REQUESTS = 5_000;
const WARM_UP_LIMIT_MS = 10_000;
/**
 * Of a measurement's length, before each: a chain has idled while all others were measured, and
 * what it then lost (leases, caches, compiled code) is no part of what a request costs under load.
 */
const LEAD_IN_SHARE = 0.25;
/** For the estimate of a run's length. */
const CHAINS = 6;
const START_SECONDS = 15;
const OVERHEAD_SECONDS = 0.5;
/** What is measured without Envoy takes so many times a measurement's length in every round. */
const PARTS_SHARE = 4;

export interface Scenario {
  name: string;
  workload: Workload;
  /** null: at saturation. */
  ratePerSecond: number | null;
}

/** By scenario, by chain: one measurement of each round. */
export type Measurements = Map<string, Map<string, Measurement[]>>;

/** What is measured. Names are those of the results. */
export function scenariosOf({ ratePerSecond }: Settings): Scenario[] {
  const atRate = `${LATENCY_WORKLOAD.name} at ${ratePerSecond}/s`;
  return [
    ...WORKLOADS.map((workload) => ({ name: workload.name, workload, ratePerSecond: null })),
    { name: atRate, workload: LATENCY_WORKLOAD, ratePerSecond },
  ];
}

/** How long a run takes with so many peers. */
export function expectedSeconds(settings: Settings, peers: number): number {
  const { seconds, rounds } = settings;
  const chains = CHAINS + peers;
  const warmUps = WORKLOADS.length * (seconds * WARM_UP_SHARE + OVERHEAD_SECONDS);
  const each = seconds * (1 + LEAD_IN_SHARE) + 2 * OVERHEAD_SECONDS;
  const measured = rounds * scenariosOf(settings).length * each;
  return START_SECONDS + chains * (warmUps + measured) + rounds * PARTS_SHARE * seconds;
}

/** Runs all rounds. `report` is told what is under way. */
export async function runRounds(
  load: Load,
  chains: readonly Chain[],
  settings: Settings,
  report: (text: string) => void,
): Promise<{ measurements: Measurements; problems: string[] }> {
  const scenarios = scenariosOf(settings);
  const durationMs = settings.seconds * 1000;
  const problems: string[] = [];
  const measurements: Measurements = new Map(
    scenarios.map(({ name }) => [name, new Map(chains.map((chain) => [chain.name, []]))]),
  );
  report("warming up");
  for (const chain of chains) await warmUp(load, chain, durationMs * WARM_UP_SHARE);
  for (let round = 0; round < settings.rounds; round++) {
    report(`round ${round + 1} of ${settings.rounds}`);
    for (const { name, workload, ratePerSecond } of scenarios) {
      for (const chain of inTurn(chains, round)) {
        const run = { chain, workload, durationMs, ratePerSecond };
        await measure(load, { ...run, durationMs: durationMs * LEAD_IN_SHARE });
        const measurement = await measure(load, run);
        measurements.get(name)?.get(chain.name)?.push(measurement);
        if (measurement.problem !== null) problems.push(measurement.problem);
      }
    }
  }
  return { measurements, problems };
}

/** Every workload once, then again until code that is compiled when it is hot has been. */
async function warmUp(load: Load, chain: Chain, durationMs: number): Promise<void> {
  const until = Date.now() + WARM_UP_LIMIT_MS;
  let requests = 0;
  for (let i = 0; i < WORKLOADS.length || requests < WARM_UP_REQUESTS; i++) {
    if (i >= WORKLOADS.length && Date.now() > until) return;
    const workload = WORKLOADS[i % WORKLOADS.length] as Workload;
    const run = { chain, workload, durationMs, ratePerSecond: null };
    requests += (await measure(load, run)).requests;
  }
}

/** Another one begins in every round: none is always the one after a certain other. */
function inTurn<T>(items: readonly T[], round: number): T[] {
  const at = round % items.length;
  const turned = [...items.slice(at), ...items.slice(0, at)];
  return round % 2 === 0 ? turned : turned.reverse();
}
