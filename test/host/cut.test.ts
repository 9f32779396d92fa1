/** Streams that are ended where what is held for them is used up, and output limits put in. */
import { describe, expect, test } from "vitest";
import type { AdmitAnswer, FilterConfig } from "../../limitador-bridge/contract/filter.ts";
import type { Host, Stream } from "./host.ts";
import {
  admit,
  CHAT,
  makeFilterConfig,
  type RequestOptions,
  request,
  respondJson,
  respondSse,
  settleOne,
  startTollgate,
} from "./tollgate.ts";

const STREAMED = { ...CHAT, stream: true, stream_options: { include_usage: true } };
const event = (content: string) =>
  `data: ${JSON.stringify({ id: "c", choices: [{ index: 0, delta: { content } }] })}\n\n`;
const CLOSING = 'data: {"choices":[{"delta":{},"finish_reason":"length"}]}\n\ndata: [DONE]\n\n';
/** Five bytes of output each. */
const EVENTS = ["aaaaa", "bbbbb", "ccccc", "ddddd"].map(event);
const [A = "", B = "", C = "", D = ""] = EVENTS;
const SSE_HEADERS = { ":status": 200, "content-type": "text/event-stream" };

function cutStream(
  afterOutputBytes: number,
  body: object = STREAMED,
  properties: RequestOptions["properties"] = {},
): [Host, Stream] {
  const host = startTollgate();
  const stream = request(host, body, { properties });
  admit(host, { cut: { afterOutputBytes, closing: CLOSING } });
  stream.responseHeaders(SSE_HEADERS);
  return [host, stream];
}

describe("a stream that is cut", () => {
  test("ends with the last event that fits; the upstream is stopped with the next bytes", () => {
    const [host, stream] = cutStream(12);
    stream.responseBody(A + B);
    expect(stream.client.text).toBe(A + B);
    stream.responseBody(C);
    expect(stream.client.text).toBe(A + B + CLOSING);
    expect(stream.upstream.isReset).toBe(false);
    stream.responseBody(D);
    expect(stream.client.text).toBe(A + B + CLOSING);
    expect(stream.upstream.isReset).toBe(true);
    expect(settleOne(host)).toMatchObject({
      outcome: "truncated",
      outputBytes: 20,
      framing: "sse",
      reservation: "reservation-1",
    });
  });

  test("of HTTP/2: the upstream is stopped when more comes half a second later", () => {
    const [host, stream] = cutStream(12, STREAMED, { request: { protocol: "HTTP/2" } });
    stream.responseBody(A + B + C);
    expect(stream.client.text).toBe(A + B + CLOSING);
    // The client may still have to take what was sent.
    stream.responseBody(D);
    host.advance(499);
    stream.responseBody(D);
    expect(stream.client.text).toBe(A + B + CLOSING);
    expect(stream.upstream.isReset).toBe(false);
    host.advance(1);
    stream.responseBody(D);
    expect(stream.client.text).toBe(A + B + CLOSING);
    expect(stream.upstream.isReset).toBe(true);
    expect(settleOne(host)).toMatchObject({ outcome: "truncated", outputBytes: 30 });
  });

  test("is settled as truncated, too, when nothing more comes", () => {
    const [host, stream] = cutStream(5);
    stream.responseBody(A + B, true);
    expect(stream.client.text).toBe(A + CLOSING);
    expect(stream.upstream.isReset).toBe(false);
    expect(settleOne(host)).toMatchObject({ outcome: "truncated", outputBytes: 10 });
  });

  test("passes whole when its output fits exactly", () => {
    const [host, stream] = cutStream(20);
    for (const each of EVENTS) stream.responseBody(each);
    stream.responseBody("data: [DONE]\n\n", true);
    expect(stream.client.text).toBe(`${EVENTS.join("")}data: [DONE]\n\n`);
    expect(settleOne(host)).toMatchObject({ outcome: "ok", outputBytes: 20, done: true });
  });

  test("may have no output at all", () => {
    const [, stream] = cutStream(0);
    stream.responseBody(`: hello\n\n${A}`);
    expect(stream.client.text).toBe(`: hello\n\n${CLOSING}`);
  });

  test("gives the client the same bytes however it was in pieces", () => {
    const bytes = Buffer.from(EVENTS.join("").replaceAll("\n", "\r\n"));
    for (let at = 0; at <= bytes.length; at++) {
      const [, stream] = cutStream(12);
      stream.responseBody(bytes.subarray(0, at));
      if (!stream.client.isReset) stream.responseBody(bytes.subarray(at), true);
      expect(stream.client.text).toBe((A + B).replaceAll("\n", "\r\n") + CLOSING);
    }
  });

  test("of an event too long to be held lets the client have all of that event", () => {
    const [, stream] = cutStream(5);
    const long = event("x".repeat(40_000));
    stream.responseBody(A + long.slice(0, 20_000));
    stream.responseBody(long.slice(20_000) + B);
    expect(stream.client.text).toBe(A + long + CLOSING);
  });

  test("keeps the usage chunk, which the filter asked for, from the client", () => {
    const [host, stream] = cutStream(100, { ...CHAT, stream: true });
    const usage = 'data: {"choices":[],"usage":{"total_tokens":7}}\n\n';
    stream.responseBody(A + usage);
    stream.responseBody("data: [DONE]\n\n", true);
    expect(stream.client.text).toBe(`${A}data: [DONE]\n\n`);
    expect(settleOne(host).usage).toEqual([{ total_tokens: 7 }]);
  });

  test("is cut under a lease as well", () => {
    const host = startTollgate();
    const lease = { id: "l", parts: 9, validMs: 1000, maxInputBytes: 500, maxOutputTokens: null };
    request(host, STREAMED).disconnect();
    admit(host, { lease, cut: { afterOutputBytes: 5, closing: CLOSING } });
    const stream = request(host, STREAMED);
    respondSse(stream, [A + B]);
    expect(stream.client.text).toBe(A + CLOSING);
  });

  test.each<[string, AdmitAnswer["cut"]]>([
    ["less than nothing", { afterOutputBytes: -1, closing: CLOSING }],
    ["no number", { afterOutputBytes: "5", closing: CLOSING } as never],
    ["nothing", {} as never],
  ])("is not cut after %s", (_what, cut) => {
    const host = startTollgate();
    const stream = request(host, STREAMED);
    admit(host, { ...(cut && { cut }) });
    respondSse(stream, EVENTS);
    expect(stream.client.text).toBe(EVENTS.join(""));
  });

  test("is not cut where it is JSON", () => {
    const host = startTollgate();
    const stream = request(host, STREAMED);
    admit(host, { cut: { afterOutputBytes: 1, closing: CLOSING } });
    const answer = { choices: [{ index: 0, message: { content: "long answer" } }] };
    respondJson(stream, answer);
    expect(stream.client.text).toBe(JSON.stringify(answer));
    expect(settleOne(host)).toMatchObject({ outcome: "ok", outputBytes: 11 });
  });
});

