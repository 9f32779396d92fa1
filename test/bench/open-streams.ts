/**
 * What a new request costs the release filter while few or many other streams are open, in this
 * Node's V8: whatever looks at all of them shows here. And what each open stream takes: memory,
 * and the time of an event.
 */
import type { Host, Stream } from "../host/host.ts";
import { answerCalls, openChat, startFilter, startIdle } from "./filter-driver.ts";
import { undisturbed } from "./statistics.ts";
import { chatRequest, jsonResponse, streamResponse } from "./workloads.ts";

const FEW = 10;
const MANY = 2_000;
/** Requests between two ticks: 500 a second. */
const BLOCK = 50;
const TICK_MS = 100;
const BLOCKS_PER_ROUND = 100;
const WARM_UP_BLOCKS = 40;
const STREAMS_PER_ROUND = 500;

const REQUEST = chatRequest(1024, false);
const STREAM_REQUEST = chatRequest(1024, true);
const ALLOW = { verdict: "allow", reservation: "r", requestHeaders: {}, responseHeaders: {} };
const ANSWER = afterHead(jsonResponse());
const EVENTS = streamResponse().map(eventIn);
const [FIRST_EVENT = Buffer.alloc(0)] = EVENTS;

export interface OpenStreamsResult {
  /** Time of a new request with many streams open by that with few; one value for each round. */
  manyByFew: number[];
  /** Time of an event, less that with a filter that does nothing; one value for each round. */
  eventUs: number[];
  /** Memory of an open stream; one value. */
  bytesPerStream: number[];
}

/**
 * Measures; `config` is what the service answers at /v1/filter-config, `noop` a filter that does
 * nothing.
 */
export function measureOpenStreams(
  wasm: string,
  noop: string,
  config: object,
  rounds: number,
): OpenStreamsResult {
  const few = withOpenStreams(wasm, config, FEW);
  const many = withOpenStreams(wasm, config, MANY);
  const hosts: [Host, Host] = [few.host, many.host];
  const idle = startIdle(noop);
  compare(hosts, WARM_UP_BLOCKS);
  const eventUs = () => eventsUs(few.host) - eventsUs(idle);
  eventUs();
  const bytesPerStream = [bytesOfOne(many.growths)];
  const result: OpenStreamsResult = { manyByFew: [], eventUs: [], bytesPerStream };
  for (let round = 0; round < rounds; round++) {
    result.manyByFew.push(compare(hosts, BLOCKS_PER_ROUND));
    result.eventUs.push(eventUs());
  }
  return result;
}

/** By whole streams that nothing else interrupted, each event in a callback of its own. */
function eventsUs(host: Host): number {
  const times: number[] = [];
  for (let i = 0; i < STREAMS_PER_ROUND; i++) {
    const stream = forwarded(host, STREAM_REQUEST);
    stream.responseHeaders({ ":status": 200, "content-type": "text/event-stream" });
    const before = performance.now();
    for (const event of EVENTS) stream.responseBody(event);
    times.push(performance.now() - before);
    stream.responseBody("", true);
    if (i % BLOCK === 0) answerCalls(host, TICK_MS);
  }
  return (undisturbed(times) * 1000) / EVENTS.length;
}

/** AssemblyScript doubles its memory when it is full: with so many streams open it had so much. */
interface Growth {
  streams: number;
  bytes: number;
}

/** What was added by the last growth but one was filled by the streams up to the last. */
function bytesOfOne(growths: Growth[]): number {
  const [before, full, next] = growths.slice(-3);
  if (before === undefined || full === undefined || next === undefined) return Number.NaN;
  return (full.bytes - before.bytes) / (next.streams - full.streams);
}

function withOpenStreams(
  wasm: string,
  config: object,
  count: number,
): { host: Host; growths: Growth[] } {
  const host = startFilter(wasm, config);
  const growths: Growth[] = [{ streams: 0, bytes: host.memoryBytes }];
  for (let i = 0; i < count; i++) {
    const stream = forwarded(host, STREAM_REQUEST);
    stream.responseHeaders({ ":status": 200, "content-type": "text/event-stream" });
    stream.responseBody(FIRST_EVENT);
    if (i % BLOCK === 0) answerCalls(host);
    const bytes = host.memoryBytes;
    if (bytes !== growths.at(-1)?.bytes) growths.push({ streams: i + 1, bytes });
  }
  answerCalls(host);
  return { host, growths };
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
