/** Exchanges through the filter in which one part is wild and the rest mostly as it should be. */
import type { FilterConfig } from "../../limitador-bridge/contract/filter.ts";
import type { HeaderPairs, Host } from "../host/host.ts";
import { startTollgate } from "../host/tollgate.ts";
import { checkWithoutUsage } from "./client-check.ts";
import type { Corpus } from "./corpus.ts";
import { requestDocument, written } from "./documents.ts";
import { type Ending, type Exchange, runExchange, type Seen } from "./exchange.ts";
import { MAX_BYTES, mutate } from "./mutate.ts";
import { createRandom, once, pick, type Random, randomBytes } from "./random.ts";
import { checkAsked, checkForwarded, looksLikeLlm } from "./request-check.ts";
import { type Framing, type Response, soundResponse, withDamagedFrame } from "./response-bodies.ts";
import { soundAnswer, verdictOf, wildAnswer } from "./service-answers.ts";
import { checkCapture, checkSettlement } from "./settlement-check.ts";

export type Wild = "request" | "headers" | "answer" | Framing;

/** One filter for each failure mode. */
export type Filters = Record<"allow" | "deny", Host>;

const METERED_PATHS = [
  "/v1/chat/completions",
  "/v1/chat/completions",
  "/v1/chat/completions?x=1",
  "/v1/completions",
  "/v1/messages",
  "/v1/responses",
  "/v1beta/models/gemini-2.5-pro:generateContent",
  "/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse",
  "/model/anthropic.claude-v2/invoke-with-response-stream",
  "/api/chat",
];
const OTHER_PATHS = ["/", "/health", "/v1/files", "/v1/unknown"];
const ENDINGS: Ending[] = ["trailers", "client cuts", "upstream cuts", "idle", "no answer"];
const ATTRIBUTES: FilterConfig["attributes"] = {
  headers: ["*"],
  properties: [
    { name: "source.address", type: "string" },
    { name: "request.time", type: "timestamp" },
    { name: "connection.mtls", type: "bool" },
    { name: "request.size", type: "int" },
    { name: "no.such", type: "string" },
  ],
  metadata: [["envoy.filters.http.jwt_authn", "sub"], ["a"]],
};

export const FILTER_CONFIG: Partial<FilterConfig> = { attributes: ATTRIBUTES };

/** Two started filters that have taken as much memory as the largest inputs need. */
export function startFilters(): Filters {
  const start = (failureMode: "allow" | "deny") => {
    const host = startTollgate({ filterConfig: { ...FILTER_CONFIG, failureMode } });
    runExchange(host, largestExchange(), () => 0);
    return host;
  };
  return { allow: start("allow"), deny: start("deny") };
}

/** Bodies of the most values that fit in, everywhere. */
function largestExchange(): Exchange {
  const values = Buffer.from(`[${"0,".repeat(MAX_BYTES / 2 - 2)}0]`);
  const exchange = makeExchange(createRandom(0), "json");
  return {
    ...exchange,
    body: values,
    answer: { way: "answer", status: 200, body: values },
    response: { ...exchange.response, body: values, isSound: false },
  };
}

/** An exchange with nothing odd about it. */
export function plainExchange(random: Random): Exchange {
  return { ...makeExchange(random, "answer"), answer: soundAnswer(random) };
}

/** A corpus of exchanges with one wild part. */
export function exchangeCorpus(name: string, percent: number, wild: Wild): Corpus<Filters> {
  return {
    name,
    percent,
    start: startFilters,
    run: ({ allow, deny }, random) => {
      const failsOpen = !once(random, 3);
      exchangeOnce(failsOpen ? allow : deny, failsOpen, wild, random);
    },
    memoryBytes: ({ allow, deny }) => allow.memoryBytes + deny.memoryBytes,
  };
}

/** Runs one exchange and checks everything that must hold of it. */
export function exchangeOnce(host: Host, failsOpen: boolean, wild: Wild, random: Random): void {
  const exchange = makeExchange(random, wild);
  const seen = runExchange(host, exchange, random);
  checkExchange(exchange, seen, failsOpen);
  if (host.contextCount !== 1) throw new Error(`${host.contextCount} contexts are left`);
  const isResponse = wild !== "request" && wild !== "headers" && wild !== "answer";
  if (isResponse && exchange.ending === "complete" && once(random, 3)) {
    compareCuts(seen, runExchange(host, exchange, random));
  }
}

