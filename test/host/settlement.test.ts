import { describe, expect, test } from "vitest";
import type { Host } from "./host.ts";
import {
  admit,
  CHAT,
  CHAT_ANSWER,
  request,
  respondJson,
  respondSse,
  settle,
  settleOne,
  settleRecords,
  startTollgate,
} from "./tollgate.ts";

const EVENT = 'data: {"choices":[{"index":0,"delta":{"content":"word"}}]}\n\n';

function exchange(host: Host) {
  const stream = request(host, CHAT);
  admit(host);
  respondJson(stream, CHAT_ANSWER);
}

describe("a settlement says", () => {
  test("what a JSON answer reported", () => {
    const host = startTollgate({ host: { startMs: 1_700_000_000_000 } });
    const stream = request(host, CHAT);
    host.advance(30);
    admit(host);
    host.advance(20);
    respondJson(stream, CHAT_ANSWER);
    const { id, ...record } = settleOne(host);
    expect(id).toMatch(/^[0-9a-z]+-[0-9a-z]+-1$/);
    expect(record).toEqual({
      reservation: "reservation-1",
      requestId: "request-1",
      timeMs: 1_700_000_000_010,
      durationMs: 50,
      attributes: {
        "request.path": "/v1/chat/completions",
        "request.method": "POST",
        "request.host": "llm.test",
        "request.headers": {},
      },
      llm: {
        api: "openai.chat.completions",
        model: "gpt-4o-mini",
        stream: false,
        maxOutputTokens: null,
        choices: 1,
        inputBytes: JSON.stringify(CHAT).length,
      },
      forwarded: true,
      details: "via_upstream",
      status: 200,
      outcome: "ok",
      responseHeaders: { "content-type": "application/json" },
      framing: "json",
      usage: [CHAT_ANSWER.usage],
      usagePointers: ["/usage"],
      facts: {
        "/id": "chatcmpl-1",
        "/object": "chat.completion",
        "/model": "gpt-4o-mini-2024-07-18",
        "/choices/*/finish_reason": "stop",
      },
      text: { "/choices/*/message/content": 3 },
      outputBytes: 3,
      responseBytes: JSON.stringify(CHAT_ANSWER).length,
      events: 1,
      done: false,
    });
  });

  test("what a client saw that hung up", () => {
    const host = startTollgate();
    const stream = request(host, { ...CHAT, stream: true });
    admit(host);
    stream.responseHeaders({ ":status": 200, "content-type": "text/event-stream" });
    stream.responseBody(EVENT + EVENT + EVENT);
    stream.disconnect();
    expect(stream.upstream.isReset).toBe(true);
    expect(settleOne(host)).toMatchObject({
      outcome: "client_disconnect",
      details: "downstream_remote_disconnect",
      status: 200,
      forwarded: true,
      usage: [],
      outputBytes: 12,
      events: 3,
      done: false,
    });
  });

  test("that the client left before there was a response", () => {
    const host = startTollgate();
    const stream = request(host, CHAT);
    admit(host);
    stream.disconnect();
    expect(settleOne(host)).toMatchObject({
      outcome: "client_disconnect",
      status: 0,
      forwarded: true,
      framing: "none",
      outputBytes: 0,
    });
  });

  test("that the client left while the service was asked: the reservation can be let go", () => {
    const host = startTollgate();
    const stream = request(host, CHAT);
    const call = host.pendingCall("/v1/admit");
    stream.disconnect();
    call.respond(200, {}, { verdict: "allow", reservation: "r", requestHeaders: {} });
    expect(settleOne(host)).toMatchObject({
      id: call.json().id,
      reservation: null,
      forwarded: false,
      outcome: "client_disconnect",
      usage: [],
    });
  });

  test.each(["connection_termination", "protocol_error", "remote_reset"] as const)(
    "that the upstream broke off: %s",
    (reason) => {
      const host = startTollgate();
      const stream = request(host, { ...CHAT, stream: true });
      admit(host);
      stream.responseHeaders({ ":status": 200, "content-type": "text/event-stream" });
      stream.responseBody(EVENT);
      stream.resetUpstream(reason);
      expect(stream.client.isReset).toBe(true);
      expect(settleOne(host)).toMatchObject({
        outcome: "upstream_error",
        details: `upstream_reset_after_response_started{${reason}}`,
        status: 200,
        outputBytes: 4,
      });
    },
  );

  test("that the upstream was gone before it answered: Envoy's own 503", () => {
    const host = startTollgate();
    const stream = request(host, CHAT);
    admit(host);
    stream.resetUpstream();
    expect(stream.client.status).toBe(503);
    expect(settleOne(host)).toMatchObject({
      outcome: "upstream_error",
      details: "upstream_reset_before_response_started{connection_termination}",
      status: 503,
      forwarded: true,
      usage: [],
    });
  });

  test("that Envoy gave the upstream up", () => {
    const host = startTollgate();
    const stream = request(host, CHAT);
    admit(host);
    stream.timeOutUpstream();
    expect(settleOne(host)).toMatchObject({
      outcome: "upstream_error",
      details: "response_timeout",
      status: 504,
    });
  });

  test("what a stream with trailers said", () => {
    const host = startTollgate();
    const stream = request(host, { ...CHAT, stream: true });
    admit(host);
    stream.responseHeaders({ ":status": 200, "content-type": "text/event-stream" });
    stream.responseBody(`${EVENT}data: {"choices":[],"usage":{"total_tokens":3}}\n\n`);
    stream.responseTrailers({ "x-done": "1" });
    expect(stream.client.text).toBe(EVENT);
    expect(settleOne(host)).toMatchObject({ outcome: "ok", usage: [{ total_tokens: 3 }] });
  });

  test("the first two and last two usage objects of a stream that has one in every chunk", () => {
    const host = startTollgate();
    const stream = request(host, {
      ...CHAT,
      stream: true,
      stream_options: { include_usage: true, continuous_usage_stats: true },
    });
    admit(host);
    const pieces = [1, 2, 3, 4, 5, 6].map(
      (n) => `data: {"choices":[{"delta":{}}],"usage":{"total_tokens":${n}}}\n\n`,
    );
    respondSse(stream, pieces);
    expect(settleOne(host).usage).toEqual([1, 2, 5, 6].map((n) => ({ total_tokens: n })));
  });
});

