/** `make bench`: starts everything, measures in rounds, prints, and ends what it started. */
import { execFileSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Chain } from "./chain.ts";
import { measureFilterStart } from "./filter-start.ts";
import { measurePolicies } from "./many-policies.ts";
import { measureOpenStreams } from "./open-streams.ts";
import { findPeers, type Peer, startPeers } from "./peers.ts";
import { plotSvg } from "./plot.ts";
import { startLoadGenerator, startUpstream } from "./processes.ts";
import { NOOP_WASM, PEERS_FOLDER, PROJECT_ROOT, RESULTS_FOLDER, TOLLGATE_WASM } from "./project.ts";
import { measureRedis } from "./redis-script.ts";
import { reportText } from "./report.ts";
import * as found from "./results.ts";
import { expectedSeconds, runRounds, scenariosOf } from "./rounds.ts";
import { measureScanner } from "./scanner.ts";
import { measureService } from "./service-asks.ts";
import { readSettings, type Settings } from "./settings.ts";
import { Stack } from "./stack.ts";
import { type Surroundings, startTollgateChains } from "./tollgate-chains.ts";

/** Exchanges of each round of the Redis store, for each second of a measurement. */
const PAIRS_PER_SECOND = 5_000;
/** So much longer than expected a run may take before it is ended. */
const PATIENCE = 2;
const PATIENCE_SECONDS = 60;

/** What has to be ended, in the order in which it was started. */
const endings: (() => void | Promise<void>)[] = [];

function say(text: string): void {
  console.error(`bench: ${text}`);
}

async function bench(settings: Settings, peers: readonly Peer[]): Promise<found.Results> {
  const envoy = resolve(
    PROJECT_ROOT,
    execFileSync(join(PROJECT_ROOT, "envoy/install.sh"), { encoding: "utf8" }).trim(),
  );
  const machine = found.readMachine(envoy);
  const upstream = await startUpstream();
  endings.push(upstream.stop);
  const generator = await startLoadGenerator();
  endings.push(generator.stop);
  const { chains, missing } = await startChains({ envoy, upstreamPort: upstream.port }, peers);
  const load = { generator, upstreamPid: upstream.pid, connections: settings.connections };
  const { measurements, problems } = await runRounds(load, chains, settings, say);
  const memory = found.readMemory(chains);
  for (const chain of chains) await chain.stop();
  say("service, scanner, Redis");
  const service = await measureService(generator, settings.seconds, settings.rounds);
  const policies = await measurePolicies(generator, settings.seconds, settings.rounds);
  const pairs = Math.round(PAIRS_PER_SECOND * settings.seconds);
  const redis = await measureRedis(pairs, settings.rounds);
  const { filterConfig, ...rates } = service;
  const scanner = measureScanner(TOLLGATE_WASM, filterConfig, settings.rounds);
  const openStreams = measureOpenStreams(TOLLGATE_WASM, NOOP_WASM, filterConfig, settings.rounds);
  const filterStart = measureFilterStart(TOLLGATE_WASM, filterConfig, settings.rounds);
  const comparisons = found.compareAll(measurements);
  const parts = {
    scanner: found.spreads(scanner),
    openStreams: found.spreads(openStreams),
    filterStart: found.spreads(filterStart),
    service: found.spreads(rates),
    policies: found.spreads(policies),
    redis: found.spreads(redis),
  };
  const scenarios = scenariosOf(settings);
  return {
    time: new Date().toISOString(),
    settings,
    machine,
    chains: chains.map(({ name, title }) => ({ name, title })),
    scenarios: scenarios.map(({ name, ratePerSecond }) => ({ name, ratePerSecond })),
    comparisons,
    memory,
    ...parts,
    problems: [
      ...found.countedOnce(problems),
      ...found.findProblems(comparisons, scenarios),
      ...found.findUnsteady(parts),
    ],
    notes: found.findNotes(comparisons, machine, missing),
  };
}

/** `missing`: names of the peers that are not installed. */
async function startChains(
  surroundings: Surroundings,
  peers: readonly Peer[],
): Promise<{ chains: Chain[]; missing: string[] }> {
  const chains: Chain[] = [];
  const started = (chain: Chain) => {
    chains.push(chain);
    endings.push(chain.stop);
  };
  say("starting the chains");
  await startTollgateChains(surroundings, started);
  const missing = await startPeers(peers, surroundings, started);
  return { chains, missing };
}

/** Rejects when a signal comes, or after `seconds`. */
function interruption(seconds: number): Promise<never> {
  return new Promise((_, reject) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.once(signal, () => reject(new Error(`ended by ${signal}`)));
    }
    const late = () => reject(new Error(`not done after ${seconds} s`));
    setTimeout(late, seconds * 1000).unref();
  });
}

async function endAll(): Promise<void> {
  for (const end of endings.reverse()) await end();
  await Stack.stopAll();
}

async function write(results: found.Results): Promise<string> {
  await mkdir(RESULTS_FOLDER, { recursive: true });
  const file = join(RESULTS_FOLDER, results.time.replaceAll(":", "-"));
  await writeFile(`${file}.json`, `${JSON.stringify(results, null, 2)}\n`);
  await writeFile(`${file}.svg`, plotSvg(results));
  return file;
}

async function main(): Promise<number> {
  const settings = readSettings(process.env);
  const peers = findPeers(PEERS_FOLDER, settings.peers);
  const seconds = expectedSeconds(settings, peers.length);
  say(`this takes about ${Math.ceil(seconds / 60)} min`);
  const interrupted = interruption(PATIENCE * seconds + PATIENCE_SECONDS);
  let results: found.Results;
  try {
    results = await Promise.race([bench(settings, peers), interrupted]);
  } finally {
    await endAll();
  }
  console.log(`\n${reportText(results)}`);
  console.log(`written: ${await write(results)}.json and .svg`);
  return results.problems.length === 0 ? 0 : 1;
}

try {
  process.exit(await main());
} catch (cause) {
  console.error(`bench: ${(cause as Error).message}`);
  process.exit(1);
}
