/** What is too long to be kept, or too much, and how bodies are told apart by how they begin. */
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { SettlementRecord } from "../../limitador-bridge/contract/filter.ts";
import {
  admit,
  CHAT,
  CHAT_ANSWER,
  type RequestOptions,
  request,
  respondSse,
  settleOne,
  startTollgate,
} from "./tollgate.ts";

/** The settlement of an answer that comes in these pieces. */
function settled(
  pieces: (string | Uint8Array)[],
  headers: Record<string, string>,
  options: RequestOptions = {},
): SettlementRecord {
  const host = startTollgate();
  const stream = request(host, CHAT, options);
  admit(host);
  stream.responseHeaders({ ":status": 200, ...headers });
  for (const piece of pieces) stream.responseBody(piece);
  stream.responseBody("", true);
  return settleOne(host);
}

const JSON_TYPE = { "content-type": "application/json" };
const json = (body: object) => settled([JSON.stringify(body)], JSON_TYPE);

describe("what is too long", () => {
  test.each([
    [510, "x".repeat(510)],
    [511, true],
    [600, true],
  ])("a fact of %d bytes and its quotes", (bytes, expected) => {
    const { facts } = json({ error: { message: "x".repeat(bytes), code: "c" } });
    expect(facts).toEqual({ "/error/message": expected, "/error/code": "c" });
  });

  test("a fact, or an object in its place, of more than 16 KiB", () => {
    const { facts } = json({ error: { message: "x".repeat(20_000), code: "c" } });
    expect(facts).toEqual({ "/error": true, "/error/message": true, "/error/code": "c" });
  });

  test("a fact after a short one, and the other way round", () => {
    const models = (...names: string[]) => {
      const pieces = names.map((model) => `data: ${JSON.stringify({ model })}\n\n`);
      return settled(pieces, { "content-type": "text/event-stream" }).facts;
    };
    expect(models("a", "x".repeat(600))).toEqual({ "/model": true });
    expect(models("x".repeat(600), "a")).toEqual({ "/model": "a" });
  });

  test("a usage object", () => {
    const usage = { prompt_tokens: 5, detail: "x".repeat(17_000) };
    const record = json({ ...CHAT_ANSWER, usage });
    expect([record.usage, record.usagePointers]).toEqual([[true], ["/usage"]]);
  });
});

describe("usage objects of one document", () => {
  const path = "/v1/projects/p/locations/l/publishers/google/models/text-embedding-005:predict";
  const predictions = (count: number) => ({
    predictions: Array.from({ length: count }, (_, i) => ({
      embeddings: { values: [0.5], statistics: { token_count: i } },
    })),
  });
  const counts = (record: SettlementRecord) =>
    record.usage.map((value) => (value as { token_count: number }).token_count);
  const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

  test.each([
    [250, range(0, 250)],
    [255, range(0, 255)],
    [300, [0, 1, ...range(47, 300)]],
  ])("%d of them", (count, expected) => {
    const record = settled([JSON.stringify(predictions(count))], JSON_TYPE, { path });
    expect(counts(record)).toEqual(expected);
  });

  test("an exchange after such a one has none of its", () => {
    const host = startTollgate();
    const answer = (body: object) => {
      const stream = request(host, CHAT, { path });
      admit(host);
      stream.responseHeaders({ ":status": 200, ...JSON_TYPE });
      stream.responseBody(JSON.stringify(body), true);
      return counts(settleOne(host));
    };
    expect(answer(predictions(250))).toHaveLength(250);
    expect(answer(predictions(3))).toEqual([0, 1, 2]);
  });
});

describe("by how it begins", () => {
  const TEXT = { "content-type": "text/plain" };

  test.each([
    "Dear all",
    "dear all",
    "data or not",
    "events of the day",
    "every: day",
    "idle talk",
    "retrying: again",
    "ruby",
    "WEBVTT\n\n00:01",
    "1\n00:00:00,000 --> 00:00:01,000\nHi",
  ])("%j is no SSE, wherever it is cut", (text) => {
    const expected = { framing: "opaque", outcome: "ok", responseBytes: text.length };
    for (let at = 0; at <= 8; at++) {
      expect(settled([text.slice(0, at), text.slice(at)], TEXT)).toMatchObject(expected);
    }
    expect(settled([...text], TEXT)).toMatchObject(expected);
  });

  test.each(["data:", "event: x\ndata: ", "id: 1\ndata: ", "retry: 9\ndata:", ": hi\n\ndata: "])(
    "%j begins SSE, wherever it is cut",
    (start) => {
      const body = `${start}{"usage":{"total_tokens":3}}\n\n`;
      for (let at = 0; at <= start.length; at++) {
        const record = settled([body.slice(0, at), body.slice(at)], TEXT);
        expect(record).toMatchObject({ framing: "sse", usage: [{ total_tokens: 3 }] });
      }
      const marked = ["\ufeff", ...body].map((piece) => Buffer.from(piece));
      expect(settled(marked, TEXT).usage).toEqual([{ total_tokens: 3 }]);
    },
  );
});

test.each(["GZIP", "Gzip", "X-GZIP", "gzip"])("content-encoding %s is read", (coding) => {
  const body = gzipSync(JSON.stringify(CHAT_ANSWER));
  const record = settled([body], { ...JSON_TYPE, "content-encoding": coding });
  expect([record.framing, record.usage]).toEqual(["json", [CHAT_ANSWER.usage]]);
});

test.each(["IDENTITY", "br", "Zstd"])("content-encoding %s", (coding) => {
  const record = settled([JSON.stringify(CHAT_ANSWER)], {
    ...JSON_TYPE,
    "content-encoding": coding,
  });
  expect(record.framing).toBe(coding === "IDENTITY" ? "json" : "opaque");
});

test("an error that ends a stream of the Responses API is told by its type", () => {
  const host = startTollgate();
  const stream = request(
    host,
    { model: "gpt-4o", input: "Hi", stream: true },
    { path: "/v1/responses" },
  );
  admit(host);
  respondSse(stream, ['event: error\ndata: {"type":"error","code":"x","message":"no"}\n\n']);
  expect(settleOne(host).facts).toEqual({ "/type": "error", "/message": "no" });
});