describe("settlements are sent", () => {
  test("in one batch, and not before the flush interval", () => {
    const host = startTollgate();
    for (let i = 0; i < 5; i++) exchange(host);
    expect(host.pendingCalls("/v1/settle")).toEqual([]);
    expect(settle(host).map((record) => record.status)).toEqual([200, 200, 200, 200, 200]);
    expect(settle(host)).toEqual([]);
  });

  test("at once when a batch is full, and never two at a time", () => {
    const host = startTollgate({ configuration: { settle_batch_records: 3 } });
    for (let i = 0; i < 7; i++) exchange(host);
    const first = host.pendingCall("/v1/settle");
    expect(settleRecords(first)).toHaveLength(3);
    first.respond(200, {}, { accepted: 3, duplicate: 0 });
    const second = host.pendingCall("/v1/settle");
    expect(settleRecords(second)).toHaveLength(3);
    second.respond(200, {}, { accepted: 3, duplicate: 0 });
    expect(host.pendingCalls("/v1/settle")).toEqual([]);
    expect(settle(host)).toHaveLength(1);
  });

  test("and leases are given back with the batch that leaves none of them behind", () => {
    const host = startTollgate({ configuration: { settle_batch_records: 1 } });
    const body = { ...CHAT, max_tokens: 10 };
    const open = request(host, body);
    const lease = { id: "lease-1", parts: 8, validMs: 200 };
    const bounds = { maxInputBytes: 1000, maxOutputTokens: 10_000_000 };
    admit(host, { lease: { ...lease, ...bounds } });
    for (let i = 0; i < 2; i++) respondJson(request(host, body), CHAT_ANSWER);
    respondJson(open, CHAT_ANSWER);
    host.advance(300);
    const told = [];
    for (let i = 0; i < 3; i++) {
      const call = host.pendingCall("/v1/settle");
      told.push([settleRecords(call).length, call.json().leases]);
      call.respond(200, {}, { accepted: 1, duplicate: 0 });
    }
    const returned = [{ id: "lease-1", inFlight: 0 }];
    expect(told).toEqual([
      [1, undefined],
      [1, undefined],
      [1, returned],
    ]);
  });

  test("one batch after the other when the host ends the filter, to the last one", () => {
    const host = startTollgate({ configuration: { settle_batch_records: 3 } });
    for (let i = 0; i < 4; i++) exchange(host);
    expect(host.stop()).toBe(false);
    for (const count of [3, 1]) {
      expect(host.isDone).toBe(false);
      const call = host.pendingCall("/v1/settle");
      expect(settleRecords(call)).toHaveLength(count);
      call.respond(200, {}, { accepted: count, duplicate: 0 });
    }
    expect(host.isDone).toBe(true);
  });

  test("with the first of several response headers that have one name", () => {
    const host = startTollgate();
    const stream = request(host, CHAT);
    admit(host);
    const type = ["application/json", "text/event-stream"];
    stream.responseHeaders({ ":status": 200, "content-type": type });
    stream.responseBody(JSON.stringify(CHAT_ANSWER), true);
    expect(settleOne(host)).toMatchObject({
      responseHeaders: { "content-type": "application/json" },
      framing: "json",
      usage: [CHAT_ANSWER.usage],
    });
  });

  test("by the root context, so that they outlive their streams", () => {
    const host = startTollgate({ configuration: { settle_batch_records: 1 } });
    exchange(host);
    expect(host.pendingCall("/v1/settle").contextId).toBe(1);
    expect(host.contextCount).toBe(1);
  });

  test.each([
    ["no answer", (host: Host) => host.pendingCall("/v1/settle").fail()],
    ["a refused connection", (host: Host) => host.pendingCall("/v1/settle").refuse()],
    ["a time-out", (host: Host) => host.pendingCall("/v1/settle").timeOut()],
    ["an error", (host: Host) => host.pendingCall("/v1/settle").respond(500)],
  ])("again after %s, with the same ids, once", (_what, failOnce) => {
    const host = startTollgate();
    exchange(host);
    exchange(host);
    host.advance(100);
    const ids = settleRecords(host.pendingCall("/v1/settle")).map((record) => record.id);
    failOnce(host);
    // Now the circuit may be open: the request passes with or without being asked about.
    const third = request(host, CHAT);
    if (host.pendingCalls("/v1/admit").length > 0) admit(host);
    respondJson(third, CHAT_ANSWER);
    const again: string[] = [];
    for (let i = 0; i < 20; i++) {
      for (const call of host.pendingCalls("/v1/filter-config")) call.respond(304);
      again.push(...settle(host).map((record) => record.id));
    }
    expect(again.slice(0, 2)).toEqual(ids);
    expect(new Set(again).size).toBe(3);
    expect(again).toHaveLength(3);
  });

  test("ever less often while the service stays away", () => {
    const host = startTollgate();
    exchange(host);
    const sentAtMs: number[] = [];
    const startMs = host.nowMs;
    for (let i = 0; i < 600; i++) {
      host.advance(100);
      for (const call of host.pendingCalls("/v1/filter-config")) call.respond(304);
      for (const call of host.pendingCalls("/v1/settle")) {
        sentAtMs.push(host.nowMs - startMs);
        call.respond(500);
      }
    }
    const gaps = sentAtMs.slice(1).map((at, i) => at - (sentAtMs[i] ?? 0));
    expect(gaps.slice(0, 7)).toEqual([200, 400, 800, 1600, 3200, 5000, 5000]);
  });

  test("without the one that the service cannot read", () => {
    const host = startTollgate();
    for (let i = 0; i < 3; i++) exchange(host);
    host.advance(100);
    const batch = host.pendingCall("/v1/settle");
    const ids = settleRecords(batch).map((record) => record.id);
    batch.respond(400, {}, { code: "invalid" });
    const accepted: string[] = [];
    for (let i = 0; i < 20; i++) {
      for (const call of host.pendingCalls("/v1/settle")) {
        const records = settleRecords(call);
        const isBad = records.some((record) => record.id === ids[1]);
        if (!isBad) accepted.push(...records.map((record) => record.id));
        call.respond(isBad ? 400 : 200, {}, {});
      }
      host.advance(100);
    }
    expect(accepted).toEqual([ids[0], ids[2]]);
    expect(host.metrics.value("tollgate_settlements_lost")).toBe(1);
    expect(host.logText()).toContain("the service refused a settlement as malformed");
  });
});

