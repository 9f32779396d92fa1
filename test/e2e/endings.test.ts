/** However an exchange ends, it is settled, and it is never free. */
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { UsageRecord } from "../../limitador-bridge/contract/usage-record.ts";
import { type Simulator, startSimulator } from "../../limitador-bridge/simulator/simulator.ts";
import { countEvents } from "./client.ts";
import { type Stack, startStack } from "./harness.ts";
import { IDENTITY, perUserPolicy } from "./policies.ts";
import { recordOf } from "./service-api.ts";
import { type Asked, ask, CHAT, CHAT_PATH, MESSAGE, MESSAGES_PATH } from "./traffic.ts";

let simulator: Simulator;
let stack: Stack;
beforeAll(async () => {
  simulator = await startSimulator({ host: "127.0.0.1", port: 0 });
  stack = await startStack({
    upstream: `http://127.0.0.1:${simulator.port}`,
    policies: {
      "identity.yaml": IDENTITY,
      "chat.yaml": perUserPolicy({ name: "chat", path: CHAT_PATH, limit: 1_000_000, window: "1h" }),
    },
  });
});
afterAll(async () => {
  await stack?.stop();
  await simulator?.close();
});

const STREAM = { ...CHAT, stream: true };
const MESSAGE_STREAM = { ...MESSAGE, stream: true };

async function settled(given: Parameters<typeof ask>[1]): Promise<Asked & { record: UsageRecord }> {
  const asked = await ask(stack.proxyUrl, given);
  return { ...asked, record: await recordOf(stack.apiUrl, asked.requestId) };
}

describe("a client that hangs up after three events", () => {
  test.each([
    ["chat completions", CHAT_PATH, STREAM, 1],
    ["messages", MESSAGES_PATH, MESSAGE_STREAM, 0],
  ])("%s: is charged an estimate", async (_name, path, body, leastOutput) => {
    const { reply, record } = await settled({
      path,
      body,
      headers: { "x-sim-chunk-delay-ms": "100" },
      hangUpAfterEvents: 3,
    });
    expect(reply.ended).toBe("hung up");
    expect(record).toMatchObject({ source: "estimated", outcome: "client_disconnect" });
    expect(record.tokens.input).toBeGreaterThan(0);
    expect(record.tokens.output).toBeGreaterThanOrEqual(leastOutput);
    expect(record.tokens.output).toBeLessThan(20);
  });

  test("before the first byte: the input is charged", async () => {
    const gone = ask(stack.proxyUrl, {
      user: "impatient",
      headers: { "x-sim-delay-ms": "3000", "x-request-id": "impatient-1" },
      timeoutMs: 300,
    });
    await expect(gone).rejects.toThrow(/no end of POST/);
    const record = await recordOf(stack.apiUrl, "impatient-1");
    expect(record).toMatchObject({ source: "estimated", outcome: "client_disconnect", status: 0 });
    expect(record.tokens.input).toBeGreaterThan(0);
  });
});

describe("an upstream that breaks off", () => {
  test("reset in the middle of a stream", async () => {
    const headers = { "x-sim-reset-after-events": "8" };
    const { reply, record } = await settled({ body: STREAM, headers });
    expect(reply.ended).toBe("cut");
    expect(countEvents(reply.body)).toBe(8);
    expect(record).toMatchObject({ source: "estimated", outcome: "upstream_error" });
    expect(record.tokens.output).toBeGreaterThan(0);
    expect(record.tokens.output).toBeLessThanOrEqual(20);
  });

  test("reset before the response: Envoy answers itself, nothing was sold", async () => {
    const headers = { "x-sim-reset-after-events": "0" };
    const { reply, record } = await settled({ headers });
    expect(reply.status).toBe(503);
    expect(record).toMatchObject({ outcome: "upstream_error", status: 503 });
    expect(record.tokens.output).toBe(0);
  });

  test.each([
    ["chat completions", CHAT_PATH, STREAM],
    ["messages", MESSAGES_PATH, MESSAGE_STREAM],
  ])("%s: proper end, but no usage and no end marker", async (_name, path, body) => {
    const headers = { "x-sim-truncate-after-events": "9" };
    const { reply, record } = await settled({ path, body, headers });
    expect(reply.ended).toBe("complete");
    expect(record).toMatchObject({ source: "estimated", outcome: "truncated" });
    expect(record.tokens.output).toBeGreaterThan(0);
    expect(record.tokens.output).toBeLessThanOrEqual(20);
  });

  test("half a JSON document", async () => {
    const { record } = await settled({ headers: { "x-sim-truncate-after-events": "1" } });
    expect(record.source).toBe("estimated");
    expect(record.tokens.total).toBeGreaterThan(0);
  });
});

