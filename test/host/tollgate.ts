/** The release wasm in the host, with the filter config that the service really sends. */
import { existsSync, readFileSync } from "node:fs";
import Value from "typebox/value";
import {
  type AdmitAnswer,
  AdmitRequest,
  type FilterConfig,
  type SettlementRecord,
  SettleRequest,
} from "../../limitador-bridge/contract/filter.ts";
import { CAPTURE } from "../../limitador-bridge/usage/capture-pointers.ts";
import { createHost, type Host, type HostOptions, type HttpCall, type Stream } from "./host.ts";

const WASM = new URL("../../build/tollgate.wasm", import.meta.url);

/** The bytes of the release build. Throws where it is not built yet. */
export function releaseWasm(): Uint8Array {
  if (!existsSync(WASM)) throw new Error("build/tollgate.wasm is missing: run `make build` first");
  return readFileSync(WASM);
}

export interface TollgateOptions {
  /** Keys of the plugin configuration beside cluster and hold_headers: true. */
  configuration?: Record<string, unknown>;
  /** What differs from the service's own filter config. */
  filterConfig?: Partial<FilterConfig>;
  host?: Partial<HostOptions>;
}

const NO_ATTRIBUTES: FilterConfig["attributes"] = { headers: [], properties: [], metadata: [] };

/** The filter config that the service sends, with no policy in force. */
export function makeFilterConfig(changes: Partial<FilterConfig> = {}): FilterConfig {
  return {
    version: "v1",
    failureMode: "allow",
    ...CAPTURE,
    attributes: NO_ATTRIBUTES,
    request: { ...CAPTURE.request, body: [] },
    ...changes,
  };
}

/** A started filter that has not heard of the service yet. */
export function startFilter(options: TollgateOptions = {}): Host {
  const configuration = { cluster: "tollgate", hold_headers: true, ...options.configuration };
  const host = createHost({
    wasm: releaseWasm(),
    pluginConfiguration: configuration,
    clusters: ["tollgate"],
    ...options.host,
  });
  return host.start();
}

/** A started filter with a filter config in force. */
export function startTollgate(options: TollgateOptions = {}): Host {
  const host = startFilter(options);
  host.advance(10);
  answerConfig(host, makeFilterConfig(options.filterConfig));
  return host;
}

export function answerConfig(host: Host, config: FilterConfig): void {
  host.pendingCall("/v1/filter-config").respond(200, { etag: `"${config.version}"` }, config);
}

export const CHAT_PATH = "/v1/chat/completions";

export interface RequestOptions {
  path?: string;
  method?: string;
  headers?: Record<string, string>;
  properties?: HostOptions["properties"];
  stopAllOnHeaderStop?: boolean;
}

export function requestHeaders(body: Buffer, options: RequestOptions = {}) {
  return {
    ":method": options.method ?? "POST",
    ":path": options.path ?? CHAT_PATH,
    ":authority": "llm.test",
    ":scheme": "http",
    "content-type": "application/json",
    "content-length": String(body.length),
    "accept-encoding": "gzip",
    "x-request-id": "request-1",
    ...options.headers,
  };
}

/** Opens a stream and sends its body, an object as JSON, in one piece and to its end. */
export function request(host: Host, body: string | object, options: RequestOptions = {}): Stream {
  const bytes = Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
  const stream = open(host, bytes, options);
  stream.requestBody(bytes, true);
  return stream;
}

/** Opens a stream whose headers announce this body, and sends no body. */
export function open(host: Host, body: Buffer, options: RequestOptions = {}): Stream {
  return host.openStream({
    requestHeaders: requestHeaders(body, options),
    properties: options.properties ?? {},
    stopAllOnHeaderStop: options.stopAllOnHeaderStop ?? false,
  });
}

/** The pending admit call's request, checked against the contract. */
export function admitRequest(call: HttpCall): AdmitRequest {
  return Value.Parse(AdmitRequest, call.json());
}

/** Answers the pending admit call. */
export function admit(host: Host, answer: Partial<AdmitAnswer> = {}): AdmitRequest {
  const call = host.pendingCall("/v1/admit");
  call.respond(200, { "content-type": "application/json" }, {
    verdict: "allow",
    reservation: "reservation-1",
    requestHeaders: {},
    responseHeaders: {},
    ...answer,
  } satisfies AdmitAnswer);
  return admitRequest(call);
}

export function settleRecords(call: HttpCall): SettlementRecord[] {
  return Value.Parse(SettleRequest, call.json()).records;
}

/** Lets the filter send what it has to settle, acknowledges it and returns the records. */
export function settle(host: Host): SettlementRecord[] {
  host.advance(100);
  for (const poll of host.pendingCalls("/v1/filter-config")) poll.respond(304, {}, "");
  const records: SettlementRecord[] = [];
  for (const call of host.pendingCalls("/v1/settle")) {
    records.push(...settleRecords(call));
    call.respond(200, {}, { accepted: records.length, duplicate: 0 });
  }
  return records;
}

/** The only record that there is to settle. */
export function settleOne(host: Host): SettlementRecord {
  const [record, ...more] = settle(host);
  if (record === undefined || more.length > 0) {
    throw new Error(`${more.length + (record ? 1 : 0)} records to settle, not 1`);
  }
  return record;
}

/** The upstream's whole answer as JSON. */
export function respondJson(stream: Stream, body: object, status = 200): void {
  stream.responseHeaders({ ":status": status, "content-type": "application/json" });
  stream.responseBody(JSON.stringify(body), true);
}

/** The upstream's answer as an event stream, in these pieces. */
export function respondSse(stream: Stream, pieces: readonly (string | Uint8Array)[]): void {
  stream.responseHeaders({ ":status": 200, "content-type": "text/event-stream" });
  for (const piece of pieces) stream.responseBody(piece);
  stream.responseBody("", true);
}

export const CHAT = { model: "gpt-4o-mini", messages: [{ role: "user", content: "Hello" }] };
export const CHAT_ANSWER = {
  id: "chatcmpl-1",
  object: "chat.completion",
  model: "gpt-4o-mini-2024-07-18",
  choices: [{ index: 0, message: { role: "assistant", content: "Hi!" }, finish_reason: "stop" }],
  usage: { prompt_tokens: 9, completion_tokens: 2, total_tokens: 11 },
};