test("long records go before there are many: a batch is full by its bytes, too", () => {
  const attributes = { headers: ["x-user"], properties: [], metadata: [] };
  const host = startTollgate({ filterConfig: { attributes } });
  const long = { headers: { "x-user": "u".repeat(60_000) } };
  for (let i = 0; i < 8; i++) {
    const stream = request(host, CHAT, long);
    admit(host);
    respondJson(stream, CHAT_ANSWER);
  }
  expect(host.pendingCalls("/v1/settle")).toEqual([]);
  const last = request(host, CHAT, long);
  admit(host);
  respondJson(last, CHAT_ANSWER);
  expect(settleRecords(host.pendingCall("/v1/settle"))).toHaveLength(8);
});

test("how many are not acknowledged is told", () => {
  const host = startTollgate();
  const waiting = () => host.metrics.value("tollgate_settlements_waiting");
  for (let i = 0; i < 3; i++) exchange(host);
  host.advance(100);
  expect(waiting()).toBe(3);
  const call = host.pendingCall("/v1/settle");
  exchange(host);
  host.advance(100);
  expect(waiting()).toBe(4);
  call.respond(200, {}, { accepted: 3, duplicate: 0 });
  host.advance(100);
  expect(waiting()).toBe(1);
  settle(host);
  host.advance(100);
  expect(waiting()).toBe(0);
});

test("the queue is bounded: the oldest go, counted and said, and memory stays", () => {
  const queueBytes = 65_536;
  const host = startTollgate({ configuration: { settle_queue_bytes: queueBytes } });
  host.advance(100);
  const count = 400;
  for (let i = 0; i < count; i++) exchange(host);
  const lost = host.metrics.value("tollgate_settlements_lost") ?? 0;
  const pending = host.pendingCalls("/v1/settle").flatMap(settleRecords).length;
  expect(host.logText()).toMatch(/the settlement queue is full, \d+ settlements lost so far/);
  let kept = 0;
  for (let i = 0; i < 30; i++) kept += settle(host).length;
  expect(kept + lost).toBe(count);
  expect(pending).toBeLessThanOrEqual(kept);
  const recordBytes = JSON.stringify(CHAT_ANSWER.usage).length + 500;
  expect(kept * recordBytes).toBeLessThan(3 * queueBytes);
});
