/** The replay upstream and the comparison with a corpus case, without Envoy between. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { UsageRecord } from "../../limitador-bridge/contract/usage-record.ts";
import { eventData, send } from "./client.ts";
import type { CorpusCase, Expectation } from "./corpus-case.ts";
import { byteProblems, nanoUsdUp, recordProblems, withoutUsageChunks } from "./corpus-check.ts";
import { type ReplayUpstream, startReplayUpstream } from "./replay-upstream.ts";

const BINARY = Buffer.from([0, 1, 2, 253, 254, 255, 10, 13]);
const TEXT = 'data: {"a":1}\n\ndata: {"b":"é"}\n\n';

describe("replay upstream", () => {
  let upstream: ReplayUpstream;
  beforeAll(async () => {
    upstream = await startReplayUpstream([
      {
        id: "text",
        response: {
          status: 201,
          headers: { "content-type": "text/event-stream", "content-length": "3", "X-Kept": "1" },
          body: TEXT,
        },
      },
      {
        id: "a/path#1~cut",
        response: { status: 200, headers: {}, body_base64: BINARY.toString("base64") },
      },
    ]);
  });
  afterAll(() => upstream.close());

  test("status, headers but for framing, and exact bytes", async () => {
    const reply = await send(`${upstream.url}/v1/x`, {
      body: { hello: 1 },
      headers: { "x-replay-case": "text" },
    });
    expect([reply.status, reply.text, reply.ended]).toEqual([201, TEXT, "complete"]);
    expect(reply.headers).toMatchObject({ "content-type": "text/event-stream", "x-kept": "1" });
    expect(reply.headers["content-length"]).toBeUndefined();
    const last = upstream.received.at(-1);
    expect([last?.caseId, last?.path, last?.body.toString()]).toEqual([
      "text",
      "/v1/x",
      '{"hello":1}',
    ]);
  });

  test("in pieces, and cut after the body", async () => {
    const headers = { "x-replay-case": "1", "x-replay-chunk-bytes": "3" };
    const pieces = await send(upstream.url, { headers });
    expect(pieces.body.equals(BINARY)).toBe(true);
    expect(pieces.pieces.map((piece) => piece.bytes.length)).toEqual([3, 3, 2]);
    const cut = await send(upstream.url, {
      headers: { "x-replay-case": "a/path#1~cut", "x-replay-cut": "1" },
    });
    expect(cut.ended).toBe("cut");
    expect(cut.body.equals(BINARY)).toBe(true);
  });

  test("an unknown case is a 404", async () => {
    const reply = await send(upstream.url, { headers: { "x-replay-case": "7" } });
    expect([reply.status, reply.text]).toEqual([404, 'no case named "7"\n']);
  });
});

describe("comparison", () => {
  const record = {
    model: "m",
    tokens: { input: 10, output: 4, cacheRead: 2, cacheWrite: 0, reasoning: 1, total: 14 },
    costNanoUsd: 5,
    source: "reported",
  } as UsageRecord;
  const final: Expectation = {
    kind: "final",
    model: "m",
    input_tokens: 10,
    output_tokens: 4,
    cache_read_tokens: 2,
    cache_write_tokens: 0,
    reasoning_tokens: 1,
  };

  test("final", () => {
    expect(recordProblems(final, record)).toEqual([]);
    expect(recordProblems(final, null)).toEqual(["no usage record"]);
    expect(recordProblems({ ...final, output_tokens: 5, model: "x" }, record)).toEqual([
      "output tokens 4, expected 5",
      "model m, expected x",
    ]);
    expect(recordProblems({ ...final, cost_usd: "0.00000007" }, record)).toEqual([
      "provider's cost undefined nano-USD, expected 70",
    ]);
    const extra_lines = [{ model: "y", input_tokens: 1, output_tokens: 2 }];
    expect(recordProblems({ ...final, extra_lines }, record)).toEqual([
      "input tokens 10, expected 11",
      "output tokens 4, expected 6",
    ]);
  });

  test("partial, error and other units", () => {
    const partial: Expectation = {
      ...final,
      kind: "partial",
      at_least: { input_tokens: 11, output_tokens: 1 },
    };
    expect(recordProblems(partial, record)).toEqual([
      "source reported, expected estimated",
      "input tokens 10, expected at least 11",
    ]);
    expect(recordProblems({ ...final, kind: "error" }, null)).toEqual([]);
    expect(recordProblems({ ...final, kind: "error" }, record)).toEqual([
      "charged 14 tokens, 5 nano-USD; expected nothing",
    ]);
    const units: Expectation = { ...final, kind: "other_units", other_units: { images: 1 } };
    expect(recordProblems(units, { ...record, otherUnits: { images: 1 } })).toEqual([]);
    expect(recordProblems(units, record)).toEqual(["images none, expected 1"]);
  });

  test.each([
    ["0.00014", 140_000],
    ["1.2E-7", 120],
    ["0.0000000001", 1],
    ["3", 3_000_000_000],
    ["12.0000000001", 12_000_000_001],
  ])("%s USD is %i nano-USD, rounded up", (usd, nanoUsd) => {
    expect(nanoUsdUp(usd)).toBe(nanoUsd);
  });

  test("bytes: only a usage chunk that was not asked for may be missing", () => {
    const usage = 'data: {"choices":[],"usage":{"total_tokens":1}}\r\n\r\n';
    const rest = 'data: {"choices":[]}\r\n\r\n: note\r\n\r\ndata: [DONE]\r\n\r\n';
    const whole = Buffer.from(usage + rest);
    const given = { id: "x" } as CorpusCase;
    expect(withoutUsageChunks(whole).toString()).toBe(rest);
    expect(byteProblems(given, {}, whole, whole)).toEqual([]);
    expect(byteProblems(given, {}, whole, Buffer.from(rest))).toEqual([]);
    const asked = { stream_options: { include_usage: true } };
    expect(byteProblems(given, asked, whole, Buffer.from(rest)).length).toBe(1);
    expect(byteProblems(given, {}, whole, Buffer.from(rest.slice(1)))).toEqual([
      `client bytes differ at 0 (${rest.length - 1} of ${whole.length} bytes): ` +
        `${JSON.stringify(rest.slice(1))} instead of ` +
        `${JSON.stringify(whole.subarray(0, 60).toString())} in x`,
    ]);
  });

  test("events are told whatever the line ends are", () => {
    const data = [{ a: 1 }, { b: "é" }];
    for (const newline of ["\n", "\r\n", "\r"]) {
      expect(eventData(TEXT.replaceAll("\n", newline))).toEqual(data);
    }
  });
});
