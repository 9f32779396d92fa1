/**
 * A host without allow_on_headers_stop_iteration: no body comes while headers are held. Nothing
 * may hang there, and everything is metered all the same.
 */
import { describe, expect, test } from "vitest";
import type { Host } from "./host.ts";
import {
  admit,
  CHAT,
  CHAT_ANSWER,
  open,
  request,
  respondJson,
  respondSse,
  settleOne,
  startTollgate,
} from "./tollgate.ts";

const TEXT = JSON.stringify(CHAT);
const DENY = { status: 429, headers: {}, body: "no" };

function tick(host: Host, count: number): void {
  host.advance(100 * count);
  for (const call of host.pendingCalls("/v1/filter-config")) call.respond(304);
}

describe("a host that stops all although hold_headers is set", () => {
  test("the first request is let go within two ticks, and is metered when its body comes", () => {
    const host = startTollgate();
    const stream = request(host, CHAT, { stopAllOnHeaderStop: true });
    expect(host.pendingCalls("/v1/admit")).toHaveLength(0);
    tick(host, 2);
    expect(stream.upstream.headers?.has("content-length")).toBe(false);
    expect(stream.upstream.headers?.has("accept-encoding")).toBe(false);
    expect(stream.upstream.chunks).toHaveLength(0);
    expect(admit(host).llm).toMatchObject({ model: "gpt-4o-mini", inputBytes: TEXT.length });
    expect(stream.upstream.text).toBe(TEXT);
    respondJson(stream, CHAT_ANSWER);
    expect(settleOne(host)).toMatchObject({ outcome: "ok", usage: [CHAT_ANSWER.usage] });
  });

  test("is known from then on: later requests do not wait for a tick", () => {
    const host = startTollgate();
    request(host, CHAT, { stopAllOnHeaderStop: true });
    tick(host, 2);
    admit(host);
    expect(host.logText()).toContain("is allow_on_headers_stop_iteration missing");
    const later = request(host, CHAT, { stopAllOnHeaderStop: true });
    expect(admit(host).llm.model).toBe("gpt-4o-mini");
    expect(later.upstream.text).toBe(TEXT);
  });

  test("a denial is still a denial: the upstream never sees the body", () => {
    const host = startTollgate();
    const stream = request(host, CHAT, { stopAllOnHeaderStop: true });
    tick(host, 2);
    admit(host, { verdict: "deny", reservation: null, deny: DENY });
    expect(stream.upstream.chunks).toHaveLength(0);
    expect(stream.upstream.isReset).toBe(true);
    expect([stream.client.status, stream.client.text]).toEqual([429, "no"]);
  });

  test("the usage chunk of a stream is asked for and taken out", () => {
    const host = startTollgate();
    request(host, CHAT, { stopAllOnHeaderStop: true });
    tick(host, 2);
    admit(host);
    const stream = request(host, { ...CHAT, stream: true }, { stopAllOnHeaderStop: true });
    admit(host);
    expect(JSON.parse(stream.upstream.text).stream_options).toEqual({ include_usage: true });
    const usage = 'data: {"choices":[],"usage":{"total_tokens":3}}\n\n';
    respondSse(stream, ["data: {}\n\n", usage]);
    expect(stream.client.text).toBe("data: {}\n\n");
  });
});

describe("configured for such a host (hold_headers: false)", () => {
  const configuration = { hold_headers: false };

  test("headers go at once, the body is held until the request is admitted", () => {
    const host = startTollgate({ configuration });
    const text = Buffer.from(TEXT);
    const stream = open(host, text, { stopAllOnHeaderStop: true });
    expect(stream.upstream.headers?.has("content-length")).toBe(false);
    stream.requestBody(text.subarray(0, 10));
    stream.requestBody(text.subarray(10), true);
    expect(stream.upstream.chunks).toHaveLength(0);
    admit(host);
    expect(stream.upstream.text).toBe(TEXT);
  });

  test("nothing is promised of a body whose headers went ahead with its length", () => {
    const host = startTollgate({ configuration });
    request(host, CHAT, { path: "/llm", stopAllOnHeaderStop: true });
    expect(admit(host).llm).toMatchObject({ model: "gpt-4o-mini", rewritable: false });
    request(host, CHAT, { stopAllOnHeaderStop: true });
    expect(admit(host).llm.rewritable).toBeUndefined();
  });

  test("what is not metered keeps its headers as they came", () => {
    const host = startTollgate({ configuration });
    const body = Buffer.from("x=1");
    const stream = open(host, body, {
      path: "/form",
      headers: { "content-type": "application/x-www-form-urlencoded" },
    });
    expect(stream.upstream.headers?.get("content-length")).toBe("3");
    expect(stream.upstream.headers?.get("accept-encoding")).toBe("gzip");
  });
});

describe("a host that holds headers and gives the body", () => {
  test("a slow client's body is no sign of stopping all", () => {
    const host = startTollgate();
    const text = Buffer.from(TEXT);
    const slow = open(host, text);
    tick(host, 5);
    expect(slow.upstream.headers).not.toBeNull();
    slow.requestBody(text, true);
    admit(host);
    expect(slow.upstream.text).toBe(TEXT);
    const next = open(host, text);
    expect(next.upstream.headers).toBeNull();
    next.requestBody(text, true);
    admit(host);
    expect(next.upstream.headers?.get("content-length")).toBe(String(text.length));
  });

  test("not even when it comes right after its headers were let go", () => {
    const host = startTollgate();
    const text = Buffer.from(TEXT);
    const slow = open(host, text);
    tick(host, 2);
    host.advance(5);
    slow.requestBody(text, true);
    admit(host);
    const next = open(host, text);
    expect(next.upstream.headers).toBeNull();
    expect(host.logText()).not.toContain("allow_on_headers_stop_iteration");
  });

  test("once a body came while headers were held, no slow client's headers are let go", () => {
    const host = startTollgate();
    request(host, CHAT);
    admit(host);
    const slow = open(host, Buffer.from(TEXT));
    tick(host, 50);
    expect(slow.upstream.headers).toBeNull();
  });
});
