/**
 * What a new request costs the release filter while few or many other streams are open, in this
 * Node's V8: whatever looks at all of them shows here.
 */
import type { Host, Stream } from "../host/host.ts";
import { answerCalls, openChat, startFilter } from "./filter-driver.ts";
import { chatRequest, jsonResponse, streamResponse } from "./workloads.ts";

const FEW = 10;
const MANY = 2_000;
/** Requests between two ticks: 500 a second. */
const BLOCK = 50;
const TICK_MS = 100;
const BLOCKS_PER_ROUND = 100;
const WARM_UP_BLOCKS = 40;

const REQUEST = chatRequest(1024, false);
const STREAM_REQUEST = chatRequest(1024, true);
const ALLOW = { verdict: "allow", reservation: "r", requestHeaders: {}, responseHeaders: {} };
const ANSWER = afterHead(jsonResponse());
const [FIRST_EVENT = Buffer.alloc(0)] = streamResponse().map(eventIn);

export interface OpenStreamsResult {
  /** Time of a new request with many streams open by that with few; one value for each round. */
  manyByFew: number[];
}

/** Measures; `config` is what the service answers at /v1/filter-config. */
export function measureOpenStreams(
  wasm: string,
  config: object,
  rounds: number,
): OpenStreamsResult {
  const hosts = [FEW, MANY].map((count) => withOpenStreams(wasm, config, count)) as [Host, Host];
  compare(hosts, WARM_UP_BLOCKS);
  return { manyByFew: Array.from({ length: rounds }, () => compare(hosts, BLOCKS_PER_ROUND)) };
}

function withOpenStreams(wasm: string, config: object, count: number): Host {
  const host = startFilter(wasm, config);
  for (let i = 0; i < count; i++) {
    const stream = forwarded(host, STREAM_REQUEST);
    stream.responseHeaders({ ":status": 200, "content-type": "text/event-stream" });
    stream.responseBody(FIRST_EVENT);
    if (i % BLOCK === 0) answerCalls(host);
  }
  answerCalls(host);
  return host;
}

/** Whole blocks, in turn: what is done once for many requests, as collecting garbage, counts. */
function compare([few, many]: [Host, Host], blocks: number): number {
  let fewMs = 0;
  let manyMs = 0;
  for (let block = 0; block < blocks; block++) {
    fewMs += blockMs(few);
    manyMs += blockMs(many);
  }
  return manyMs / fewMs;
}

function blockMs(host: Host): number {
  const before = performance.now();
  for (let i = 0; i < BLOCK; i++) {
    const stream = forwarded(host, REQUEST);
    stream.responseHeaders({ ":status": 200, "content-type": "application/json" });
    stream.responseBody(ANSWER, true);
  }
  answerCalls(host, TICK_MS);
  return performance.now() - before;
}

function forwarded(host: Host, body: Buffer): Stream {
  const stream = openChat(host, body, "user-0");
  stream.requestBody(body, true);
  for (const call of host.pendingCalls("/v1/admit")) call.respond(200, {}, ALLOW);
  return stream;
}

function afterHead(response: Buffer): Buffer {
  return response.subarray(response.indexOf("\r\n\r\n") + 4);
}

/** The event in a chunk of a response. */
function eventIn(piece: Buffer): Buffer {
  const begin = piece.indexOf("data: ");
  return piece.subarray(begin, piece.indexOf("\n\n", begin) + 2);
}
