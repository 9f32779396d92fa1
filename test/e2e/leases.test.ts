/** Requests decided inside Envoy: fewer calls, and not one token more or less. */
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type Simulator, startSimulator } from "../../limitador-bridge/simulator/simulator.ts";
import { type Stack, startStack } from "./harness.ts";
import { IDENTITY } from "./policies.ts";
import { allRecords, limitsOf, until } from "./redis-stack.ts";
import { metric } from "./service-api.ts";
import { ask, CHAT } from "./traffic.ts";

/** Prompt and output of one request. */
const TOKENS = 25;
const AT_ONCE = 8;

let simulator: Simulator;
let stack: Stack | undefined;
beforeAll(async () => {
  simulator = await startSimulator({ host: "127.0.0.1", port: 0 });
});
afterEach(async () => {
  await stack?.stop();
  stack = undefined;
});
afterAll(() => simulator?.close());

async function start(limits: string, env: Record<string, string> = {}): Promise<Stack> {
  const policy = `apiVersion: kuadrant.io/v1alpha1
kind: TokenRateLimitPolicy
metadata: {name: leased}
spec:
  targetRef: {group: gateway.networking.k8s.io, kind: Gateway, name: api-gateway}
  failureMode: deny
  limits:
    per-user:
      rates: [${limits}]
      reservation: worst-case
      counters: [{expression: 'request.headers["x-user"]'}]
`;
  stack = await startStack({
    upstream: `http://127.0.0.1:${simulator.port}`,
    policies: { "identity.yaml": IDENTITY, "leased.yaml": policy },
    env: { ADMIT_TIMEOUT_MS: "10000", ...env },
  });
  return stack;
}

/** Sends so many requests of one user, some at once. Returns how many answers had which status. */
async function sendMany(proxyUrl: string, requests: number, body: object = CHAT) {
  const statuses: Record<number, number> = {};
  let left = requests;
  const work = async () => {
    while (left > 0) {
      left -= 1;
      const { reply } = await ask(proxyUrl, { body, timeoutMs: 20_000 });
      statuses[reply.status] = (statuses[reply.status] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return statuses;
}

test("far from a limit: decided in Envoy, charged exactly, nothing held when idle", async () => {
  const { proxyUrl, apiUrl } = await start("{limit: 1000000000, window: 1h}", { WORKERS: "1" });
  const streamed = { ...CHAT, stream: true };
  expect(await sendMany(proxyUrl, 300)).toEqual({ 200: 300 });
  expect(await sendMany(proxyUrl, 300, streamed)).toEqual({ 200: 300 });
  await until("600 charged, none held", 20_000, async () => {
    const [limit] = await limitsOf(apiUrl);
    return limit?.used === 600 * TOKENS && limit.held === 0;
  });
  const decided = (reason: string) => metric(apiUrl, "tollgate_requests_total", { reason });
  const [leased, asked] = [await decided("lease"), await decided("")];
  expect(leased + asked).toBe(600);
  expect(leased).toBeGreaterThan(300);
  const records = await allRecords(apiUrl);
  expect(new Set(records.map(({ id }) => id)).size).toBe(600);
  expect(records.every(({ tokens, user }) => tokens.total === TOKENS && user === "ann")).toBe(true);
}, 60_000);

test("what a lease lets by still meets the limit: never over it, then 429", async () => {
  const { proxyUrl, apiUrl } = await start("{limit: 1500, window: 1h, unit: requests}");
  const statuses = await sendMany(proxyUrl, 1_700);
  expect(statuses).toEqual({ 200: 1_500, 429: 200 });
  await until("1,500 used, none held", 20_000, async () => {
    const [limit] = await limitsOf(apiUrl);
    return limit?.used === 1_500 && limit.held === 0;
  });
  const leased = await metric(apiUrl, "tollgate_requests_total", { reason: "lease" });
  expect(leased).toBeGreaterThan(100);
}, 90_000);

test("200 at once on a limit that fits 50: 50, also after leases were in use", async () => {
  const { proxyUrl, apiUrl, writePolicy } = await start(
    "{limit: 1000000, window: 1h, unit: requests}",
  );
  expect(await sendMany(proxyUrl, 200)).toEqual({ 200: 200 });
  const text = `apiVersion: kuadrant.io/v1alpha1
kind: TokenRateLimitPolicy
metadata: {name: leased}
spec:
  targetRef: {group: gateway.networking.k8s.io, kind: Gateway, name: api-gateway}
  failureMode: deny
  limits:
    fifty: {rates: [{limit: 50, window: 1h, unit: requests}]}
`;
  await writePolicy("leased.yaml", text);
  // Leases are valid for two seconds, the filter looks for changes every second.
  await new Promise((done) => setTimeout(done, 4_000));
  const asked = await Promise.all(
    Array.from({ length: 200 }, () => ask(proxyUrl, { timeoutMs: 20_000 })),
  );
  const statuses = asked.map(({ reply }) => reply.status);
  expect(statuses.filter((status) => status === 200)).toHaveLength(50);
  expect(statuses.filter((status) => status === 429)).toHaveLength(150);
  await until("50 used, none held", 10_000, async () => {
    const limit = (await limitsOf(apiUrl)).find(({ limit: amount }) => amount === 50);
    return limit?.used === 50 && limit.held === 0;
  });
}, 60_000);
