/** What a filter may send to the service, as the contract has it and otherwise. */
import type {
  AdmitRequest,
  LlmRequest,
  SettlementRecord,
} from "../../limitador-bridge/contract/filter.ts";
import { API_ROUTES } from "../../limitador-bridge/usage/api-routes.ts";
import { CAPTURE } from "../../limitador-bridge/usage/capture-pointers.ts";
import { START_MS } from "../unit/service/service-fixture.ts";
import { requestDocument, scalar, usageObject } from "./documents.ts";
import { once, pick, type Random } from "./random.ts";

type Json = Record<string, unknown>;

const ODD_VALUES: unknown[] = [
  null,
  true,
  "",
  "x".repeat(5000),
  "\ud800",
  "\u0000",
  -1,
  0.5,
  1e308,
  2 ** 53,
  Number.MAX_SAFE_INTEGER,
  [],
  {},
  [[[]]],
  [null, {}],
  { "": null },
  { constructor: { prototype: 1 } },
];
const USERS = 60;
const MODELS = [null, "gpt-4o-mini", "claude-sonnet-4-5", "gemini-2.5-pro", "mystery", "%zz", ""];
const OUTCOMES = ["ok", "client_disconnect", "upstream_error", "truncated"] as const;
const FRAMINGS = ["none", "json", "sse", "eventstream", "opaque"] as const;

export function admitMessage(random: Random, id: string): AdmitRequest {
  return { id, attributes: attributes(random), llm: llm(random) };
}

export function settlementMessage(random: Random, id: string): SettlementRecord {
  const { response } = CAPTURE;
  const usage = Array.from({ length: random(4) }, () => usageObject(random));
  const text = some(random, response.text, () => random(5000));
  const outputBytes = Object.values(text).reduce((sum, bytes) => sum + bytes, 0);
  return {
    id,
    reservation: once(random, 3) ? null : id,
    timeMs: once(random, 9) ? pick(random, [0, 2 ** 52, START_MS * 2]) : START_MS - random(10_000),
    durationMs: random(5000),
    attributes: attributes(random),
    llm: llm(random),
    ...(once(random, 5) ? { modelSent: "gpt-4o-mini" } : {}),
    ...(once(random, 9) ? { forwarded: !once(random, 3) } : {}),
    status: once(random, 4) ? pick(random, [0, 400, 429, 500, 503]) : 200,
    outcome: once(random, 3) ? pick(random, OUTCOMES) : "ok",
    framing: pick(random, FRAMINGS),
    usage,
    usagePointers: usage.map(() => pick(random, response.usage)),
    facts: some(random, response.facts, () => scalar(random)),
    text,
    responseHeaders: some(random, response.headers, () => pick(random, ["", "12", "-1", "x"])),
    outputBytes,
    responseBytes: outputBytes + random(500),
    events: random(20),
    done: once(random, 2),
  };
}

function llm(random: Random): LlmRequest {
  return {
    api: once(random, 6) ? pick(random, [null, "", "unknown"]) : pick(random, API_ROUTES).api,
    model: pick(random, MODELS),
    stream: once(random, 2),
    maxOutputTokens: once(random, 2) ? null : pick(random, [0, 1, 500, Number.MAX_SAFE_INTEGER]),
    choices: pick(random, [0, 1, 1, 1, 5, Number.MAX_SAFE_INTEGER]),
    inputBytes: pick(random, [0, 1, 40, 5000, Number.MAX_SAFE_INTEGER]),
    ...(once(random, 3)
      ? { body: { "/user": scalar(random), "/x": requestDocument(random) } }
      : {}),
  };
}

function attributes(random: Random): Json {
  const headers = { "x-user": `u${random(USERS)}`, "x-team": "blue", "x-groups": "free,gold" };
  const path = pick(random, ["/v1/chat/completions", "/%zz?x=%", "", "//v1/../messages#a"]);
  const auth = { sub: scalar(random), groups: ["free", scalar(random)] };
  return {
    "request.path": path,
    "request.headers": headers,
    ...(once(random, 3) ? { metadata: { "envoy.filters.http.jwt_authn": auth } } : {}),
    ...(once(random, 4)
      ? { [pick(random, ["source.port", "a.b", "request"])]: scalar(random) }
      : {}),
  };
}

function some<T>(random: Random, keys: readonly string[], value: () => T): Record<string, T> {
  const found: Record<string, T> = {};
  for (let i = random(5); i > 0; i--) found[pick(random, keys)] = value();
  return found;
}

/** The message with values in other places, without some, or of other types. */
export function damagedMessage(random: Random, message: object): Json {
  const damaged = structuredClone(message) as Json;
  for (let i = random(3); i >= 0; i--) damageOnce(random, damaged);
  return damaged;
}

function damageOnce(random: Random, message: Json): void {
  let holder = message;
  for (;;) {
    const keys = Object.keys(holder);
    if (keys.length === 0) return;
    const key = pick(random, keys);
    const inner = holder[key];
    if (typeof inner === "object" && inner !== null && !once(random, 3)) {
      holder = inner as Json;
      continue;
    }
    if (once(random, 5)) delete holder[key];
    else holder[key] = structuredClone(pick(random, ODD_VALUES));
    return;
  }
}
