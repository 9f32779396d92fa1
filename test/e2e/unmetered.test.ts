/** What is not LLM traffic is left alone; what is may be large. */
import { createHash, randomBytes } from "node:crypto";
import { createServer, type Server } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { send } from "./client.ts";
import { type Stack, startStack } from "./harness.ts";
import { IDENTITY, perUserPolicy } from "./policies.ts";
import { metric, recordOf, recordsOf } from "./service-api.ts";
import { ask, CHAT, CHAT_PATH } from "./traffic.ts";

const MIB = 1024 * 1024;
/** max_request_body_bytes of the shipped bootstrap. */
const MAX_BODY_BYTES = 32 * MIB;

/** Answers with the body that it was sent. */
let echo: Server;
let stack: Stack;
beforeAll(async () => {
  echo = createServer((req, res) => {
    res.setHeader("content-type", req.headers["content-type"] ?? "application/octet-stream");
    req.pipe(res);
  });
  await new Promise<void>((done) => echo.listen(0, "127.0.0.1", done));
  stack = await startStack({
    upstream: `http://127.0.0.1:${(echo.address() as AddressInfo).port}`,
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
  echo?.closeAllConnections();
  echo?.close();
});

function digest(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Calls of the filter that were about requests. */
async function calls(): Promise<number> {
  const admits = await metric(stack.apiUrl, "tollgate_admit_seconds_count");
  return admits + (await metric(stack.apiUrl, "tollgate_settle_seconds_count"));
}

test.each([
  ["GET", "/v1/models", undefined, {}],
  ["GET", "/v1/chat/completions", undefined, {}],
  ["POST", "/upload", randomBytes(5 * MIB), { "content-type": "application/octet-stream" }],
  ["PUT", "/files/1", randomBytes(1000), { "content-type": "image/png" }],
  ["POST", "/orders", '{"item":"book","count":2}', {}],
  ["POST", "/events", "data: {}\n\ndata: [DONE]\n\n", { "content-type": "text/event-stream" }],
])("%s %s: bytes untouched and no call of the service", async (method, path, body, headers) => {
  const before = await calls();
  const { requestId, reply } = await ask(stack.proxyUrl, { method, path, body, headers });
  expect(reply.status).toBe(200);
  const sent = body === undefined ? Buffer.alloc(0) : Buffer.from(body as string);
  expect(digest(reply.body)).toBe(digest(sent));
  await sleep(600);
  expect(await calls()).toBe(before);
  expect(await recordsOf(stack.apiUrl, requestId)).toEqual([]);
});

test("a metered request takes exactly one admission and one settlement", async () => {
  const admits = await metric(stack.apiUrl, "tollgate_admit_seconds_count");
  const settles = await metric(stack.apiUrl, "tollgate_settlements_total");
  const { requestId } = await ask(stack.proxyUrl, {});
  await recordOf(stack.apiUrl, requestId);
  expect(await metric(stack.apiUrl, "tollgate_admit_seconds_count")).toBe(admits + 1);
  expect(await metric(stack.apiUrl, "tollgate_settlements_total")).toBe(settles + 1);
});

test("a metered body of 20 MiB reaches the upstream as it was sent", async () => {
  const text = JSON.stringify({
    ...CHAT,
    messages: [{ role: "user", content: "a é ü 漢 \\u0000 ".repeat(20 * 50_000) }],
  });
  const { requestId, reply } = await ask(stack.proxyUrl, { body: text, timeoutMs: 30_000 });
  expect(reply.status).toBe(200);
  expect(digest(reply.body)).toBe(digest(Buffer.from(text)));
  const record = await recordOf(stack.apiUrl, requestId);
  expect(record).toMatchObject({ source: "estimated", requestedModel: "gpt-4o-mini" });
  expect(record.tokens.input).toBeGreaterThan(0);
});

test("a body above the bound: 413 in the shape of the API", async () => {
  const content = "a".repeat(MAX_BODY_BYTES);
  const body = { ...CHAT, messages: [{ role: "user", content }] };
  const { reply } = await ask(stack.proxyUrl, { body, timeoutMs: 30_000 });
  expect(reply.status).toBe(413);
  expect(JSON.parse(reply.text)).toMatchObject({
    error: { type: "invalid_request_error", message: expect.any(String) },
  });
});

test.each([
  ["", "http2-1", "hi"],
  [", as large as over HTTP/1.1", "http2-2", "a".repeat(31 * MIB)],
])("HTTP/2 from the client%s", async (_, requestId, content) => {
  const session = connectHttp2(stack.proxyUrl);
  try {
    const body = JSON.stringify({ ...CHAT, messages: [{ role: "user", content }] });
    const stream = session.request({
      ":method": "POST",
      ":path": CHAT_PATH,
      "content-type": "application/json",
      "x-user": "ann",
      "x-request-id": requestId,
    });
    stream.setEncoding("utf8").end(body);
    const pieces: string[] = [];
    for await (const piece of stream) pieces.push(piece as string);
    expect(pieces.join("") === body).toBe(true);
    expect((await recordOf(stack.apiUrl, requestId)).user).toBe("ann");
  } finally {
    session.close();
  }
});

test("headers of ours that a client makes up do not reach the upstream's answer", async () => {
  const reply = await send(`${stack.proxyUrl}/v1/models`, {
    headers: { "x-tollgate-anything": "1" },
  });
  expect(reply.status).toBe(200);
  expect(reply.headers["x-tollgate-anything"]).toBeUndefined();
});
