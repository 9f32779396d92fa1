/**
 * How long the service takes to start with 1,000 policies, and what a decision costs among 10,000
 * that do not match, by what it costs among 10.
 */
import { recordCalls } from "./filter-driver.ts";
import type { JobRequest } from "./load-job.ts";
import { otherPolicyFiles } from "./policy.ts";
import { cpuSecondsOf, type LoadGenerator } from "./processes.ts";
import { TOLLGATE_WASM } from "./project.ts";
import { asUser, COUNTER, checked, countedRequests } from "./service-asks.ts";
import { Stack } from "./stack.ts";
import { chatRequest } from "./workloads.ts";

const STARTED_WITH = 1_000;
const FEW = 10;
const MANY = 10_000;
const SHARE = 0.25;

export interface PoliciesResult {
  /** From the start of the process to its being ready; one value for each round. */
  readyMs: number[];
  /** CPU time of an ask. */
  manyByFew: number[];
}

interface Service {
  stack: Stack;
  pid: number;
  url: URL;
}

/** Measures services of its own. Throws when a call is not answered 200. */
export async function measurePolicies(
  generator: LoadGenerator,
  seconds: number,
  rounds: number,
): Promise<PoliciesResult> {
  const result: PoliciesResult = { readyMs: [], manyByFew: [] };
  for (let round = 0; round < rounds; round++) {
    const { stack, readyMs } = await startService(STARTED_WITH);
    result.readyMs.push(readyMs);
    await stack.stop();
  }
  const few = await startService(FEW);
  const many = await startService(MANY);
  try {
    const asks = await newcomersAsks(few.url);
    const run = (service: Service, round: number, share: number) =>
      cpuUsOfAsk(generator, service, asks, { seconds: seconds * share, firstCount: round * 1e9 });
    for (const service of [few, many]) await run(service, 0, 1);
    for (let round = 1; round <= rounds; round++) {
      const fewUs = await run(few, round, SHARE);
      result.manyByFew.push((await run(many, round, SHARE)) / fewUs);
    }
  } finally {
    await few.stack.stop();
    await many.stack.stop();
  }
  return result;
}

async function startService(policies: number): Promise<Service & { readyMs: number }> {
  const stack = await Stack.make();
  const others = otherPolicyFiles(policies);
  const startedMs = performance.now();
  const url = new URL(await stack.startService(null, "ask", { others }));
  const readyMs = performance.now() - startedMs;
  return { stack, url, pid: stack.parts[0]?.pid ?? 0, readyMs };
}

/** Each of a user that the service has not seen, so that it must find the limits anew. */
async function newcomersAsks(url: URL): Promise<JobRequest[]> {
  const config = (await (await fetch(new URL("/v1/filter-config", url))).json()) as object;
  const { admit } = recordCalls(TOLLGATE_WASM, config, chatRequest(4096, false));
  return countedRequests("/v1/admit", String(admit.id), () => asUser(admit, `user-${COUNTER}`));
}

async function cpuUsOfAsk(
  generator: LoadGenerator,
  { url, pid }: Service,
  requests: JobRequest[],
  { seconds, firstCount }: { seconds: number; firstCount: number },
): Promise<number> {
  const before = cpuSecondsOf(pid);
  const result = await generator.run({
    host: url.hostname,
    port: Number(url.port),
    requests,
    ratePerSecond: null,
    durationMs: seconds * 1000,
    firstCount,
  });
  return ((cpuSecondsOf(pid) - before) * 1e6) / checked(result).requests;
}
