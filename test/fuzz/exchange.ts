/** One exchange through the filter, with everything about it chosen before. */
import { Compile } from "typebox/compile";
import {
  AdmitRequest,
  type SettlementRecord,
  SettleRequest,
} from "../../limitador-bridge/contract/filter.ts";
import type { HeaderPairs, Host, HttpCall, Stream } from "../host/host.ts";
import type { PropertyTree } from "../host/property-source.ts";
import { inPieces, type Random } from "./random.ts";
import type { Response } from "./response-bodies.ts";

export interface Exchange {
  method: string;
  path: string;
  headers: HeaderPairs;
  properties: PropertyTree;
  body: Buffer;
  hasTrailers: boolean;
  /** What the service says to the admit call. */
  answer: ServiceAnswer;
  response: Response;
  ending: Ending;
}

export type ServiceAnswer =
  | { way: "answer"; status: number; body: Buffer }
  | { way: "fail" | "refuse" | "time out" };

/** "cut" endings come when half of the pieces of the response have. */
export type Ending =
  | "complete"
  | "trailers"
  | "client cuts"
  | "upstream cuts"
  | "idle"
  | "no answer";

/** What can be seen of an exchange from outside. */
export interface Seen {
  stream: Stream;
  /** null: the filter did not ask. */
  admit: AdmitRequest | null;
  /** Bytes of the response body that the upstream sent. */
  sent: Buffer;
  /** The response came to its end. */
  isComplete: boolean;
  records: SettlementRecord[];
}

const FLUSH_MS = 100;
/** While the service seems away, the filter probes every 250 ms, and gives up a probe after 2 s. */
const MOST_ROUNDS = 40;
const QUIET_ROUNDS = 2;

const admitRequests = Compile(AdmitRequest);
const settleRequests = Compile(SettleRequest);
const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Runs an exchange to its end and collects its settlement. Throws on what no service can read. */
export function runExchange(host: Host, exchange: Exchange, random: Random): Seen {
  host.calls.length = 0;
  host.logs.length = 0;
  const stream = host.openStream({
    requestHeaders: exchange.headers,
    properties: exchange.properties,
  });
  const admit = sendRequest(host, stream, exchange, random);
  const sent: Buffer[] = [];
  if (!stream.isOver && stream.upstream.isEnded) respond(stream, exchange, random, sent);
  const isComplete = stream.client.isEnded && !stream.client.isReset;
  if (!stream.isOver) stream.disconnect();
  return { stream, admit, sent: Buffer.concat(sent), isComplete, records: settle(host) };
}

function sendRequest(
  host: Host,
  stream: Stream,
  { body, hasTrailers, answer }: Exchange,
  random: Random,
): AdmitRequest | null {
  const pieces = inPieces(random, body);
  pieces.forEach((piece, at) => {
    stream.requestBody(piece, at === pieces.length - 1 && !hasTrailers);
  });
  if (hasTrailers) stream.requestTrailers({ "x-trailer": "1" });
  else if (pieces.length === 0) stream.requestBody("", true);
  const [call, ...more] = host.pendingCalls("/v1/admit");
  if (more.length > 0) throw new Error("one request was asked about more than once");
  if (call === undefined) return null;
  const request = readCall(call, admitRequests);
  reply(host, call, answer);
  return request;
}

function reply(host: Host, call: HttpCall, answer: ServiceAnswer): void {
  if (answer.way === "answer") call.respond(answer.status, {}, answer.body);
  else if (answer.way === "fail") call.fail();
  else if (answer.way === "refuse") call.refuse();
  else host.advance(call.timeoutMs);
}

function respond(stream: Stream, exchange: Exchange, random: Random, sent: Buffer[]): void {
  const { response, ending } = exchange;
  if (ending === "no answer") {
    stream.resetUpstream();
    return;
  }
  const isEmpty = response.body.length === 0 && ending === "complete";
  stream.responseHeaders({ ":status": response.status, ...response.headers }, isEmpty);
  if (isEmpty) return;
  const pieces = inPieces(random, response.body);
  const cutAt = ending === "complete" || ending === "trailers" ? -1 : pieces.length >> 1;
  pieces.forEach((piece, at) => {
    if (stream.isOver || (cutAt >= 0 && at >= cutAt)) return;
    sent.push(piece);
    stream.responseBody(piece, ending === "complete" && at === pieces.length - 1);
  });
  if (ending === "trailers") stream.responseTrailers({ "x-trailer": "1" });
  else if (ending === "client cuts") stream.disconnect();
  else if (ending === "upstream cuts") stream.resetUpstream("remote_reset");
  else if (ending === "idle") stream.timeOutIdle();
}

/** Takes what is settled; the filter's polls are answered, so that it asks again next time. */
function settle(host: Host): SettlementRecord[] {
  const records: SettlementRecord[] = [];
  let quietRounds = 0;
  for (let round = 0; quietRounds < QUIET_ROUNDS && round < MOST_ROUNDS; round++) {
    host.advance(FLUSH_MS);
    for (const poll of host.pendingCalls("/v1/filter-config")) poll.respond(304);
    const calls = host.pendingCalls("/v1/settle");
    for (const call of calls) {
      records.push(...readCall(call, settleRequests).records);
      call.respond(200, {}, { accepted: 1, duplicate: 0 });
    }
    const isQuiet = calls.length === 0 && host.metrics.value("tollgate_circuit_open") === 0;
    quietRounds = isQuiet ? quietRounds + 1 : 0;
  }
  return records;
}

/** The call's body as the contract has it. Throws where it is no UTF-8, no JSON or another. */
function readCall<T>(
  call: HttpCall,
  schema: { Check(value: unknown): value is T; Errors(value: unknown): unknown },
): T {
  const text = utf8.decode(call.body);
  const value: unknown = JSON.parse(text);
  if (!schema.Check(value)) {
    const errors = JSON.stringify(schema.Errors(value)).slice(0, 400);
    throw new Error(`${call.path} breaks the contract: ${errors}\n${text.slice(0, 2000)}`);
  }
  return value;
}
