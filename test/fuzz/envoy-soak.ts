/**
 * Many requests through the real Envoy: what the filter takes of memory does not grow, and every
 * request is counted once.
 */
import { readFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Simulator, startSimulator } from "../../limitador-bridge/simulator/simulator.ts";
import { send } from "../e2e/client.ts";
import { type Stack, startStack } from "../e2e/harness.ts";
import { IDENTITY, perUserPolicy } from "../e2e/policies.ts";
import { metric } from "../e2e/service-api.ts";
import { CHAT, CHAT_PATH } from "../e2e/traffic.ts";

const REQUESTS = Number(process.env.SOAK_REQUESTS ?? 50_000);
const WARM_UP = Math.ceil(REQUESTS / 5);
const CONCURRENCY = 32;
const USERS = 100;
const OUTPUT_TOKENS = "6";
const MOST_GROWTH = 1.1;
const SETTLED_DEADLINE_MS = 60_000;
const PAGE = 1000;

const PLAIN = Buffer.from(JSON.stringify(CHAT));
const STREAMED = Buffer.from(JSON.stringify({ ...CHAT, stream: true }));

let simulator: Simulator;
let stack: Stack;
const agent = new Agent({ keepAlive: true, maxSockets: CONCURRENCY });

beforeAll(async () => {
  simulator = await startSimulator({ host: "127.0.0.1", port: 0 });
  stack = await startStack({
    upstream: `http://127.0.0.1:${simulator.port}`,
    // On a machine that is busy with other things, too, every request is to be asked about.
    env: { ADMIT_TIMEOUT_MS: "60000" },
    policies: {
      "identity.yaml": IDENTITY,
      "chat.yaml": perUserPolicy({ name: "chat", path: CHAT_PATH, limit: 2 ** 40, window: "1h" }),
    },
  });
});
afterAll(async () => {
  agent.destroy();
  await stack?.stop();
  await simulator?.close();
});

test(`${REQUESTS} requests`, { timeout: 0 }, async () => {
  await run(0, WARM_UP);
  const before = await memoryOfEnvoy();
  console.log(`after ${WARM_UP} requests: ${told(before)}`);
  await run(WARM_UP, REQUESTS);
  const after = await memoryOfEnvoy();
  console.log(`after ${REQUESTS} requests: ${told(after)}`);
  const { text: stats } = await send(`${stack.adminUrl}/stats?filter=wasm`);
  console.log(stats.trim());
  expect(stats).toContain("wasm.tollgate.vm_reload: 0\n");
  expect(stats).toContain("wasmcustom.tollgate_settlements_lost: 0\n");
  expect(await countedBy(REQUESTS)).toEqual({ admitted: REQUESTS, settled: REQUESTS });
  expect(await recordsInLedger()).toBe(REQUESTS);
  expect(after.rssKiB / before.rssKiB, "growth of Envoy's memory").toBeLessThan(MOST_GROWTH);
});

/** Requests number `from` to before `to`, every other one a stream. */
async function run(from: number, to: number): Promise<void> {
  let next = from;
  const client = async () => {
    while (next < to) await exchange(next++);
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, client));
}

/** Throws where the answer is not whole, or has the usage chunk in it. */
async function exchange(number: number): Promise<void> {
  const isStream = number % 2 === 1;
  const { status, text } = await post(isStream ? STREAMED : PLAIN, `u${number % USERS}`);
  if (status !== 200) throw new Error(`request ${number}: ${status} ${text}`);
  if (!isStream && !text.endsWith("}")) throw new Error(`request ${number} is cut: ${text}`);
  if (isStream && !text.endsWith("data: [DONE]\n\n")) {
    throw new Error(`stream ${number} is cut: ${text}`);
  }
  if (isStream && text.includes('"usage":{')) {
    throw new Error(`stream ${number} has the usage chunk: ${text}`);
  }
}

function post(body: Buffer, user: string): Promise<{ status: number; text: string }> {
  const headers = {
    "content-type": "application/json",
    "content-length": body.length,
    "x-user": user,
    "x-sim-output-tokens": OUTPUT_TOKENS,
  };
  return new Promise((resolve, reject) => {
    const sent = request(stack.proxyUrl + CHAT_PATH, { method: "POST", headers, agent }, (res) => {
      const parts: Buffer[] = [];
      res.on("data", (bytes: Buffer) => parts.push(bytes));
      res.on("error", reject);
      res.on("end", () => {
        resolve({ status: res.statusCode ?? 0, text: Buffer.concat(parts).toString("utf8") });
      });
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

interface EnvoyMemory {
  rssKiB: number;
  /** By Envoy's own allocator; the modules' memory is not in it. */
  allocatedKiB: number;
}

async function memoryOfEnvoy(): Promise<EnvoyMemory> {
  const status = readFileSync(`/proc/${stack.envoyPid()}/status`, "utf8");
  const rssKiB = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]);
  const memory = JSON.parse((await send(`${stack.adminUrl}/memory`)).text) as { allocated: string };
  return { rssKiB, allocatedKiB: Math.round(Number(memory.allocated) / 1024) };
}

function told({ rssKiB, allocatedKiB }: EnvoyMemory): string {
  return `Envoy has ${rssKiB} KiB resident, ${allocatedKiB} KiB allocated`;
}

/** What the service has counted, once it is as much as `wanted` or the time is up. */
async function countedBy(wanted: number): Promise<{ admitted: number; settled: number }> {
  const untilMs = Date.now() + SETTLED_DEADLINE_MS;
  for (;;) {
    const settled = await metric(stack.apiUrl, "tollgate_usage_records_total", {
      source: "reported",
    });
    // Last: a request under a lease is counted when it is settled.
    const admitted = await metric(stack.apiUrl, "tollgate_requests_total", { verdict: "allow" });
    if (settled >= wanted || Date.now() > untilMs) return { admitted, settled };
    await sleep(100);
  }
}

async function recordsInLedger(): Promise<number> {
  let count = 0;
  let cursor: string | null = null;
  do {
    const from: string = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const reply = await send(`${stack.apiUrl}/v1/usage?limit=${PAGE}${from}`);
    const page = JSON.parse(reply.text) as { records: unknown[]; next: string | null };
    count += page.records.length;
    cursor = page.next;
  } while (cursor !== null);
  return count;
}
