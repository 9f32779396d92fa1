/** Streams are used again: nothing of one exchange may be told, sent or charged with the next. */
import { expect, test } from "vitest";
import type { Host, Stream } from "./host.ts";
import {
  admit,
  CHAT,
  CHAT_ANSWER,
  request,
  respondJson,
  respondSse,
  settle,
  startTollgate,
} from "./tollgate.ts";

const USAGE = { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 };
const EVENTS = [
  'data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\n',
  `data: {"choices":[],"usage":${JSON.stringify(USAGE)}}\n\n`,
  "data: [DONE]\n\n",
];
const ASKING = { ...CHAT, model: "other", stream: true, stream_options: { include_usage: true } };
const LEASE = { id: "l", parts: 8, validMs: 60_000, maxInputBytes: 500, maxOutputTokens: null };
const CHANGES = {
  model: "gpt-4o-nano",
  maxOutputTokens: 7,
  requestHeaders: { "x-tollgate-team": "a" },
  responseHeaders: { "x-ratelimit-remaining": "5" },
};

/** Exchanges that leave as much as can be behind. */
const FIRST: Record<string, (host: Host) => void> = {
  "changed in all that can be changed": (host) => {
    const stream = request(host, { ...CHAT, stream: true, max_tokens: 50 });
    admit(host, CHANGES);
    respondSse(stream, EVENTS);
  },
  "under a lease": (host) => {
    const body = { ...CHAT, stream: true };
    const stream = request(host, body);
    admit(host, { ...CHANGES, lease: LEASE });
    respondSse(stream, EVENTS);
    respondSse(request(host, body), EVENTS);
  },
};

/** Exchanges of which little is known. */
const NEXT: Record<string, (host: Host) => Stream> = {
  denied: (host) => {
    const stream = request(host, CHAT);
    const deny = { status: 429, headers: {}, body: "{}" };
    host.pendingCall("/v1/admit").respond(200, {}, { verdict: "deny", deny });
    return stream;
  },
  "cut before its answer": (host) => {
    const stream = request(host, CHAT);
    admit(host);
    stream.resetUpstream();
    return stream;
  },
  "given up by its client before the answer": (host) => {
    const stream = request(host, CHAT);
    admit(host);
    stream.disconnect();
    return stream;
  },
  "let go since the service is away": (host) => {
    const stream = request(host, CHAT);
    host.pendingCall("/v1/admit").fail();
    respondJson(stream, CHAT_ANSWER);
    return stream;
  },
  "answered with a stream whose usage the client wants": (host) => {
    const stream = request(host, ASKING);
    admit(host);
    respondSse(stream, EVENTS);
    return stream;
  },
  "answered with a body that is not read": (host) => {
    const stream = request(host, CHAT);
    admit(host);
    stream.responseHeaders({ ":status": 204 }, true);
    return stream;
  },
  "not metered": (host) => {
    const stream = request(host, "", { method: "GET", path: "/health" });
    respondJson(stream, {});
    return stream;
  },
};

function outcome(host: Host, next: (host: Host) => Stream) {
  const { upstream, client } = next(host);
  const records = settle(host).map(({ id: _, timeMs: __, ...record }) => record);
  return {
    sent: [upstream.headers, upstream.text],
    told: [client.headers, client.text],
    records,
  };
}

const PAIRS = Object.entries(FIRST).flatMap(([before, first]) =>
  Object.entries(NEXT).map(([after, next]) => [after, before, next, first] as const),
);

test.each(PAIRS)("an exchange %s, after one %s, is as on a new stream", (...given) => {
  const [_after, _before, next, first] = given;
  const fresh = outcome(startTollgate(), next);
  const host = startTollgate();
  first(host);
  expect(settle(host).length).toBeGreaterThan(0);
  expect(outcome(host, next)).toEqual(fresh);
});
