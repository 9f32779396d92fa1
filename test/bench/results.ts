/** What a run found, as it is written to a file. */
import { execFileSync } from "node:child_process";
import { cpus, loadavg, release } from "node:os";
import type { Chain } from "./chain.ts";
import type { FilterStartResult } from "./filter-start.ts";
import type { PoliciesResult } from "./many-policies.ts";
import type { OpenStreamsResult } from "./open-streams.ts";
import { memoryBytesOf } from "./processes.ts";
import { type Comparison, compare, MAX_SPREAD, meaningless } from "./ratios.ts";
import type { RedisResult } from "./redis-script.ts";
import type { Measurements, Scenario } from "./rounds.ts";
import type { ScannerResult } from "./scanner.ts";
import type { ServiceResult } from "./service-asks.ts";
import type { Settings } from "./settings.ts";
import { type Spread, spreadOf } from "./statistics.ts";
import { BASE } from "./tollgate-chains.ts";

/** A machine that was busier than this before the run has its own work in the figures. */
const MAX_LOAD_BEFORE = 2;
/** A generator or upstream in use for more of a core is what the throughput shows. */
const MAX_CORES = 0.9;

export interface Machine {
  processors: number;
  model: string;
  kernel: string;
  node: string;
  envoy: string;
  /** Average number of processes that wanted to run in the minute before. */
  loadBefore: number;
}

export interface Memory {
  chain: string;
  process: string;
  bytes: number;
}

export interface Results {
  time: string;
  settings: Settings;
  machine: Machine;
  chains: { name: string; title: string }[];
  scenarios: { name: string; ratePerSecond: number | null }[];
  comparisons: Comparison[];
  memory: Memory[];
  scanner: Record<keyof ScannerResult, Spread>;
  openStreams: Record<keyof OpenStreamsResult, Spread>;
  filterStart: Record<keyof FilterStartResult, Spread>;
  service: Record<keyof ServiceResult, Spread>;
  policies: Record<keyof PoliciesResult, Spread>;
  redis: Record<keyof RedisResult, Spread>;
  /** Why a ratio says nothing; empty where all say something. */
  problems: string[];
  /** What else to know when reading the figures. */
  notes: string[];
}
type PartName = "scanner" | "service" | "redis";

/** What the machine is, before anything is started. */
export function readMachine(envoy: string): Machine {
  const version = execFileSync(envoy, ["--version"], { encoding: "utf8" });
  return {
    processors: cpus().length,
    model: cpus()[0]?.model ?? "",
    kernel: release(),
    node: process.version,
    envoy: /\d+\.\d+\.\d+/.exec(version)?.[0] ?? version.trim(),
    loadBefore: loadavg()[0] ?? 0,
  };
}

/** Resident memory of every process, now. */
export function readMemory(chains: readonly Chain[]): Memory[] {
  return chains.flatMap((chain) =>
    chain.processes().map(({ name, pid }) => {
      return { chain: chain.name, process: name, bytes: memoryBytesOf(pid) };
    }),
  );
}

/** Every chain compared with Envoy alone, in every scenario. */
export function compareAll(measurements: Measurements): Comparison[] {
  return [...measurements].flatMap(([scenario, byChain]) => {
    const base = byChain.get(BASE) ?? [];
    return [...byChain].map(([chain, measured]) => compare(scenario, chain, measured, base));
  });
}

/** The spread of every figure of a record of measurements. */
export function spreads<T extends Record<keyof T, number[]>>(figures: T): Record<keyof T, Spread> {
  const entries = Object.entries<number[]>(figures).map(([name, values]) => [
    name,
    spreadOf(values),
  ]);
  return Object.fromEntries(entries) as Record<keyof T, Spread>;
}

/** Why ratios say nothing. */
export function findProblems(
  comparisons: readonly Comparison[],
  scenarios: readonly Scenario[],
): string[] {
  const isRate = (name: string) =>
    scenarios.some((scenario) => scenario.name === name && scenario.ratePerSecond !== null);
  return comparisons.flatMap((comparison) => meaningless(comparison, isRate(comparison.scenario)));
}

/** What is measured without Envoy and spreads too much to be compared with anything. */
export function findUnsteady({ scanner, service, redis }: Pick<Results, PartName>): string[] {
  const judged = {
    "the scanner's throughput": scanner.gigabytesPerSecond,
    "asks per second of CPU": service.asksPerCoreSecond,
    "the Redis store by redis-benchmark": redis.ratio,
  };
  return Object.entries(judged)
    .filter(([, spread]) => !(spread.relative <= MAX_SPREAD))
    .map(([what, { relative }]) => `${what} spreads by ${Math.round(relative * 100)} %`);
}

/** One line for each scenario and chain: what went wrong first, and how often. */
export function countedOnce(problems: readonly string[]): string[] {
  const counts = new Map<string, { first: string; more: number }>();
  for (const problem of problems) {
    const place = problem.slice(0, problem.indexOf(":"));
    const known = counts.get(place);
    if (known === undefined) counts.set(place, { first: problem, more: 0 });
    else known.more++;
  }
  return [...counts.values()].map(({ first, more }) =>
    more === 0 ? first : `${first} (and in ${more} more measurements)`,
  );
}

/** What limits the figures; `missing`: peers that are not among them. */
export function findNotes(
  comparisons: readonly Comparison[],
  machine: Machine,
  missing: readonly string[],
): string[] {
  const notes: string[] = [];
  if (missing.length > 0) notes.push(`not installed: ${missing.join(", ")}`);
  if (machine.loadBefore >= MAX_LOAD_BEFORE) {
    const load = machine.loadBefore.toFixed(1);
    notes.push(`the machine was busy before the run (load ${load}): these figures are not valid`);
  }
  for (const { scenario, chain, loadCores, upstreamCores } of comparisons) {
    const at = `${scenario}, ${chain}`;
    if (loadCores.median > MAX_CORES) notes.push(`${at}: the load generator is the limit`);
    if (upstreamCores.median > MAX_CORES) notes.push(`${at}: the upstream is the limit`);
  }
  return notes;
}
