/** An upstream that had the request bills it, answer or not; one that never had it does not. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Simulator, startSimulator } from "../../limitador-bridge/simulator/simulator.ts";
import { freePorts, PROJECT_ROOT, type Stack, startStack } from "./harness.ts";
import { IDENTITY, perUserPolicy } from "./policies.ts";
import { recordOf } from "./service-api.ts";
import { ask, CHAT, CHAT_PATH } from "./traffic.ts";

const ROUTE_TIMEOUT = "0.5s";

let folder: string;
let simulator: Simulator;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "tollgate-lost-"));
  simulator = await startSimulator({ host: "127.0.0.1", port: 0 });
});
afterAll(async () => {
  await simulator?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** The shipped bootstrap, but that Envoy waits for an answer no longer than this. */
function impatientBootstrap(): string {
  const shipped = readFileSync(join(PROJECT_ROOT, "envoy/bootstrap.yaml"), "utf8");
  const text = shipped.replace(/^( +)timeout: 0s$/m, `$1timeout: ${ROUTE_TIMEOUT}`);
  expect(text).not.toBe(shipped);
  const file = join(folder, "impatient.yaml");
  writeFileSync(file, text);
  return file;
}

async function whileRunning<T>(upstream: string, use: (stack: Stack) => Promise<T>): Promise<T> {
  const limit = { name: "chat", path: CHAT_PATH, limit: 1_000_000, window: "1h" };
  const stack = await startStack({
    upstream,
    store: "memory:",
    policies: { "identity.yaml": IDENTITY, "chat.yaml": perUserPolicy(limit) },
    env: { ENVOY_BOOTSTRAP: impatientBootstrap() },
  });
  try {
    return await use(stack);
  } finally {
    await stack.stop();
  }
}

/** By estimate: of so short a body hardly anything is left beside its frame. */
const INPUT_TOKENS = 1;

async function expectInputCharged(
  stack: Stack,
  requestId: string,
  how: { reason: string; status: number },
): Promise<void> {
  expect(await recordOf(stack.apiUrl, requestId)).toMatchObject({
    ...how,
    source: "estimated",
    outcome: "upstream_error",
    model: CHAT.model,
    tokens: { input: INPUT_TOKENS, output: 0, total: INPUT_TOKENS },
  });
}

describe("Envoy's own error in the upstream's place", () => {
  test("no answer in time: 504, and the input is charged", async () => {
    await whileRunning(`http://127.0.0.1:${simulator.port}`, async (stack) => {
      const { reply, requestId } = await ask(stack.proxyUrl, {
        headers: { "x-sim-delay-ms": "3000" },
      });
      expect(reply.status).toBe(504);
      await expectInputCharged(stack, requestId, { reason: "timed_out", status: 504 });
    });
  });

  test.each([
    ["more headers than Envoy takes", `HTTP/1.1 200 OK\r\n${"x-a: 1\r\n".repeat(150)}\r\n`],
    ["no HTTP", "hello\r\n\r\n"],
  ])("an answer with %s: 502, and the input is charged", async (_, answer) => {
    const server = createServer((socket) => {
      socket.on("error", () => {}).once("data", () => socket.end(answer));
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const { port } = server.address() as AddressInfo;
    try {
      await whileRunning(`http://127.0.0.1:${port}`, async (stack) => {
        const { reply, requestId } = await ask(stack.proxyUrl, {});
        expect(reply.status).toBe(502);
        await expectInputCharged(stack, requestId, { reason: "answer_unreadable", status: 502 });
      });
    } finally {
      server.close();
    }
  });

  test("no connection: 503, and nothing is charged", async () => {
    const [closedPort] = await freePorts(1);
    await whileRunning(`http://127.0.0.1:${closedPort}`, async (stack) => {
      const { reply, requestId } = await ask(stack.proxyUrl, {});
      expect(reply.status).toBe(503);
      const record = await recordOf(stack.apiUrl, requestId);
      expect(record).toMatchObject({ outcome: "upstream_error", status: 503, costNanoUsd: 0 });
      expect(record.reason).toBe("error_status");
      expect(record.tokens.total).toBe(0);
    });
  });
});
