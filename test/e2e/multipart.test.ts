/** Forms with files, as OpenAI's SDKs send them: metered and limited as what JSON asks for. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Stack, startStack } from "./harness.ts";
import { TEAM_IDENTITY } from "./policies.ts";
import { recordOf } from "./service-api.ts";
import { ask } from "./traffic.ts";

const PRICES = `apiVersion: tollgate.dev/v1alpha1
kind: PriceTable
metadata: {name: media}
spec:
  models:
    - {match: whisper-1, provider: openai, perUnitUSD: {audio_seconds: 0.0001}}
    - {match: dall-e-2, provider: openai, perUnitUSD: {images: 0.02}}
`;
const BUDGET = `apiVersion: ai.systemhardening.com/v1
kind: LLMBudget
metadata: {name: media}
spec:
  team: media
  monthlyBudgetUSD: 1
  modelLimits: [{modelPattern: "dall-e-*", allowedApps: [studio]}]
  contact: "#ml-costs"
`;
const TRANSCRIPTIONS = "/v1/audio/transcriptions";
const EDITS = "/v1/images/edits";
const ANSWERS: Record<string, object> = {
  [TRANSCRIPTIONS]: { text: "Hello", usage: { type: "duration", seconds: 37 } },
  [EDITS]: { created: 1, data: [{ url: "http://images.test/1" }] },
};
/** Not what Envoy, or any reader of text, would leave alone by chance. */
const SOUND = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 31) % 256));

interface Received {
  headers: Record<string, unknown>;
  body: Buffer;
}

let upstream: Server;
let stack: Stack;
const received: Received[] = [];

beforeAll(async () => {
  upstream = createServer(async (req, res) => {
    const pieces: Buffer[] = [];
    for await (const piece of req) pieces.push(piece as Buffer);
    received.push({ headers: req.headers, body: Buffer.concat(pieces) });
    res.setHeader("content-type", "application/json");
    res.end(JSON.stringify(ANSWERS[req.url ?? ""]));
  });
  await new Promise<void>((done) => upstream.listen(0, "127.0.0.1", done));
  stack = await startStack({
    upstream: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`,
    policies: { "identity.yaml": TEAM_IDENTITY, "prices.yaml": PRICES, "media.yaml": BUDGET },
    env: { ADMIT_TIMEOUT_MS: "5000" },
  });
});
afterAll(async () => {
  await stack?.stop();
  upstream?.close();
});

/** As fetch writes it: with a boundary of its own choice. */
async function formOf(fields: Record<string, string>) {
  const form = new FormData();
  form.append("file", new Blob([SOUND], { type: "audio/wav" }), "speech.wav");
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  const request = new Request("http://form.test", { method: "POST", body: form });
  const type = request.headers.get("content-type") ?? "";
  return { body: Buffer.from(await request.arrayBuffer()), type };
}

interface Asking {
  path: string;
  app: string;
  fields: Record<string, string>;
}

async function askForm({ path, app, fields }: Asking) {
  const { body, type } = await formOf(fields);
  const headers = { "x-team": "media", "x-app": app, "content-type": type };
  return { body, type, ...(await ask(stack.proxyUrl, { path, body, headers })) };
}

async function askJson({ path, app, fields }: Asking) {
  return ask(stack.proxyUrl, { path, body: fields, headers: { "x-team": "media", "x-app": app } });
}

test("a transcription costs what it does in JSON, and goes on as it came", async () => {
  const asking = { path: TRANSCRIPTIONS, app: "batch", fields: { model: "whisper-1" } };
  const before = received.length;
  const form = await askForm(asking);
  const json = await askJson(asking);
  expect([form.reply.status, form.reply.text]).toEqual([200, json.reply.text]);
  const sent = received[before];
  expect(sent?.body.equals(form.body)).toBe(true);
  expect([sent?.headers["content-type"], sent?.headers["content-length"]]).toEqual([
    form.type,
    String(form.body.length),
  ]);
  for (const { requestId } of [form, json]) {
    expect(await recordOf(stack.apiUrl, requestId)).toMatchObject({
      ...{ api: "openai.audio.transcriptions", model: "whisper-1", team: "media", app: "batch" },
      ...{ costNanoUsd: 3_700_000, otherUnits: { audio_seconds: 37 } },
      ...{ source: "reported", outcome: "ok", priced: true },
    });
  }
});

test("an image edit by an app that the model is not for is refused, as in JSON", async () => {
  const asking = { path: EDITS, app: "batch", fields: { model: "dall-e-2", prompt: "a hat" } };
  const before = received.length;
  const form = await askForm(asking);
  const json = await askJson(asking);
  expect([form.reply.status, form.reply.text]).toEqual([403, json.reply.text]);
  expect(JSON.parse(form.reply.text).error.code).toBe("app_not_allowed_for_model");
  expect(received.length).toBe(before);
  const allowed = await askForm({ ...asking, app: "studio" });
  expect(allowed.reply.status).toBe(200);
  expect(received.at(-1)?.body.equals(allowed.body)).toBe(true);
  expect((await recordOf(stack.apiUrl, allowed.requestId)).costNanoUsd).toBe(20_000_000);
});

test("a form without a model is refused where money is counted", async () => {
  const { reply } = await askForm({ path: TRANSCRIPTIONS, app: "batch", fields: {} });
  expect([reply.status, JSON.parse(reply.text).error.code]).toEqual([403, "price_unknown"]);
});

test("three pictures are asked for by a form's n", async () => {
  const fields = { model: "dall-e-2", prompt: "a hat", n: "3" };
  const { requestId } = await askForm({ path: EDITS, app: "studio", fields });
  const record = await recordOf(stack.apiUrl, requestId);
  expect([record.otherUnits, record.costNanoUsd]).toEqual([{ images: 3 }, 60_000_000]);
});