function makeExchange(random: Random, wild: Wild): Exchange {
  const isOther = once(random, wild === "request" || wild === "headers" ? 6 : 40);
  const path = pick(random, isOther ? OTHER_PATHS : METERED_PATHS);
  const method = isOther && once(random, 3) ? "GET" : "POST";
  const body = requestBody(random, wild);
  const hasTrailers = once(random, 12) && body.length > 0;
  const isCut = once(random, 5);
  return {
    method,
    path,
    headers: requestHeaders(random, wild, method, path, hasTrailers ? null : body.length),
    properties: wild === "headers" ? { metadata: metadata(random) } : {},
    body,
    hasTrailers,
    answer: wild === "answer" ? wildAnswer(random) : soundAnswer(random),
    response: response(random, wild),
    ending: isCut ? pick(random, ENDINGS) : "complete",
  };
}

function requestBody(random: Random, wild: Wild): Buffer {
  const text = written(random, requestDocument(random));
  if (wild === "request") {
    return once(random, 6) ? randomBytes(random, random(500)) : mutate(random, Buffer.from(text));
  }
  const isStream = !once(random, 4);
  const document = isStream ? { model: "gpt-4o", messages: [], stream: true } : null;
  return Buffer.from(document === null ? text : JSON.stringify(document));
}

function response(random: Random, wild: Wild): Response {
  if (wild === "request" || wild === "headers" || wild === "answer") {
    return soundResponse(random, pick(random, ["json", "sse"] as const));
  }
  const sound = soundResponse(random, wild);
  if (once(random, 4)) return sound;
  const body =
    wild === "eventstream" && once(random, 3)
      ? withDamagedFrame(random, sound.body)
      : mutate(random, sound.body);
  return { ...sound, body, isSound: false };
}

function requestHeaders(
  random: Random,
  wild: Wild,
  method: string,
  path: string,
  length: number | null,
): HeaderPairs {
  const headers: HeaderPairs = [
    [":method", method],
    [":path", path],
    [":authority", "llm.test"],
    [":scheme", "http"],
    ["content-type", "application/json"],
    ["accept-encoding", "gzip"],
    ["x-request-id", "request-1"],
  ];
  if (length !== null && !once(random, 4)) headers.push(["content-length", String(length)]);
  if (wild !== "headers") return headers;
  for (let i = random(30); i > 0; i--) headers.push([headerName(random), headerValue(random)]);
  return headers;
}

function headerName(random: Random): string {
  const names = ["x-user", "x-tollgate-a", "X-Tollgate-b", "cookie", "a", "x-\u00fc", '"', ""];
  return once(random, 3) ? randomText(random, 20) : pick(random, names);
}

function headerValue(random: Random): string {
  const values = ["", "a,b", '"', "\\", "\u0001", "\ud800", "😀", "x".repeat(5000)];
  return once(random, 2) ? randomText(random, 60) : pick(random, values);
}

function randomText(random: Random, most: number): string {
  return randomBytes(random, random(most)).toString(once(random, 2) ? "utf8" : "latin1");
}

function metadata(random: Random) {
  const value = () => pick(random, [null, true, 1.5, "a\u0000", [1, [{}]], { "": { b: "ü" } }]);
  const space = () => ({ sub: value(), [randomText(random, 9)]: value() });
  return { "envoy.filters.http.jwt_authn": space(), a: space(), [randomText(random, 9)]: space() };
}

