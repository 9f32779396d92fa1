/** The results as text for a terminal. Pure. */
import type { Comparison } from "./ratios.ts";
import type { Results } from "./results.ts";
import type { Spread } from "./statistics.ts";
import { checkTargets } from "./targets.ts";
import { BASE } from "./tollgate-chains.ts";
import { LATENCY_WORKLOAD } from "./workloads.ts";

const MIB = 1024 * 1024;

/** All tables, then what to know when reading them. */
export function reportText(results: Results): string {
  const saturated = results.scenarios.filter(({ ratePerSecond }) => ratePerSecond === null);
  const names = saturated.map(({ name }) => name);
  return [
    heading(results),
    ratios(results, names, "CPU of all processes per request, by Envoy alone's", "cpu", cpuOfBase),
    ratios(results, names, "Requests per second, by Envoy alone's", "throughput", rateOfBase),
    latency(results),
    processes(results, names),
    alone(results),
    targets(results),
    ...lines("", results.notes),
    ...lines("FAILED: ", results.problems),
  ].join("\n");
}

function heading({ machine, settings }: Results): string {
  const { processors, model, envoy, node, loadBefore } = machine;
  return (
    `${processors} × ${model}, load ${loadBefore.toFixed(1)} before; ` +
    `Envoy ${envoy}, Node ${node}\n` +
    `${settings.rounds} rounds of ${settings.seconds} s, ${settings.connections} connections, ` +
    "one Envoy worker; median ± spread (1.4826 × median absolute deviation)\n"
  );
}

const cpuOfBase = ({ cpuUs }: Comparison) => `${cpuUs.median.toFixed(1)} µs`;
const rateOfBase = ({ requestsPerSecond }: Comparison) =>
  `${requestsPerSecond.median.toFixed(0)}/s`;

function ratios(
  results: Results,
  scenarios: string[],
  title: string,
  figure: "cpu" | "throughput",
  ofBase: (comparison: Comparison) => string,
): string {
  const rows = results.chains.map(({ name, title: chain }) => [
    chain,
    ...scenarios.map((scenario) => {
      const comparison = find(results, scenario, name);
      return name === BASE ? ofBase(comparison) : withSpread(comparison[figure]);
    }),
  ]);
  return table([title, ...scenarios], rows);
}

function latency(results: Results): string {
  const scenario =
    results.scenarios.find(({ ratePerSecond }) => ratePerSecond !== null)?.name ?? "";
  const rows = results.chains.map(({ name, title }) => {
    const one = find(results, scenario, name);
    const isBase = name === BASE;
    return [
      title,
      `${one.p50Us.median.toFixed(0)} µs`,
      isBase ? "" : range(one.addedP50Us),
      `${one.p99Us.median.toFixed(0)} µs`,
      isBase ? "" : range(one.addedP99Us),
    ];
  });
  return table([`Latency, ${scenario}`, "p50", "added p50, µs", "p99", "added p99, µs"], rows);
}

function processes(results: Results, scenarios: string[]): string {
  const rows = results.memory.map(({ chain, process, bytes }, i) => {
    const cpu = scenarios.map((scenario) => {
      const us = find(results, scenario, chain).cpuUsByProcess[process];
      return us === undefined ? "" : us.toFixed(1);
    });
    const title = results.chains.find(({ name }) => name === chain)?.title ?? chain;
    const isFirst = results.memory[i - 1]?.chain !== chain;
    return [isFirst ? title : "", process, ...cpu, (bytes / MIB).toFixed(0)];
  });
  return table(["CPU by process, µs per request", "", ...scenarios, "memory, MiB"], rows);
}

/** What is measured without Envoy. */
function alone(results: Results): string {
  const { scanner, openStreams, filterStart, service, policies, redis } = results;
  const rate = (spread: Spread) =>
    `${spread.median.toFixed(0)} ± ${(spread.relative * 100).toFixed(0)} %`;
  const readyMs = `${policies.readyMs.median.toFixed(0)} ms`;
  const configured = `${filterStart.configuredMs.median.toFixed(1)} ms`;
  const kib = `${(openStreams.bytesPerStream.median / 1024).toFixed(2)} KiB`;
  const delay = `${service.eventLoopDelayMs.median.toFixed(1)} ms`;
  return table(
    ["Parts", ""],
    [
      ["scanner, bodies of 64 kB, GB/s", withSpread(scanner.gigabytesPerSecond)],
      ["scanner, time of a byte at 8 MiB by that at 1 MiB", withSpread(scanner.largeBodyFactor)],
      ["filter, time of a request, 2,000 open streams by 10", withSpread(openStreams.manyByFew)],
      ["filter, time of an event of a stream, µs", withSpread(openStreams.eventUs)],
      ["filter, all memory with 2,000 open streams, for each", kib],
      ["filter, configured after", configured],
      ["service, embedded: asks per second of CPU", rate(service.asksPerCoreSecond)],
      ["the same, 32 asks in a call", rate(service.joinedAsksPerCoreSecond)],
      ["service, embedded: settlements per second of CPU", rate(service.settlementsPerCoreSecond)],
      ["service, embedded: asks/s on this machine", rate(service.asksPerSecond)],
      ["service: longest event-loop delay, 10 ms interval included", delay],
      ["service: ready with 1,000 policies after", readyMs],
      ["service: CPU of an ask, 10,000 other policies by 10", withSpread(policies.manyByFew)],
      ["asking, Redis: CPU of a request with two services by one", scaling(results).toFixed(2)],
      ["Redis store: reserve + settle, pairs/s", rate(redis.pairsPerSecond)],
      ["redis-benchmark, same scripts, pairs/s", rate(redis.benchmarkPairsPerSecond)],
      ["Redis store by redis-benchmark", withSpread(redis.ratio)],
    ],
  );
}

/** By the ratios to Envoy alone; Envoy sends its calls to both in turn. */
function scaling(results: Results): number {
  const ratio = (chain: string) => find(results, LATENCY_WORKLOAD.name, chain).cpu.median;
  return ratio("ask-redis-2") / ratio("ask-redis");
}

function targets(results: Results): string {
  const rows = checkTargets(results).map(({ text, isMet }) => [text, isMet ? "met" : "not met"]);
  return table(["Targets", ""], rows);
}

function lines(prefix: string, texts: string[]): string[] {
  return texts.map((text) => prefix + text);
}

function find({ comparisons }: Results, scenario: string, chain: string): Comparison {
  const found = comparisons.find((one) => one.scenario === scenario && one.chain === chain);
  if (found === undefined) throw new Error(`no results of ${chain} in ${scenario}`);
  return found;
}

function withSpread({ median, relative }: Spread): string {
  return `${median.toFixed(2)} ± ${(relative * 100).toFixed(0)} %`;
}

function range({ median, min, max }: Spread): string {
  return `${median.toFixed(0)} (${min.toFixed(0)} to ${max.toFixed(0)})`;
}

/** Columns of equal width; the first one left, the others right. */
function table(head: string[], rows: string[][]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const line = (row: string[]) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join("  ")
      .trimEnd();
  const rule = widths.map((width) => "-".repeat(width)).join("  ");
  return `${[line(head), rule, ...rows.map(line)].join("\n")}\n`;
}
