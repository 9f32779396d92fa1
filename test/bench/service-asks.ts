/**
 * What one core of the service decides and settles in a second, on the embedded store, with the
 * calls that the filter really makes.
 */

import { recordCalls } from "./filter-driver.ts";
import type { JobRequest, LoadResult } from "./load-job.ts";
import { cpuSecondsOf, type LoadGenerator } from "./processes.ts";
import { TOLLGATE_WASM } from "./project.ts";
import { Stack } from "./stack.ts";
import { chatRequest, requestBytes } from "./workloads.ts";

const CONNECTIONS = 32;
/** As the filter sends them at most (settle_batch_records). */
const BATCH_RECORDS = 50;
/** Asks in one call, as the filter sends them where so many wait. */
const BATCH_ASKS = 32;
/** Twelve digits, which the load generator counts up. */
export const COUNTER = "000000000000";
/** Settling is faster than asking: what was not asked about is not to be settled. */
const SETTLE_SHARE = 0.25;

export interface ServiceResult {
  /** By the CPU time of the service; one value for each round. */
  asksPerCoreSecond: number[];
  /** The same with 32 asks in each call. */
  joinedAsksPerCoreSecond: number[];
  settlementsPerCoreSecond: number[];
  /** As its clients see it, on a machine that they share. */
  asksPerSecond: number[];
  askP99Us: number[];
  /** Longest delay of the event loop, its sampling interval of 10 ms included. */
  eventLoopDelayMs: number[];
}

export interface ServiceFindings extends ServiceResult {
  /** What the service tells the filter to look at. */
  filterConfig: object;
}

/** Measures a service of its own. Throws when a call is not answered 200. */
export async function measureService(
  generator: LoadGenerator,
  seconds: number,
  rounds: number,
): Promise<ServiceFindings> {
  const stack = await Stack.make();
  try {
    const url = new URL(await stack.startService(null, "ask"));
    const pid = stack.parts[0]?.pid ?? 0;
    const config = (await (await fetch(new URL("/v1/filter-config", url))).json()) as object;
    const { admit, settlement } = recordCalls(TOLLGATE_WASM, config, chatRequest(4096, false));
    const ask = countedRequests("/v1/admit", String(admit.id), (user) => asUser(admit, user));
    const joined = countedRequests("/v1/admit", String(admit.id), (user) => ({
      requests: Array.from({ length: BATCH_ASKS }, () => asUser(admit, user)),
    }));
    const settle = countedRequests("/v1/settle", String(admit.id), (user) => ({
      records: Array.from({ length: BATCH_RECORDS }, () => asUser(settlement, user)),
    }));
    const run = async (requests: JobRequest[], durationMs: number, firstCount: number) => {
      const before = cpuSecondsOf(pid);
      const job = { host: url.hostname, port: Number(url.port), requests, ratePerSecond: null };
      const result = checked(await generator.run({ ...job, durationMs, firstCount }));
      return { ...result, perCoreSecond: result.requests / (cpuSecondsOf(pid) - before) };
    };
    await run(ask, seconds * 500, 0);
    await eventLoopDelayMs(url);
    const results = emptyResult();
    for (let round = 1; round <= rounds; round++) {
      const asks = await run(ask, seconds * 1000, round * 1e9);
      const settlements = await run(settle, seconds * 1000 * SETTLE_SHARE, round * 1e9);
      results.asksPerCoreSecond.push(asks.perCoreSecond);
      results.settlementsPerCoreSecond.push(settlements.perCoreSecond * BATCH_RECORDS);
      results.asksPerSecond.push(asks.requests / asks.seconds);
      results.askP99Us.push(asks.p99Us);
      results.eventLoopDelayMs.push(await eventLoopDelayMs(url));
    }
    // Last: so many holds that nobody settles are in no one's way then.
    for (let round = 1; round <= rounds; round++) {
      const { perCoreSecond } = await run(joined, seconds * 500, (rounds + round) * 1e9);
      results.joinedAsksPerCoreSecond.push(perCoreSecond * BATCH_ASKS);
    }
    return { ...results, filterConfig: config };
  } finally {
    await stack.stop();
  }
}

function emptyResult(): ServiceResult {
  return {
    asksPerCoreSecond: [],
    joinedAsksPerCoreSecond: [],
    settlementsPerCoreSecond: [],
    asksPerSecond: [],
    askP99Us: [],
    eventLoopDelayMs: [],
  };
}

/** The call as one user's: the header stands in it as the filter sends it. */
export function asUser(call: Record<string, unknown>, user: string): object {
  return JSON.parse(JSON.stringify(call).replaceAll("user-0", user)) as object;
}

/** One request for each connection; ids are replaced by ones that are counted up. */
export function countedRequests(
  path: string,
  id: string,
  bodyOf: (user: string) => object,
): JobRequest[] {
  return Array.from({ length: CONNECTIONS }, (_, i) => {
    const text = JSON.stringify(bodyOf(`user-${i}`)).replaceAll(
      `"id":"${id}"`,
      `"id":"bench-${COUNTER}"`,
    );
    const bytes = requestBytes(path, {}, Buffer.from(text));
    return { base64: bytes.toString("base64"), counterOffsets: offsetsOf(bytes, COUNTER) };
  });
}

function offsetsOf(bytes: Buffer, what: string): number[] {
  const offsets: number[] = [];
  for (let at = bytes.indexOf(what); at >= 0; at = bytes.indexOf(what, at + 1)) offsets.push(at);
  return offsets;
}

/** The result; throws where a call was not answered 200. */
export function checked(result: LoadResult): LoadResult {
  const failures = Object.keys(result.failures);
  if (failures.length === 0 && result.requests > 0) return result;
  throw new Error(`the service did not answer every call: ${failures.join(", ")}`);
}

/** Since it was last asked for. */
async function eventLoopDelayMs(url: URL): Promise<number> {
  const text = await (await fetch(new URL("/metrics", url))).text();
  const seconds = /^nodejs_eventloop_lag_max_seconds (\S+)$/m.exec(text)?.[1];
  if (seconds === undefined) throw new Error("/metrics has no nodejs_eventloop_lag_max_seconds");
  return Number(seconds) * 1000;
}
