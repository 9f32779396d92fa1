/**
 * Should the filter ever trap, traffic must not be down for good: failure_policy FAIL_RELOAD starts
 * a new VM for the next request. Tried with a build of the filter that traps when asked to.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { main } from "assemblyscript/asc";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PROJECT_ROOT, type Stack, startStack } from "./harness.ts";
import { IDENTITY, perUserPolicy } from "./policies.ts";
import { recordOf } from "./service-api.ts";
import { ask, CHAT_PATH } from "./traffic.ts";

/** Envoy reloads a failed VM at once the first time, and then with a backoff of a second. */
const RELOAD_MS = 1_500;

let stack: Stack;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tollgate-trap-"));
  const wasm = join(folder, "trapping.wasm");
  const entry = "test/e2e/assembly/trapping-filter.ts";
  const args = [entry, "--target", "release", "--outFile", wasm, "--baseDir", PROJECT_ROOT];
  const { error, stderr } = await main(args);
  if (error) throw new Error(stderr.toString());
  stack = await startStack({
    policies: {
      "identity.yaml": IDENTITY,
      "chat.yaml": perUserPolicy({ name: "chat", path: CHAT_PATH, limit: 1000, window: "1h" }),
    },
    env: { TOLLGATE_WASM: wasm, WORKERS: "1" },
  });
});
afterAll(async () => {
  await stack?.stop();
  await rm(folder, { recursive: true, force: true });
});

test("a trap costs one request, not the traffic after it", async () => {
  expect((await ask(stack.proxyUrl, {})).reply.status).toBe(200);
  for (let round = 0; round < 3; round++) {
    const trapped = await ask(stack.proxyUrl, { headers: { "x-trap": "1" } });
    expect(trapped.reply.status).toBe(503);
    await sleep(RELOAD_MS);
    const next = await ask(stack.proxyUrl, {});
    expect(next.reply.status).toBe(200);
    expect((await recordOf(stack.apiUrl, next.requestId)).tokens.total).toBe(25);
  }
});
