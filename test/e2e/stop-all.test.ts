/**
 * Hosts that turn StopIteration of the headers callback into stop-all (a bare Istio WasmPlugin
 * has no allow_on_headers_stop_iteration): nothing hangs, and limits hold.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Simulator, startSimulator } from "../../limitador-bridge/simulator/simulator.ts";
import { PROJECT_ROOT, type Stack, startStack } from "./harness.ts";
import { IDENTITY, perUserPolicy } from "./policies.ts";
import { recordOf } from "./service-api.ts";
import { ask, CHAT, CHAT_PATH, MESSAGE, MESSAGES_PATH } from "./traffic.ts";

const LIMIT = 60;
/** Far below any idle timeout: a request that hangs fails here. */
const HANG_MS = 5_000;

let simulator: Simulator;
let folder: string;
beforeAll(async () => {
  simulator = await startSimulator({ host: "127.0.0.1", port: 0 });
  folder = await mkdtemp(join(tmpdir(), "tollgate-e2e-"));
});
afterAll(async () => {
  await simulator?.close();
  await rm(folder, { recursive: true, force: true });
});

/** The shipped bootstrap without the lines that hold any of these words. */
function bootstrapWithout(words: string[]): string {
  const shipped = readFileSync(join(PROJECT_ROOT, "envoy/bootstrap.yaml"), "utf8");
  const lines = shipped.split("\n");
  const kept = lines.filter((line) => !words.some((word) => line.includes(word)));
  expect(lines.length - kept.length).toBe(words.length);
  const file = join(folder, `${words.join("-").replaceAll(/\W/g, "")}.yaml`);
  writeFileSync(file, kept.join("\n"));
  return file;
}

describe.each([
  ["the plugin's own default", ["allow_on_headers_stop_iteration", '"hold_headers"']],
  ["a plugin told to hold headers all the same", ["allow_on_headers_stop_iteration"]],
])("without allow_on_headers_stop_iteration: %s", (_name, words) => {
  let stack: Stack;
  beforeAll(async () => {
    const limit = { limit: LIMIT, window: "1h" };
    stack = await startStack({
      upstream: `http://127.0.0.1:${simulator.port}`,
      policies: {
        "identity.yaml": IDENTITY,
        "chat.yaml": perUserPolicy({ name: "chat", path: CHAT_PATH, ...limit }),
        "messages.yaml": perUserPolicy({ name: "messages", path: MESSAGES_PATH, ...limit }),
      },
      env: { ENVOY_BOOTSTRAP: bootstrapWithout(words) },
    });
  });
  afterAll(() => stack?.stop());

  test.each([
    ["chat completions, JSON", CHAT_PATH, CHAT],
    ["chat completions, stream", CHAT_PATH, { ...CHAT, stream: true }],
    ["messages, JSON", MESSAGES_PATH, MESSAGE],
    ["messages, stream", MESSAGES_PATH, { ...MESSAGE, stream: true }],
  ])("%s: 200 until the limit, then 429", async (name, path, body) => {
    const user = name.replaceAll(/\W+/g, "-");
    const statuses: number[] = [];
    while (statuses.length < 4) {
      const asked = await ask(stack.proxyUrl, { path, body, user, timeoutMs: HANG_MS });
      statuses.push(asked.reply.status);
      if (asked.reply.status !== 200) break;
      const record = await recordOf(stack.apiUrl, asked.requestId);
      expect(record.tokens.total).toBe(25);
      // A stream whose usage chunk could not be asked for is charged an estimate.
      expect(record.source).toBe("reported");
    }
    expect(statuses).toEqual([200, 200, 200, 429]);
  });

  test("a large body, and none at all", async () => {
    const words = "word ".repeat(400_000);
    const body = { ...CHAT, messages: [{ role: "user", content: words }] };
    const large = await ask(stack.proxyUrl, { body, user: "large", timeoutMs: HANG_MS });
    expect(large.reply.status).toBe(200);
    expect((await recordOf(stack.apiUrl, large.requestId)).tokens.input).toBe(400_000);
    const empty = await ask(stack.proxyUrl, { body: "", user: "empty", timeoutMs: HANG_MS });
    expect(empty.reply.status).toBe(400);
    const get = await ask(stack.proxyUrl, {
      path: "/v1/models",
      body: undefined,
      timeoutMs: HANG_MS,
    });
    expect(get.reply.status).toBe(200);
  });
});
