/** What the client sees of a stream is what the provider sent, when it sent it. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Simulator, startSimulator } from "../../limitador-bridge/simulator/simulator.ts";
import { countEvents, eventData, send } from "./client.ts";
import { withoutUsageChunks } from "./corpus-check.ts";
import { type Stack, startStack } from "./harness.ts";
import { IDENTITY, perUserPolicy } from "./policies.ts";
import { recordOf } from "./service-api.ts";
import { ask, CHAT, CHAT_PATH, MESSAGE, MESSAGES_PATH } from "./traffic.ts";

let simulator: Simulator;
let direct: string;
let stack: Stack;
beforeAll(async () => {
  simulator = await startSimulator({ host: "127.0.0.1", port: 0 });
  direct = `http://127.0.0.1:${simulator.port}`;
  stack = await startStack({
    upstream: direct,
    policies: {
      "identity.yaml": IDENTITY,
      "chat.yaml": perUserPolicy({
        name: "chat",
        path: CHAT_PATH,
        limit: 1_000_000_000,
        window: "1h",
      }),
    },
  });
});
afterAll(async () => {
  await stack?.stop();
  await simulator?.close();
});

const FIXED = { "x-sim-id": "fixed" };
const STREAM = { ...CHAT, stream: true };
const WITH_USAGE = { ...STREAM, stream_options: { include_usage: true } };

async function directBytes(
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Buffer> {
  return (await send(direct + path, { body, headers: { ...FIXED, ...headers } })).body;
}

describe("bytes", () => {
  test.each([
    ["not asked for", STREAM],
    ["refused", { ...STREAM, stream_options: { include_usage: false } }],
  ])("usage %s: the usage chunk is taken out, nothing else", async (_name, body) => {
    const whole = await directBytes(CHAT_PATH, WITH_USAGE);
    const { requestId, reply } = await ask(stack.proxyUrl, { body, headers: FIXED });
    expect(reply.text).toBe(withoutUsageChunks(whole).toString());
    expect(countEvents(reply.body)).toBe(countEvents(whole) - 1);
    expect((await recordOf(stack.apiUrl, requestId)).tokens).toMatchObject({
      input: 5,
      output: 20,
      total: 25,
    });
  });

  test.each([
    ["usage asked for by the client", CHAT_PATH, WITH_USAGE],
    ["JSON", CHAT_PATH, CHAT],
    ["Anthropic stream", MESSAGES_PATH, { ...MESSAGE, stream: true }],
    ["Anthropic JSON", MESSAGES_PATH, MESSAGE],
  ])("%s: identical", async (_name, path, body) => {
    const { requestId, reply } = await ask(stack.proxyUrl, { path, body, headers: FIXED });
    expect(reply.text).toBe((await directBytes(path, body)).toString());
    const record = await recordOf(stack.apiUrl, requestId);
    expect(record).toMatchObject({ source: "reported", outcome: "ok", status: 200, user: "ann" });
    expect(record.tokens.total).toBe(25);
  });

  test.each([
    ["CRLF", { "x-sim-newline": "crlf" }],
    ["CR", { "x-sim-newline": "cr" }],
    ["pieces of one byte", { "x-sim-split-bytes": "1" }],
    ["CRLF in pieces of 3 bytes", { "x-sim-newline": "crlf", "x-sim-split-bytes": "3" }],
  ])("%s", async (_name, headers) => {
    const whole = await directBytes(CHAT_PATH, WITH_USAGE, headers);
    const all = { ...FIXED, ...headers };
    const { requestId, reply } = await ask(stack.proxyUrl, { body: STREAM, headers: all });
    expect(reply.text).toBe(withoutUsageChunks(whole).toString());
    expect((await recordOf(stack.apiUrl, requestId)).tokens.total).toBe(25);
  });

  test("tokens by kind as the provider reported them", async () => {
    const headers = {
      "x-sim-prompt-tokens": "1000",
      "x-sim-cached-tokens": "600",
      "x-sim-reasoning-tokens": "30",
    };
    const expected = {
      input: 1000,
      output: 50,
      cacheRead: 600,
      cacheWrite: 0,
      reasoning: 30,
      total: 1050,
    };
    const { requestId } = await ask(stack.proxyUrl, { body: STREAM, headers });
    expect((await recordOf(stack.apiUrl, requestId)).tokens).toEqual(expected);
    const anthropic = await ask(stack.proxyUrl, {
      path: MESSAGES_PATH,
      body: { ...MESSAGE, stream: true },
      headers,
    });
    // Anthropic does not say how much of the output was reasoning.
    expect((await recordOf(stack.apiUrl, anthropic.requestId)).tokens).toEqual({
      ...expected,
      reasoning: 0,
    });
  });
});

describe("time", () => {
  test("each event passes when it comes", async () => {
    const gapMs = 60;
    const { reply } = await ask(stack.proxyUrl, {
      body: { ...STREAM, max_tokens: 10 },
      headers: { "x-sim-chunk-delay-ms": String(gapMs) },
    });
    const arrivals: number[] = [];
    let seen = Buffer.alloc(0);
    for (const piece of reply.pieces) {
      seen = Buffer.concat([seen, piece.bytes]);
      while (arrivals.length < countEvents(seen)) arrivals.push(piece.atMs);
    }
    // One with the role, ten tokens, one with the reason, the end marker.
    expect(arrivals.length).toBe(13);
    const first = arrivals[0] as number;
    const last = arrivals[12] as number;
    // The usage chunk, which is not passed on, takes a gap of its own.
    expect(last - first).toBeGreaterThanOrEqual(13 * gapMs - 15);
    arrivals.slice(0, 12).forEach((atMs, index) => {
      expect(atMs - first).toBeLessThan(index * (gapMs + 8) + 50);
    });
  });

  test("the last byte does not wait for the settlement", async () => {
    const { requestId, reply } = await ask(stack.proxyUrl, {
      body: { ...STREAM, max_tokens: 10 },
      headers: { "x-sim-chunk-delay-ms": "20" },
      onFirstPiece: () => process.kill(stack.servicePid(), "SIGSTOP"),
    });
    process.kill(stack.servicePid(), "SIGCONT");
    expect(reply.ended).toBe("complete");
    expect(reply.durationMs).toBeLessThan(1000);
    expect((await recordOf(stack.apiUrl, requestId)).tokens.total).toBe(15);
  });
});

test("many streams at once: every one is recorded exactly", async () => {
  simulator.bill.reset();
  const count = 200;
  const asked = await Promise.all(
    Array.from({ length: count }, (_, i) =>
      ask(stack.proxyUrl, {
        body: i % 2 === 0 ? STREAM : CHAT,
        user: "many",
        headers: { "x-sim-output-tokens": String(i + 1) },
      }),
    ),
  );
  expect(asked.filter(({ reply }) => reply.ended === "complete").length).toBe(count);
  const records = await Promise.all(
    asked.map(({ requestId }) => recordOf(stack.apiUrl, requestId, 10_000)),
  );
  expect(records.map((record) => record.tokens.output)).toEqual(
    Array.from({ length: count }, (_, i) => i + 1),
  );
  const bill = simulator.bill.view();
  expect(records.reduce((sum, record) => sum + record.tokens.total, 0)).toBe(
    bill.inputTokens + bill.outputTokens,
  );
  expect(eventData(asked[0]?.reply.text ?? "").at(-1)).toBe("[DONE]");
});