describe("an upstream that tells its usage badly", () => {
  const shapes = ["missing", "null", "malformed"];
  const requests = [
    ["chat", CHAT_PATH, CHAT],
    ["chat stream", CHAT_PATH, STREAM],
    ["messages", MESSAGES_PATH, MESSAGE],
    ["messages stream", MESSAGES_PATH, MESSAGE_STREAM],
  ] as const;
  const cases = shapes.flatMap((shape) => requests.map((request) => [shape, ...request] as const));

  test.each(cases)("usage %s in %s: estimated", async (shape, _name, path, body) => {
    const { reply, record } = await settled({ path, body, headers: { "x-sim-usage": shape } });
    expect(reply.status).toBe(200);
    expect(record).toMatchObject({ source: "estimated", outcome: "ok" });
    expect(record.tokens.input).toBeGreaterThan(0);
    expect(record.tokens.output).toBeGreaterThan(0);
  });

  test("an explicit zero stays zero", async () => {
    const { record } = await settled({ headers: { "x-sim-usage": "zero" } });
    expect(record).toMatchObject({ source: "reported", tokens: { total: 0 }, costNanoUsd: 0 });
  });
});

describe("gzip", () => {
  test.each([
    ["JSON", CHAT],
    ["stream", STREAM],
  ])("%s, sent although not asked for: metered, and intact for the client", async (_name, body) => {
    const headers = { "x-sim-gzip": "1", "x-sim-id": "fixed" };
    const { reply, record } = await settled({ body, headers });
    const encoded = reply.headers["content-encoding"] === "gzip";
    const text = (encoded ? gunzipSync(reply.body) : reply.body).toString();
    expect(text).toContain("chatcmpl-fixed");
    expect(text).toContain(body === STREAM ? "data: [DONE]" : '"total_tokens":25');
    expect(record.tokens.total).toBeGreaterThan(0);
  });

  test("a client that accepts gzip still gets a readable, metered answer", async () => {
    const headers = { "x-sim-gzip": "auto", "accept-encoding": "gzip, deflate, br" };
    const { reply, record } = await settled({ body: STREAM, headers });
    expect(reply.headers["content-encoding"]).toBeUndefined();
    expect(reply.text).toMatch(/data: \[DONE\]\n\n$/);
    expect(record).toMatchObject({ source: "reported", tokens: { total: 25 } });
  });
});

describe("errors of the provider", () => {
  test.each([
    [CHAT_PATH, 500],
    [CHAT_PATH, 429],
    [MESSAGES_PATH, 529],
  ])("%s %i passes and charges nothing", async (path, status) => {
    const { reply, record } = await settled({
      path,
      body: path === CHAT_PATH ? STREAM : MESSAGE_STREAM,
      headers: { "x-sim-status": String(status) },
    });
    expect(reply.status).toBe(status);
    expect(reply.text).toContain(`The simulator was asked for status ${status}.`);
    expect(record).toMatchObject({ status, costNanoUsd: 0 });
    expect(record.tokens.total).toBe(0);
  });

  test("a body that is not JSON reaches the provider, which refuses it", async () => {
    const { reply } = await ask(stack.proxyUrl, { body: '{"model":"gpt-4o-mini",' });
    expect(reply.status).toBe(400);
    expect(reply.text).toContain("We could not parse the JSON body of your request.");
  });
});
