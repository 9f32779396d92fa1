/** Policies change while traffic runs. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type Simulator, startSimulator } from "../../limitador-bridge/simulator/simulator.ts";
import { type Stack, startStack } from "./harness.ts";
import { IDENTITY, perUserPolicy } from "./policies.ts";
import { metric, policiesOf, recordOf } from "./service-api.ts";
import { ask, CHAT_PATH, MESSAGE, MESSAGES_PATH } from "./traffic.ts";

const RELOAD_DEADLINE_MS = 2_000;
const GENEROUS = perUserPolicy({ name: "chat", path: CHAT_PATH, limit: 1_000_000, window: "1h" });
const SPENT = perUserPolicy({ name: "chat", path: CHAT_PATH, limit: 0, window: "1h" });

let simulator: Simulator;
let stack: Stack;
beforeAll(async () => {
  simulator = await startSimulator({ host: "127.0.0.1", port: 0 });
  stack = await startStack({
    upstream: `http://127.0.0.1:${simulator.port}`,
    policies: { "identity.yaml": IDENTITY, "chat.yaml": GENEROUS },
  });
});
beforeEach(async () => {
  await stack.writePolicy("chat.yaml", GENEROUS);
  await becomes(200);
});
afterAll(async () => {
  await stack?.stop();
  await simulator?.close();
});

/** Waits until a chat request gets this status, no longer than a reload may take. */
async function becomes(status: number): Promise<void> {
  const current = async () => (await ask(stack.proxyUrl, {})).reply.status;
  await expect.poll(current, { timeout: RELOAD_DEADLINE_MS, interval: 50 }).toBe(status);
}

test("a changed limit is in force within 2 s, both ways", async () => {
  const { version } = await policiesOf(stack.apiUrl);
  await stack.writePolicy("chat.yaml", SPENT);
  await becomes(429);
  expect((await policiesOf(stack.apiUrl)).version).not.toBe(version);
  await stack.writePolicy("chat.yaml", GENEROUS);
  await becomes(200);
  expect((await policiesOf(stack.apiUrl)).version).toBe(version);
});

test("a broken file keeps the last good version and says where it is broken", async () => {
  await stack.writePolicy("chat.yaml", SPENT);
  await becomes(429);
  const broken = GENEROUS.replace("limit: 1000000", "limit: a lot");
  await stack.writePolicy("chat.yaml", broken);
  const problems = async () =>
    (await policiesOf(stack.apiUrl)).policies.flatMap((policy) => policy.problems);
  await expect.poll(async () => (await problems()).length, { timeout: RELOAD_DEADLINE_MS }).toBe(1);
  const line = broken.split("\n").findIndex((text) => text.includes("a lot"));
  const column = (broken.split("\n")[line] ?? "").indexOf("a lot");
  const [problem] = await problems();
  expect(problem).toMatchObject({
    line: line + 1,
    column: column + 1,
    field: "spec.limits.per-user.rates[0].limit",
  });
  expect(problem?.file).toMatch(/chat\.yaml$/);
  expect(stack.logs()).toContain(`chat.yaml:${line + 1}:${column + 1}`);
  const status = (await policiesOf(stack.apiUrl)).policies.find(({ name }) => name === "chat");
  expect(status?.accepted).toBe(false);
  await sleep(300);
  expect((await ask(stack.proxyUrl, {})).reply.status).toBe(429);
  await stack.writePolicy("chat.yaml", GENEROUS);
  await becomes(200);
  expect(await problems()).toEqual([]);
});

test("text that is not YAML, and a predicate that does not compile", async () => {
  for (const broken of ["limits: [", GENEROUS.replace('request.path == "', 'request.path = "')]) {
    await stack.writePolicy("chat.yaml", broken);
    const count = async () =>
      (await policiesOf(stack.apiUrl)).policies.flatMap((policy) => policy.problems).length;
    await expect.poll(count, { timeout: RELOAD_DEADLINE_MS }).toBeGreaterThan(0);
    expect((await ask(stack.proxyUrl, {})).reply.status).toBe(200);
  }
});

test("a new file adds a policy, a removed one takes it away, traffic never fails", async () => {
  const statuses = new Set<number>();
  let running = true;
  const traffic = (async () => {
    while (running) statuses.add((await ask(stack.proxyUrl, { user: "steady" })).reply.status);
  })();
  const message = async () =>
    (await ask(stack.proxyUrl, { path: MESSAGES_PATH, body: MESSAGE })).reply.status;
  expect(await message()).toBe(200);
  await stack.writePolicy(
    "messages.yaml",
    perUserPolicy({ name: "messages", path: MESSAGES_PATH, limit: 0, window: "1h" }),
  );
  await expect.poll(message, { timeout: RELOAD_DEADLINE_MS }).toBe(429);
  await rm(join(stack.policiesFolder, "messages.yaml"));
  await expect.poll(message, { timeout: RELOAD_DEADLINE_MS }).toBe(200);
  running = false;
  await traffic;
  expect([...statuses]).toEqual([200]);
});

test("metrics agree with the records", async () => {
  const labels = { model: "gpt-4o-metrics", kind: "total" };
  const before = await metric(stack.apiUrl, "tollgate_tokens_total", labels);
  const body = { model: "gpt-4o-metrics", messages: [{ role: "user", content: "a b c" }] };
  const { requestId } = await ask(stack.proxyUrl, { body });
  expect((await recordOf(stack.apiUrl, requestId)).tokens.total).toBe(23);
  expect(await metric(stack.apiUrl, "tollgate_tokens_total", labels)).toBe(before + 23);
});
