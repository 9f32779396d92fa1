/**
 * The release filter in the Node host (test/host), for what is measured without Envoy, and for
 * calls of the service as the filter really makes them.
 */
import { readFileSync } from "node:fs";
import { createHost, type Host, type Stream } from "../host/host.ts";
import { CHAT_PATH, jsonResponse } from "./workloads.ts";

/** Past the filter's flush interval. */
const FLUSH_MS = 1_000;

/** A started filter that has this filter config; `config` as /v1/filter-config answers. */
export function startFilter(wasm: string, config: object): Host {
  const host = createHost({
    wasm: readFileSync(wasm),
    pluginConfiguration: { cluster: "tollgate", hold_headers: true },
    bufferLimitBytes: 64 * 1024 * 1024,
  }).start();
  host.advance(10);
  host.pendingCall("/v1/filter-config").respond(200, { etag: '"bench"' }, config);
  return host;
}

/** A started filter that does nothing. */
export function startIdle(wasm: string): Host {
  return createHost({ wasm: readFileSync(wasm) }).start();
}

/** Opens a chat request of one user whose body is still to come. */
export function openChat(host: Host, body: Buffer, user: string): Stream {
  return host.openStream({
    requestHeaders: {
      ":method": "POST",
      ":path": CHAT_PATH,
      ":authority": "llm.bench",
      ":scheme": "http",
      "content-type": "application/json",
      "content-length": String(body.length),
      "x-request-id": "6f1c9a52-8f0e-4f5e-9d3b-6b1f0c1d2e3f",
      "x-user": user,
    },
  });
}

/** Answers what the filter asked, so that nothing piles up in it or in the host. */
export function answerCalls(host: Host, afterMs = FLUSH_MS): void {
  host.advance(afterMs);
  for (const poll of host.pendingCalls("/v1/filter-config")) poll.respond(304, {}, "");
  for (const call of host.pendingCalls("/v1/settle")) {
    call.respond(200, {}, { accepted: 1, duplicate: 0 });
  }
  host.calls.length = 0;
  host.logs.length = 0;
}

/** The bodies of the two calls that one exchange makes, as the filter writes them. */
export function recordCalls(
  wasm: string,
  config: object,
  body: Buffer,
): { admit: Record<string, unknown>; settlement: Record<string, unknown> } {
  const host = startFilter(wasm, config);
  const stream = openChat(host, body, "user-0");
  stream.requestBody(body, true);
  const call = host.pendingCall("/v1/admit");
  const admit = call.json();
  call.respond(
    200,
    { "content-type": "application/json" },
    {
      verdict: "allow",
      reservation: admit.id,
      requestHeaders: {},
      responseHeaders: {},
    },
  );
  stream.responseHeaders({ ":status": 200, "content-type": "application/json" });
  const response = jsonResponse();
  stream.responseBody(response.subarray(response.indexOf("\r\n\r\n") + 4), true);
  host.advance(FLUSH_MS);
  const { records } = host.pendingCall("/v1/settle").json<{ records: Record<string, unknown>[] }>();
  return { admit, settlement: records[0] as Record<string, unknown> };
}