const [ROUTE] = makeFilterConfig().apis;

/** A filter for one API whose output limit stands there. */
function limited(maxOutputPointer?: string): Host {
  const pointer = maxOutputPointer === undefined ? {} : { maxOutputPointer };
  const route = { ...ROUTE, api: "x", path: "/x", errorShape: "openai", includeUsage: true };
  const apis = [{ ...route, includeUsageExcept: ["mistral-"], ...pointer }];
  return startTollgate({ filterConfig: { apis: apis as FilterConfig["apis"] } });
}

function sentWith(host: Host, body: object | string, answer: Partial<AdmitAnswer>): unknown {
  const stream = request(host, body, { path: "/x" });
  admit(host, answer);
  const sent = stream.upstream;
  expect(sent.headers?.get("content-length")).toBe(String(sent.text.length));
  return JSON.parse(sent.text);
}

describe("an output limit of the answer", () => {
  test.each<[string | undefined, object, object]>([
    ["/max_tokens", CHAT, { ...CHAT, max_tokens: 50 }],
    ["/max_tokens", {}, { max_tokens: 50 }],
    ["/max_tokens", { ...CHAT, max_tokens: 60 }, { ...CHAT, max_tokens: 50 }],
    ["/max_tokens", { ...CHAT, max_tokens: 40 }, { ...CHAT, max_tokens: 40 }],
    ["/max_output_tokens", { ...CHAT, max_tokens: 60 }, { ...CHAT, max_tokens: 50 }],
    ["/a/max_tokens", CHAT, CHAT],
    ["", CHAT, CHAT],
    [undefined, CHAT, CHAT],
    [undefined, { ...CHAT, max_tokens: 60 }, { ...CHAT, max_tokens: 50 }],
  ])("pointer %s, body %j: %j", (pointer, body, sent) => {
    expect(sentWith(limited(pointer), body, { maxOutputTokens: 50 })).toEqual(sent);
  });

  test("goes together with another model and the usage chunk", () => {
    const answer = { maxOutputTokens: 50, model: "other" };
    const sent = sentWith(limited("/max_tokens"), { ...CHAT, stream: true }, answer);
    const stream_options = { include_usage: true };
    const expected = { ...CHAT, stream: true, model: "other", max_tokens: 50, stream_options };
    expect(sent).toEqual(expected);
    const small = sentWith(limited("/max_tokens"), ' {"stream":true}', answer);
    expect(small).toEqual({ stream: true, max_tokens: 50, stream_options });
  });
});

test("the usage chunk is not asked of a model that is served by who refuses that", () => {
  const host = limited();
  const streamed = (model: string) => ({ ...CHAT, stream: true, model });
  const asked = { stream_options: { include_usage: true } };
  expect(sentWith(host, streamed("mistral-small"), {})).toEqual(streamed("mistral-small"));
  expect(sentWith(host, streamed("a-mistral-"), {})).toEqual({
    ...streamed("a-mistral-"),
    ...asked,
  });
  const downgraded = sentWith(host, streamed("gpt"), { model: "mistral-small" });
  expect(downgraded).toEqual(streamed("mistral-small"));
  const nameless = { messages: CHAT.messages, stream: true };
  expect(sentWith(host, nameless, {})).toEqual({ ...nameless, ...asked });
  const back = sentWith(host, streamed("mistral-small"), { model: "gpt" });
  expect(back).toEqual({ ...streamed("gpt"), ...asked });
});
