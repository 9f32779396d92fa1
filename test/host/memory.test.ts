import { expect, test } from "vitest";
import type { Host, Stream } from "./host.ts";
import { CHAT, CHAT_ANSWER, request, respondJson, respondSse, startTollgate } from "./tollgate.ts";

const WARM_UP = 4000;
const REQUESTS = 100_000;
const MAX_BYTES_PER_STREAM = 4096;

const SSE = [
  'data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n',
  'data: {"id":"c","choices":[],"usage":{"total_tokens":11}}\n\ndata: [DONE]\n\n',
];
const ALLOW = { verdict: "allow", reservation: "r", requestHeaders: {}, responseHeaders: {} };
const DENY = {
  verdict: "deny",
  deny: { status: 429, headers: { "retry-after": "1" }, body: "{}" },
};
const LEASE = { id: "lease", parts: 500, validMs: 60_000, maxInputBytes: 500 };
const LEASED_BODY = JSON.stringify({ ...CHAT, model: "leased" });
const PLAIN_BODY = JSON.stringify(CHAT);
const STREAM_BODY = JSON.stringify({ ...CHAT, stream: true });

/** Each way in which a request can go. */
const WAYS: Record<string, (host: Host) => void> = {
  "not metered": (host) => {
    request(host, "", { method: "GET", path: "/health" }).disconnect();
  },
  denied: (host) => {
    request(host, PLAIN_BODY);
    host.pendingCall("/v1/admit").respond(200, {}, DENY);
  },
  "answered with JSON": (host) => respondJson(allowed(host, PLAIN_BODY), CHAT_ANSWER),
  "answered with a stream": (host) => respondSse(allowed(host, STREAM_BODY), SSE),
  "cut by the client": (host) => {
    const stream = allowed(host, STREAM_BODY);
    stream.responseHeaders({ ":status": 200, "content-type": "text/event-stream" });
    stream.responseBody(SSE[0] ?? "");
    stream.disconnect();
  },
  "cut by the upstream": (host) => allowed(host, PLAIN_BODY).resetUpstream(),
  "admitted under a lease": (host) => {
    const stream = request(host, LEASED_BODY);
    // Of the first request, and the renewals after it.
    for (const call of host.pendingCalls("/v1/admit")) {
      call.respond(200, {}, { ...ALLOW, lease: { ...LEASE, maxOutputTokens: null } });
    }
    respondJson(stream, CHAT_ANSWER);
  },
  "given up while asking": (host) => {
    const stream = request(host, PLAIN_BODY);
    const call = host.pendingCall("/v1/admit");
    stream.disconnect();
    call.respond(200, {}, ALLOW);
  },
};

function allowed(host: Host, body: string): Stream {
  const stream = request(host, body);
  host.pendingCall("/v1/admit").respond(200, {}, ALLOW);
  return stream;
}

/** What the service does all the time; and the test's own log is emptied. */
function serve(host: Host): void {
  host.advance(100);
  for (const call of host.pendingCalls("/v1/settle")) call.respond(200, {}, "{}");
  for (const call of host.pendingCalls("/v1/filter-config")) call.respond(304);
  host.calls.length = 0;
}

function run(host: Host, ways: ((host: Host) => void)[], count: number): void {
  for (let turn = 0; turn < count; turn++) {
    ways[turn % ways.length]?.(host);
    if (turn % 100 === 99) serve(host);
  }
}

test(`memory stays the same over ${REQUESTS} requests`, { timeout: 120_000 }, () => {
  const host = startTollgate();
  const ways = Object.values(WAYS);
  run(host, ways, WARM_UP);
  const before = host.memoryBytes;
  run(host, ways, REQUESTS);
  expect(host.memoryBytes).toBe(before);
  expect(host.contextCount).toBe(1);
});

test(`memory stays the same over ${REQUESTS} requests under leases`, { timeout: 120_000 }, () => {
  const host = startTollgate();
  const leased = WAYS["admitted under a lease"] as (host: Host) => void;
  run(host, [leased], WARM_UP);
  const before = host.memoryBytes;
  let asked = 0;
  for (let turn = 0; turn < REQUESTS; turn += 100) {
    run(host, [leased], 99);
    asked += host.calls.filter(({ path }) => path === "/v1/admit").length;
    run(host, [leased], 1);
    serve(host);
  }
  expect(host.memoryBytes).toBe(before);
  // One renewal for each lease, of whose 500 parts it leaves a quarter, less one.
  const renewals = (requests: number) => Math.floor((requests - 1) / 376);
  expect(asked).toBe(renewals(WARM_UP + REQUESTS) - renewals(WARM_UP));
});

test.each(Object.entries(WAYS))("5,000 requests that are %s leave nothing behind", (_name, way) => {
  const host = startTollgate();
  run(host, [way], 1000);
  const before = host.memoryBytes;
  run(host, [way], 5000);
  expect(host.memoryBytes).toBe(before);
});

/** AssemblyScript doubles memory when it is full: what fits in between tells a stream's size. */
test("an open stream takes at most 4 KiB", () => {
  const host = startTollgate();
  run(host, Object.values(WAYS), 700);
  const growths: { bytes: number; streams: number }[] = [];
  const startBytes = host.memoryBytes;
  let bytes = startBytes;
  const streams: Stream[] = [];
  while (growths.length < 2) {
    const stream = allowed(host, STREAM_BODY);
    stream.responseHeaders({ ":status": 200, "content-type": "text/event-stream" });
    stream.responseBody(SSE[0] ?? "");
    streams.push(stream);
    if (streams.length % 20 === 0) serve(host);
    if (host.memoryBytes === bytes) continue;
    bytes = host.memoryBytes;
    growths.push({ bytes, streams: streams.length });
  }
  const [first, second] = growths as [(typeof growths)[0], (typeof growths)[0]];
  // Between the two the memory of the first growth was filled by streams.
  const filled = first.bytes - startBytes;
  expect(filled / (second.streams - first.streams)).toBeLessThan(MAX_BYTES_PER_STREAM);
  for (const stream of streams) stream.disconnect();
  for (let i = 0; i < 100; i++) serve(host);
  run(host, Object.values(WAYS), WARM_UP);
  expect(host.memoryBytes).toBe(bytes);
});
