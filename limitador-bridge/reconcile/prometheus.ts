/** Compares what usage records cost with what Prometheus has counted, by team. */
import { OTHER } from "../bounded-labels.ts";
import type { UsageRecord } from "../contract/usage-record.ts";
import type { Store } from "../ledger/store/store.ts";

export interface TeamDrift {
  /** A team's name, or "all teams". */
  team: string;
  recordsNanoUsd: number;
  prometheusNanoUsd: number;
  /** |records − Prometheus| / the larger of the two, 0 to 1. */
  drift: number;
}

/** Prometheus extrapolates to the ends of the range: below a cent that is more than the truth. */
const FLOOR_NANO_USD = 10_000_000;
const RANGE_MS = 3_600_000;
const TIMEOUT_MS = 10_000;
const MAX_RECORDS = 200_000;
/** Stands for all of them together, where their names are not told. */
const ALL_TEAMS = "all teams";
const QUERY = "sum by (team) (increase(llm_cost_usd_total[1h]))";

/**
 * Compares the last hour.
 * @param url Prometheus, http://host:port
 * @throws Error where Prometheus or the store does not answer.
 */
export async function comparePrometheus(
  url: string,
  store: Pick<Store, "records">,
  nowMs: number,
): Promise<TeamDrift[]> {
  const [counted, recorded] = await Promise.all([
    askPrometheus(url),
    costByTeam(store, nowMs - RANGE_MS, nowMs),
  ]);
  return driftByTeam(recorded, counted);
}

/**
 * Both sides of every team, those that differ most first; only those of all teams together where
 * there are too many for metrics, which call the later ones "other" while records have their names.
 * Pure.
 * @param recorded nano-USD by team, as usage records have it
 * @param counted the same, as Prometheus has it
 */
export function driftByTeam(
  recorded: ReadonlyMap<string, number>,
  counted: ReadonlyMap<string, number>,
): TeamDrift[] {
  return counted.has(OTHER)
    ? compared(together(recorded), together(counted))
    : compared(recorded, counted);
}

function together(costs: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  return new Map([[ALL_TEAMS, [...costs.values()].reduce((sum, cost) => sum + cost, 0)]]);
}

function compared(
  recorded: ReadonlyMap<string, number>,
  counted: ReadonlyMap<string, number>,
): TeamDrift[] {
  const teams = [...new Set([...recorded.keys(), ...counted.keys()])];
  const drifts = teams.map((team) => {
    const recordsNanoUsd = recorded.get(team) ?? 0;
    const prometheusNanoUsd = counted.get(team) ?? 0;
    const larger = Math.max(recordsNanoUsd, prometheusNanoUsd);
    const apart = Math.abs(recordsNanoUsd - prometheusNanoUsd);
    const drift = larger < FLOOR_NANO_USD ? 0 : apart / larger;
    return { team, recordsNanoUsd, prometheusNanoUsd, drift };
  });
  return drifts.sort((a, b) => b.drift - a.drift);
}

/** Prometheus HTTP API, instant query: {data: {result: [{metric, value: [time, "number"]}]}} */
async function askPrometheus(url: string): Promise<Map<string, number>> {
  const path = `api/v1/query?query=${encodeURIComponent(QUERY)}`;
  const address = new URL(path, url.endsWith("/") ? url : `${url}/`);
  const response = await fetch(address, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!response.ok) throw new Error(`Prometheus answered ${response.status}`);
  const answer = (await response.json()) as {
    data?: { result?: { metric: { team?: string }; value: [number, string] }[] };
  };
  const result = answer.data?.result;
  if (!Array.isArray(result)) throw new Error("Prometheus answered no vector");
  return new Map(
    result.map(({ metric, value }) => [
      metric.team ?? "unknown",
      Math.round(Number(value[1]) * 1e9),
    ]),
  );
}

async function costByTeam(
  store: Pick<Store, "records">,
  sinceMs: number,
  untilMs: number,
): Promise<Map<string, number>> {
  const costs = new Map<string, number>();
  let cursor: string | undefined;
  for (let read = 0; read < MAX_RECORDS; ) {
    const at = cursor === undefined ? {} : { cursor };
    const page = await store.records({ sinceMs, untilMs, limit: 1000, ...at });
    for (const record of page.records) addCost(costs, record);
    read += page.records.length;
    if (page.next === null) return costs;
    cursor = page.next;
  }
  throw new Error(`more than ${MAX_RECORDS} usage records in an hour: not compared`);
}

/** As metrics.ts counts: denials cost nothing, no team is "unknown". */
function addCost(costs: Map<string, number>, { team, costNanoUsd }: UsageRecord): void {
  const name = team ?? "unknown";
  costs.set(name, (costs.get(name) ?? 0) + costNanoUsd);
}
