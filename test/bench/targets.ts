/** What tollgate is to cost, as ratios to Envoy alone and as rates. */
import type { Comparison } from "./ratios.ts";
import type { Results } from "./results.ts";
import type { Spread } from "./statistics.ts";
import { BASE } from "./tollgate-chains.ts";

type Ratio = "cpu" | "throughput" | "addedP50Us";

interface Target {
  what: string;
  bound: "at most" | "at least";
  value: number;
  found: (results: Results) => Pick<Spread, "median"> | undefined;
}

export interface TargetResult {
  text: string;
  isMet: boolean;
}

const ratio =
  (scenario: RegExp, chain: string, figure: Ratio) =>
  ({ comparisons }: Results): Spread | undefined =>
    comparisons.find((one: Comparison) => one.chain === chain && scenario.test(one.scenario))?.[
      figure
    ];

const SATURATED = /^json-4k$/;
const LARGE = /^json-64k$/;
const STREAM = /^sse-52$/;
const AT_RATE = /^json-4k at /;

const TARGETS: readonly Target[] = [
  leased("CPU", "cpu", SATURATED, "at most", 1.4),
  leased("CPU, 64 kB", "cpu", LARGE, "at most", 1.5),
  leased("CPU, stream", "cpu", STREAM, "at most", 1.6),
  leased("throughput", "throughput", SATURATED, "at least", 0.72),
  leased("added p50 µs", "addedP50Us", AT_RATE, "at most", 40),
  asking("CPU", "embedded", "cpu", SATURATED, "at most", 2.6),
  asking("CPU", "redis", "cpu", SATURATED, "at most", 3.2),
  asking("throughput", "embedded", "throughput", SATURATED, "at least", 0.4),
  asking("throughput", "redis", "throughput", SATURATED, "at least", 0.4),
  asking("added p50 µs", "embedded", "addedP50Us", AT_RATE, "at most", 300),
  asking("added p50 µs", "redis", "addedP50Us", AT_RATE, "at most", 300),
  {
    what: "scanner GB/s, bodies of 64 kB",
    bound: "at least",
    value: 1,
    found: ({ scanner }) => scanner.gigabytesPerSecond,
  },
  {
    what: "scanner: time of a byte at 8 MiB by that at 1 MiB",
    bound: "at most",
    value: 1.2,
    found: ({ scanner }) => scanner.largeBodyFactor,
  },
  {
    what: "µs of the filter for an event of a stream",
    bound: "at most",
    value: 3,
    found: ({ openStreams }) => openStreams.eventUs,
  },
  {
    what: "bytes of the filter for each of 2,000 open streams",
    bound: "at most",
    value: 4096,
    found: ({ openStreams }) => openStreams.bytesPerStream,
  },
  {
    what: "time of a request, 2,000 open streams by 10",
    bound: "at most",
    value: 1.1,
    found: ({ openStreams }) => openStreams.manyByFew,
  },
  {
    what: "asks/s per core, embedded, one in a call",
    bound: "at least",
    value: 15_000,
    found: ({ service }) => service.asksPerCoreSecond,
  },
  {
    what: "asks/s per core, embedded, 32 in a call",
    bound: "at least",
    value: 15_000,
    found: ({ service }) => service.joinedAsksPerCoreSecond,
  },
  {
    what: "service: longest event-loop delay, ms, 10 of them the sampling's",
    bound: "at most",
    value: 30,
    found: ({ service }) => service.eventLoopDelayMs,
  },
  {
    what: "filter: ms until configured",
    bound: "at most",
    value: 50,
    found: ({ filterStart }) => filterStart.configuredMs,
  },
  {
    what: "leased: MB of Envoy's memory over Envoy alone",
    bound: "at most",
    value: 40,
    found: addedMemory,
  },
  {
    what: "service: ms until ready with 1,000 policies",
    bound: "at most",
    value: 1_000,
    found: ({ policies }) => policies.readyMs,
  },
  {
    what: "CPU of an ask, 10,000 other policies by 10",
    bound: "at most",
    value: 1.5,
    found: ({ policies }) => policies.manyByFew,
  },
  {
    what: "store on Redis by redis-benchmark",
    bound: "at least",
    value: 0.6,
    found: ({ redis }) => redis.ratio,
  },
];

/** In MB of 10^6 bytes. */
function addedMemory({ memory }: Results): Pick<Spread, "median"> {
  const of = (chain: string) =>
    memory.find((one) => one.chain === chain && one.process === "envoy")?.bytes ?? Number.NaN;
  return { median: (of("leased") - of(BASE)) / 1e6 };
}

function leased(
  what: string,
  figure: Ratio,
  scenario: RegExp,
  bound: Target["bound"],
  value: number,
): Target {
  return { what: `leased: ${what}`, bound, value, found: ratio(scenario, "leased", figure) };
}

function asking(
  what: string,
  store: "embedded" | "redis",
  figure: Ratio,
  scenario: RegExp,
  bound: Target["bound"],
  value: number,
): Target {
  return {
    what: `asking, ${store}: ${what}`,
    bound,
    value,
    found: ratio(scenario, `ask-${store}`, figure),
  };
}

/** Every target with what was found. */
export function checkTargets(results: Results): TargetResult[] {
  return TARGETS.map(({ what, bound, value, found }) => {
    const median = found(results)?.median ?? Number.NaN;
    const isMet = bound === "at most" ? median <= value : median >= value;
    const shown = Math.abs(median) >= 100 ? Math.round(median) : median.toFixed(2);
    return { text: `${what} ${shown}, ${bound} ${value}`, isMet };
  });
}
