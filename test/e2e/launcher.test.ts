/** `make up` as it is without any setting, and Ctrl-C. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { send } from "./client.ts";
import { freePorts, LAUNCHER, PROJECT_ROOT, type Stack, startStack } from "./harness.ts";
import { childrenOf, isRunning, type ProcessHandle, signalAll } from "./processes.ts";
import { recordOf } from "./service-api.ts";
import { ask, CHAT } from "./traffic.ts";

/** A person at a terminal waits this long; nothing was under way. */
const PROMPT_STOP_MS = 4_000;
/** Of a process that runs for longer, none is missed. */
const WATCH_MS = 10;
/** An Envoy that was begun listens by then. */
const LISTENING_MS = 2_000;

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ policies: "policies/examples/kuadrant-tiers" });
});
afterAll(() => stack?.stop());

test("the simulator is the upstream, and what is billed is what is recorded", async () => {
  const headers = { "x-groups": "free" };
  const json = await ask(stack.proxyUrl, { headers });
  const stream = await ask(stack.proxyUrl, { headers, body: { ...CHAT, stream: true } });
  for (const { requestId, reply } of [json, stream]) {
    expect(reply.status).toBe(200);
    expect((await recordOf(stack.apiUrl, requestId)).tokens.total).toBe(25);
  }
  const bill = await send(`${stack.proxyUrl}/simulator/bill`);
  expect(JSON.parse(bill.text)).toMatchObject({ requests: 2, inputTokens: 10, outputTokens: 40 });
});

test("a port that another process listens on is told before anything starts", async () => {
  const { port } = new URL(stack.apiUrl);
  const env = { ...process.env, STORE: "memory:", PROXY_PORT: "1", API_PORT: port };
  const second = spawn(process.execPath, [LAUNCHER, "up"], { cwd: PROJECT_ROOT, env });
  const [stdout, stderr] = await Promise.all([text(second.stdout), text(second.stderr)]);
  expect([stdout, stderr]).toEqual([
    "",
    `tollgate: API_PORT: expected a free port, found 127.0.0.1:${port}, where another process ` +
      "listens; set API_PORT\n",
  ]);
});

test("who reads no further (`| head`) ends everything, too", async () => {
  const [proxy, api, admin, simulator] = (await freePorts(4)).map(String);
  const ports = { PROXY_PORT: proxy, API_PORT: api, ENVOY_ADMIN_PORT: admin };
  const env = { ...process.env, ...ports, SIMULATOR_PORT: simulator, STORE: "memory:" };
  const launcher = spawn(process.execPath, [LAUNCHER, "up"], { cwd: PROJECT_ROOT, env });
  const ended = once(launcher, "exit");
  const parts = new Map<number, ProcessHandle>();
  const watch = setInterval(() => {
    for (const part of childrenOf(launcher.pid ?? 0)) parts.set(part.pid, part);
  }, WATCH_MS);
  for await (const lines of launcher.stdout) if (String(lines).includes("budget service")) break;
  await ended;
  clearInterval(watch);
  const left = [...parts.values()].filter(isRunning);
  signalAll(left, "SIGKILL");
  expect(left).toEqual([]);
  // Envoy, begun when nobody read any more, is ended so soon that it may not have been seen.
  expect(parts.size).toBeGreaterThanOrEqual(2);
  await sleep(LISTENING_MS);
  for (const port of [simulator, api, admin]) {
    await expect(send(`http://127.0.0.1:${port}/healthz`)).rejects.toThrow(/ECONNREFUSED/);
  }
});

test("Ctrl-C ends everything, soon", async () => {
  const parts = childrenOf(stack.launcherPid);
  expect(parts.length).toBe(3);
  const startedAt = performance.now();
  await stack.stop();
  expect(parts.filter(isRunning)).toEqual([]);
  await expect(send(`${stack.proxyUrl}/v1/models`)).rejects.toThrow(/ECONNREFUSED/);
  expect(performance.now() - startedAt).toBeLessThan(PROMPT_STOP_MS);
});
