/** The budget service hangs or dies: traffic does what the policy says, and nothing is lost. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Simulator, startSimulator } from "../../limitador-bridge/simulator/simulator.ts";
import { type Stack, startStack } from "./harness.ts";
import { startParts } from "./parts.ts";
import { IDENTITY, perUserPolicy } from "./policies.ts";
import { recordOf } from "./service-api.ts";
import { type Asked, ask, CHAT, CHAT_PATH, MESSAGE, MESSAGES_PATH } from "./traffic.ts";

/** ADMIT_TIMEOUT_MS of the service. */
const ADMIT_TIMEOUT_MS = 400;
/** What a request takes at the most when nothing is waited for. */
const PROMPT_MS = 150;
const RECORD_DEADLINE_MS = 15_000;

let simulator: Simulator;
let upstream: string;
beforeAll(async () => {
  simulator = await startSimulator({ host: "127.0.0.1", port: 0 });
  upstream = `http://127.0.0.1:${simulator.port}`;
});
afterAll(() => simulator?.close());

function policies(failureMode: "allow" | "deny"): Record<string, string> {
  const limit = { limit: 1_000_000, window: "1h", failureMode };
  return {
    "identity.yaml": IDENTITY,
    "chat.yaml": perUserPolicy({ name: "chat", path: CHAT_PATH, ...limit }),
    "messages.yaml": perUserPolicy({ name: "messages", path: MESSAGES_PATH, ...limit }),
  };
}

/** One worker: the circuit is opened by one slow request. */
function startWith(failureMode: "allow" | "deny"): Promise<Stack> {
  return startStack({
    upstream,
    policies: policies(failureMode),
    env: { ADMIT_TIMEOUT_MS: String(ADMIT_TIMEOUT_MS), WORKERS: "1" },
  });
}

/** Requests for two seconds, JSON and streams in turn. */
async function askForAWhile(proxyUrl: string): Promise<Asked[]> {
  const asked: Asked[] = [];
  for (let i = 0; i < 12; i += 1) {
    asked.push(await ask(proxyUrl, { body: { ...CHAT, stream: i % 2 === 1 } }));
    await sleep(150);
  }
  return asked;
}

async function totals(apiUrl: string, asked: Asked[]): Promise<number[]> {
  const records = await Promise.all(
    asked.map(({ requestId }) => recordOf(apiUrl, requestId, RECORD_DEADLINE_MS)),
  );
  return records.map((record) => record.tokens.total);
}

describe("failure mode allow", () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startWith("allow");
  });
  afterEach(() => process.kill(stack.servicePid(), "SIGCONT"));
  afterAll(() => stack?.stop());

  test("a service that hangs: one delay, then none; all is settled afterwards", async () => {
    await ask(stack.proxyUrl, {});
    process.kill(stack.servicePid(), "SIGSTOP");
    const asked = await askForAWhile(stack.proxyUrl);
    process.kill(stack.servicePid(), "SIGCONT");
    expect(asked.map(({ reply }) => reply.status)).toEqual(asked.map(() => 200));
    const durations = asked.map(({ reply }) => reply.durationMs);
    expect(durations.filter((ms) => ms >= PROMPT_MS).length).toBeLessThanOrEqual(1);
    expect(Math.max(...durations)).toBeLessThan(ADMIT_TIMEOUT_MS + PROMPT_MS);
    expect(await totals(stack.apiUrl, asked)).toEqual(asked.map(() => 25));
  });

  test("what passed meanwhile counts against the limit", async () => {
    process.kill(stack.servicePid(), "SIGSTOP");
    const headers = { "x-sim-prompt-tokens": "999980" };
    const { requestId } = await ask(stack.proxyUrl, { user: "spender", headers });
    process.kill(stack.servicePid(), "SIGCONT");
    expect((await recordOf(stack.apiUrl, requestId, RECORD_DEADLINE_MS)).tokens.total).toBe(
      1_000_000,
    );
    const status = async () => (await ask(stack.proxyUrl, { user: "spender" })).reply.status;
    await expect.poll(status, { timeout: 5_000, interval: 200 }).toBe(429);
  });
});

describe("failure mode deny", () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startWith("deny");
  });
  afterEach(() => process.kill(stack.servicePid(), "SIGCONT"));
  afterAll(() => stack?.stop());

  test("a service that hangs: 503 in the API's shape, and service again afterwards", async () => {
    await ask(stack.proxyUrl, {});
    simulator.bill.reset();
    process.kill(stack.servicePid(), "SIGSTOP");
    const first = await ask(stack.proxyUrl, {});
    const chat = await ask(stack.proxyUrl, { body: { ...CHAT, stream: true } });
    const message = await ask(stack.proxyUrl, { path: MESSAGES_PATH, body: MESSAGE });
    process.kill(stack.servicePid(), "SIGCONT");
    const statuses = [first, chat, message].map(({ reply }) => reply.status);
    expect(statuses).toEqual([503, 503, 503]);
    expect(first.reply.durationMs).toBeLessThan(ADMIT_TIMEOUT_MS + PROMPT_MS);
    expect(chat.reply.durationMs).toBeLessThan(PROMPT_MS);
    expect(message.reply.durationMs).toBeLessThan(PROMPT_MS);
    expect(JSON.parse(chat.reply.text)).toMatchObject({ error: { type: "server_error" } });
    expect(JSON.parse(message.reply.text)).toMatchObject({
      type: "error",
      error: { type: "api_error" },
    });
    expect(simulator.bill.view().requests).toBe(0);
    const status = async () => (await ask(stack.proxyUrl, {})).reply.status;
    await expect.poll(status, { timeout: 5_000, interval: 100 }).toBe(200);
  });
});

test("a service that is killed and comes back: traffic passes, all is settled once", async () => {
  const parts = await startParts({ upstream, policies: policies("allow") });
  try {
    const before = await ask(parts.proxyUrl, {});
    expect(await totals(parts.apiUrl, [before])).toEqual([25]);
    const underWay = ask(parts.proxyUrl, {
      body: { ...CHAT, stream: true },
      headers: { "x-sim-chunk-delay-ms": "30" },
    });
    await sleep(150);
    await parts.killService();
    const asked = await askForAWhile(parts.proxyUrl);
    expect(asked.map(({ reply }) => reply.status)).toEqual(asked.map(() => 200));
    const durations = asked.map(({ reply }) => reply.durationMs);
    expect(durations.filter((ms) => ms >= PROMPT_MS).length).toBeLessThanOrEqual(1);
    await parts.startService();
    const all = [before, await underWay, ...asked];
    expect(await totals(parts.apiUrl, all)).toEqual(all.map(() => 25));
  } finally {
    await parts.stop();
  }
}, 60_000);