/** Every invariant of an exchange. */
export function checkExchange(exchange: Exchange, seen: Seen, failsOpen: boolean): void {
  const { stream, admit, records } = seen;
  checkAsked(exchange, seen);
  const isMetered = METERED_PATHS.includes(exchange.path) && exchange.method === "POST";
  checkHeaders(exchange, seen);
  if (admit === null) {
    if (isMetered) throw new Error(`${exchange.path} was not asked about`);
    if (looksLikeLlm(exchange)) {
      throw new Error(`an LLM request was not asked about: ${exchange.body.toString("latin1")}`);
    }
    if (records.length > 0) throw new Error("what was not asked about was settled");
    if (checkForwarded(exchange, seen)) throw new Error("what is not metered was changed");
    checkClient(exchange, seen, false);
    return;
  }
  const verdict = verdictOf(exchange.answer);
  const wasForwarded = stream.upstream.headers !== null;
  const expected = verdict === "garbage" ? failsOpen : verdict === "allow";
  if (verdict !== "either" && wasForwarded !== expected) {
    throw new Error(`the answer is "${verdict}", but forwarded is ${wasForwarded}`);
  }
  if (!wasForwarded) {
    checkRefused(exchange, seen, verdict === "garbage");
    return;
  }
  const asksUsage = checkForwarded(exchange, seen);
  checkClient(exchange, seen, asksUsage);
  checkCapture(exchange, checkSettlement(exchange, seen, true));
}

/** Nothing that the service says can end a header and begin another (RFC 9110, 5.5). */
function checkHeaders({ headers }: Exchange, { stream }: Seen): void {
  const own = new Set(headers.flatMap(([name, value]) => [name.toLowerCase(), value]));
  for (const map of [stream.upstream.headers, stream.client.headers]) {
    const bad = map?.toPairs().find((pair) => {
      return pair.some((text) => /[\0\r\n]/.test(text) && !own.has(text));
    });
    if (bad !== undefined) throw new Error(`a header was set that is none: ${JSON.stringify(bad)}`);
  }
}

/** An answer of the filter's own, and nothing that costs. */
function checkRefused(exchange: Exchange, seen: Seen, byFailureMode: boolean): void {
  const { client } = seen.stream;
  const status = client.status ?? 0;
  if (status < 400 || status > 599) throw new Error(`refused with status ${status}`);
  if (byFailureMode) {
    if (status !== 503) throw new Error(`failure mode deny answers ${status}`);
    JSON.parse(client.text);
    checkSettlement(exchange, seen, false);
    return;
  }
  // What is neither a denial nor garbage may be taken for the one or the other.
  if (verdictOf(exchange.answer) !== "deny") {
    if (seen.records.length > 0) checkSettlement(exchange, seen, false);
    return;
  }
  if (seen.records.length > 0) throw new Error("a denied request was settled");
  const { deny } = JSON.parse((exchange.answer as { body: Buffer }).body.toString("utf8"));
  if (status !== deny.status) throw new Error(`denied with ${status}, not ${deny.status}`);
  const text = Buffer.from(deny.body).toString("utf8");
  if (withoutBroken(client.text) !== withoutBroken(text)) {
    throw new Error(`the body is ${client.text}, not ${text}`);
  }
}

/** Into how many characters invalid UTF-8 is turned is nowhere laid down. */
function withoutBroken(text: string): string {
  return text.replaceAll("\ufffd", "");
}

/** The client got what the upstream sent, but for the usage chunk that it did not ask for. */
function checkClient({ response, ending }: Exchange, seen: Seen, asksUsage: boolean): void {
  const { stream, sent } = seen;
  if (stream.localReply !== null) return;
  const got = stream.client.body;
  const isSse = asksUsage && !/json/.test(response.headers["content-type"] ?? "");
  if (isSse && response.headers["content-encoding"] === undefined) {
    const isWhole = ending === "complete";
    checkWithoutUsage(sent, got, isWhole, seen.records[0]?.framing === "sse");
  } else if (!got.equals(sent)) {
    throw new Error(`the client got ${got.length} bytes that are not the ${sent.length} sent`);
  }
}

/** However the same bytes come in pieces, the same comes of them. */
function compareCuts(one: Seen, other: Seen): void {
  if (!one.stream.client.body.equals(other.stream.client.body)) {
    const bytes = JSON.stringify(one.sent.toString("latin1"));
    throw new Error(`the client's bytes depend on how the response was cut: ${bytes}`);
  }
  const [a, b] = [one, other].map(({ records: [record] }) => {
    const { id: _, durationMs: __, timeMs: ___, attributes: ____, ...rest } = record ?? { id: "" };
    return JSON.stringify(rest);
  });
  if (a !== b) throw new Error(`the settlement depends on the cut:\n${a}\n${b}`);
}
