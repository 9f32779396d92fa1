/** One measurement: one chain, one workload, at saturation or at a fixed rate. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Accounts, Chain } from "./chain.ts";
import type { JobRequest, LoadResult } from "./load-job.ts";
import { type Counted, cpuSecondsOf, type LoadGenerator } from "./processes.ts";
import { CHAT_PATH, requestBytes, type Workload } from "./workloads.ts";

/** Longer than the filter's flush interval: what a request costs after its answer counts too. */
const QUIET_MS = 300;
const SETTLED_DEADLINE_MS = 5_000;

export interface Measurement {
  requests: number;
  requestsPerSecond: number;
  p50Us: number;
  p99Us: number;
  /** CPU time of one request, by process and of all. */
  cpuUs: Record<string, number>;
  totalCpuUs: number;
  /** Cores that the load generator and the upstream had in use; at 1 they are the limit. */
  loadCores: number;
  upstreamCores: number;
  /** Why it is not what it says: requests that were not answered, or not counted. */
  problem: string | null;
}

export interface Load {
  generator: LoadGenerator;
  upstreamPid: number;
  connections: number;
}

export interface Run {
  chain: Chain;
  workload: Workload;
  durationMs: number;
  /** null: at saturation. */
  ratePerSecond: number | null;
}

/** Measures. Throws when no request was answered. */
export async function measure(load: Load, run: Run): Promise<Measurement> {
  const { chain } = run;
  const processes = chain.processes();
  const accountsBefore = await chain.accounts();
  const before = processes.map(({ pid }) => cpuSecondsOf(pid));
  const upstreamBefore = cpuSecondsOf(load.upstreamPid);
  const result = await load.generator.run({
    host: run.chain.url.hostname,
    port: Number(run.chain.url.port),
    requests: requestsOf(run, load.connections),
    durationMs: run.durationMs,
    ratePerSecond: run.ratePerSecond,
    firstCount: 0,
  });
  const unanswered = findUnanswered(run, result);
  await sleep(QUIET_MS);
  const uncounted = accountsBefore && (await findUncounted(run, accountsBefore, result.requests));
  const upstreamSeconds = cpuSecondsOf(load.upstreamPid) - upstreamBefore;
  return {
    requests: result.requests,
    requestsPerSecond: result.requests / result.seconds,
    p50Us: result.p50Us,
    p99Us: result.p99Us,
    ...cpuOf(processes, before, result.requests),
    loadCores: result.cpuSeconds / result.seconds,
    upstreamCores: upstreamSeconds / result.seconds,
    problem: unanswered ?? uncounted,
  };
}

/** One request for each connection, each of a user of its own. */
function requestsOf({ chain, workload }: Run, connections: number): JobRequest[] {
  const path = chain.url.pathname.replace(/\/$/, "") + CHAT_PATH;
  return Array.from({ length: connections }, (_, i) => {
    const headers = { authorization: "Bearer sk-bench", "x-user": `user-${i}`, ...chain.headers };
    const bytes = requestBytes(path, headers, workload.requestBody);
    return { base64: bytes.toString("base64"), counterOffsets: [] };
  });
}

function findUnanswered(
  { chain, workload }: Run,
  { requests, failures }: LoadResult,
): string | null {
  const what = Object.entries(failures).map(([name, times]) => `${name} (${times} times)`);
  if (requests > 0 && what.length === 0) return null;
  const found = `${workload.name}, ${chain.name}: ${what.join(", ") || "no answer"}`;
  if (requests === 0) throw new Error(found);
  return found;
}

/** A request that went by unasked, or was not settled, costs less than it says. */
async function findUncounted(
  { chain, workload }: Run,
  before: Accounts,
  requests: number,
): Promise<string | null> {
  const until = Date.now() + SETTLED_DEADLINE_MS;
  for (;;) {
    const now = (await chain.accounts()) ?? before;
    const asked = now.asked - before.asked;
    const settled = now.settled - before.settled;
    if (asked === requests && settled === requests) return null;
    if (Date.now() > until) {
      const found = `${asked} were asked about and ${settled} settled`;
      return `${workload.name}, ${chain.name}: of ${requests} requests ${found}`;
    }
    await sleep(QUIET_MS);
  }
}

function cpuOf(
  processes: Counted[],
  before: number[],
  requests: number,
): Pick<Measurement, "cpuUs" | "totalCpuUs"> {
  const cpuUs: Record<string, number> = {};
  processes.forEach(({ name, pid }, i) => {
    const seconds = cpuSecondsOf(pid) - (before[i] ?? 0);
    cpuUs[name] = (cpuUs[name] ?? 0) + (seconds * 1e6) / requests;
  });
  return { cpuUs, totalCpuUs: Object.values(cpuUs).reduce((sum, each) => sum + each, 0) };
}
