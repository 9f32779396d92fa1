/**
 * Reserve and settle through the Redis store, beside redis-benchmark running the same scripts with
 * the same arguments, which are taken from the store's own calls (MONITOR).
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { Redis } from "ioredis";
import type { UsageRecord } from "../../limitador-bridge/contract/usage-record.ts";
import { openStore } from "../../limitador-bridge/ledger/store/open-store.ts";
import type {
  LimitClaim,
  ReserveRequest,
  Settlement,
  Store,
} from "../../limitador-bridge/ledger/store/store.ts";
import { Stack } from "./stack.ts";

/** Under way at any time, in the store and in redis-benchmark alike. */
const IN_FLIGHT = 64;
const HOLD_MS = 600_000;
/** redis-benchmark puts twelve random digits where this stands. */
const RANDOM = "__rand_int__";
const MONITOR_DEADLINE_MS = 5_000;
const BENCHMARK_DEADLINE_MS = 60_000;

export interface RedisResult {
  /** Reserve and settle of one exchange, through the store; one value for each round. */
  pairsPerSecond: number[];
  /** The same two scripts by redis-benchmark, one after the other. */
  benchmarkPairsPerSecond: number[];
  ratio: number[];
}

type Call = string[];

/** Measures on a server of its own. `pairs` are done in every round. */
export async function measureRedis(pairs: number, rounds: number): Promise<RedisResult> {
  const stack = await Stack.make();
  const url = await stack.startRedis();
  const client = new Redis(url);
  let store: Store | null = null;
  try {
    await client.ping();
    store = await openStore(url);
    const calls = await captureCalls(client, store);
    const result: RedisResult = { pairsPerSecond: [], benchmarkPairsPerSecond: [], ratio: [] };
    await timedPairs(store, pairs);
    for (let round = 0; round < rounds; round++) {
      await client.flushall();
      const own = await timedPairs(store, pairs);
      await client.flushall();
      const theirs = await benchmarkPairs(new URL(url), store, calls, pairs);
      result.pairsPerSecond.push(own);
      result.benchmarkPairsPerSecond.push(theirs);
      result.ratio.push(own / theirs);
    }
    return result;
  } finally {
    await store?.close();
    client.disconnect();
    await stack.stop();
  }
}

function claimOf(index: number): LimitClaim {
  return {
    key: `default/bench/per-user/0/user-${index % IN_FLIGHT}`,
    unit: "total",
    limit: 1_000_000_000_000,
    window: { kind: "fixed", lengthMs: 86_400_000 },
    reserve: 1_300,
    onExpiry: 1_000,
    enforced: true,
  };
}

function recordOf(id: string): UsageRecord {
  const tokens = { cacheRead: 0, cacheWrite: 0, reasoning: 0 };
  return {
    id,
    time: "2026-01-01T00:00:00.000Z",
    requestId: "6f1c9a52-8f0e-4f5e-9d3b-6b1f0c1d2e3f",
    api: "openai.chat.completions",
    provider: "openai",
    requestedModel: "gpt-4o-mini",
    model: "gpt-4o-mini-2024-07-18",
    team: null,
    app: null,
    user: "user-0",
    task: null,
    tokens: { ...tokens, input: 210, output: 180, total: 390 },
    detail: { inputUncached: 210, textOut: 180 },
    costNanoUsd: 139_500,
    priced: true,
    source: "reported",
    outcome: "ok",
    status: 200,
    durationMs: 1_200,
  };
}

function reservationOf(index: number, id: string): ReserveRequest {
  return { id, claims: [claimOf(index)], holdMs: HOLD_MS, expiryRecord: recordOf(id) };
}

function settlementOf(index: number, id: string): Settlement {
  const amounts = { total: 390, input: 210, output: 180, requests: 1, usd: 139_500 };
  return { id, amounts, claims: [claimOf(index)], record: recordOf(id) };
}

/** The id that redis-benchmark makes of RANDOM and this number. */
function idOf(index: number): string {
  return `bench-${String(index).padStart(RANDOM.length, "0")}`;
}

/** The two script calls of one exchange, as redis-benchmark is to make them. */
async function captureCalls(client: Redis, store: Store): Promise<{ reserve: Call; settle: Call }> {
  const warm = "bench-capture-warm";
  await store.reserve(reservationOf(0, warm));
  await store.settle([settlementOf(0, warm)]);
  const id = `bench-${RANDOM}`;
  const monitor = await client.monitor();
  try {
    const calls: Call[] = [];
    const two = new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error(`MONITOR showed ${calls.length} script calls of an exchange, not 2`));
      }, MONITOR_DEADLINE_MS);
      // Only what comes from a client: MONITOR shows also what the scripts call.
      monitor.on("monitor", (_time: string, call: Call, source: string) => {
        if (source === "lua" || !/^evalsha$/i.test(call[0] ?? "")) return;
        calls.push(call);
        if (calls.length < 2) return;
        clearTimeout(timer);
        resolve();
      });
    });
    await store.reserve(reservationOf(0, id));
    await store.settle([settlementOf(0, id)]);
    await two;
    const [reserve, settle] = calls as [Call, Call];
    return { reserve, settle };
  } finally {
    monitor.disconnect();
  }
}

/** Exchanges through the store, in a second. */
async function timedPairs(store: Store, pairs: number): Promise<number> {
  const since = performance.now();
  await inFlight(pairs, async (index) => {
    const id = idOf(index);
    await store.reserve(reservationOf(index, id));
    await store.settle([settlementOf(index, id)]);
  });
  return (pairs * 1000) / (performance.now() - since);
}

async function inFlight(count: number, each: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < count) await each(next++);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
}

/** The scripts by redis-benchmark; holds are there before they are settled. */
async function benchmarkPairs(
  url: URL,
  store: Store,
  calls: { reserve: Call; settle: Call },
  pairs: number,
): Promise<number> {
  const ids = 2 * pairs;
  const reserves = await benchmark(url, calls.reserve, pairs, 1_000_000_000);
  await inFlight(ids, async (index) => {
    await store.reserve(reservationOf(index, idOf(index)));
  });
  const settles = await benchmark(url, calls.settle, pairs, ids);
  return 1 / (1 / reserves + 1 / settles);
}

/** Calls in a second. Throws when the server answers with an error. */
async function benchmark(url: URL, call: Call, count: number, ids: number): Promise<number> {
  const to = ["-h", url.hostname, "-p", url.port];
  const how = ["-n", String(count), "-c", String(IN_FLIGHT), "-r", String(ids), "--csv"];
  const { stdout } = await promisify(execFile)("redis-benchmark", [...to, ...how, ...call], {
    timeout: BENCHMARK_DEADLINE_MS,
  });
  const rate = Number(/",?"?(\d+\.\d+)"/.exec(stdout.split("\n")[1] ?? "")?.[1]);
  if (rate > 0) return rate;
  throw new Error(`redis-benchmark said: ${stdout.slice(0, 500)}`);
}
