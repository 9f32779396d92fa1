/** What must hold of a request: what was asked, and what reached the upstream. */
import { isDeepStrictEqual } from "node:util";
import { CAPTURE } from "../../limitador-bridge/usage/capture-pointers.ts";
import { matchRoute, valuesAt } from "../corpus/reference-capture.ts";
import type { Exchange, Seen } from "./exchange.ts";
import { nesting } from "./nesting.ts";
import { answerObject } from "./service-answers.ts";

const ADDED_OPTION = /"include_usage"\s*:\s*true/g;

type Json = Record<string, unknown>;

/** Containers within each other up to which the filter surely reads a body. */
const SAFE_DEPTH = 120;
/** Strings longer than this are not kept. */
const SAFE_BYTES = 8 * 1024;

/** The JSON object that the body is; null where it is none. Each byte is one character. */
function bodyObject(body: Buffer): Json | null {
  try {
    const value: unknown = JSON.parse(body.toString("latin1"));
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Json) : null;
  } catch {
    return null;
  }
}

function assert(holds: boolean, message: string): asserts holds {
  if (!holds) throw new Error(message);
}

/** What the filter told the service of the request. */
export function checkAsked({ body, path, method }: Exchange, { admit }: Seen): void {
  if (admit === null) return;
  const { llm, attributes } = admit;
  assert(llm.inputBytes === body.length, `inputBytes ${llm.inputBytes}, not ${body.length}`);
  const headers = JSON.stringify(attributes["request.headers"] ?? {});
  assert(!headers.includes("x-tollgate-"), `a client's own header was sent: ${headers}`);
  const object = bodyObject(body);
  if (object === null || nesting(body) > SAFE_DEPTH || body.length > SAFE_BYTES) return;
  const { route, model } = matchRoute(method, path);
  const streamed = object.stream === true || route?.stream === true;
  assert(llm.stream === streamed, `stream is ${llm.stream}, not ${streamed}`);
  const isAscii = body.every((byte) => byte < 0x80) && !body.includes("\\u");
  const named = model ?? CAPTURE.request.model.flatMap((p) => valuesAt(object, p))[0];
  if (typeof named !== "string" || !isAscii) return;
  assert(llm.model === named, `model is ${llm.model}, not ${named}`);
}

/** An LLM request on a path that nobody knows, told by its body: it must not pass unasked. */
export function looksLikeLlm({ body, method }: Exchange): boolean {
  const object = bodyObject(body);
  if (object === null || method !== "POST" || body.length > SAFE_BYTES) return false;
  const isThere = (pointer: string) => valuesAt(object, pointer).length > 0;
  const [model] = CAPTURE.request.model.flatMap((pointer) => valuesAt(object, pointer));
  return typeof model === "string" && CAPTURE.request.prompt.some(isThere);
}

function optionsIn(body: Buffer): number {
  return body.toString("latin1").match(ADDED_OPTION)?.length ?? 0;
}

/** Has the filter asked for the usage chunk by itself? Throws on any change that it must not do. */
export function checkForwarded(exchange: Exchange, { stream, admit }: Seen): boolean {
  const { body } = exchange;
  const { headers, body: sent } = stream.upstream;
  assert(headers !== null, "the request was not forwarded");
  assert(stream.upstream.isEnded, "the forwarded request has no end");
  for (const [name] of headers.toPairs()) {
    assert(!name.startsWith("x-tollgate-"), `${name} reached the upstream`);
  }
  const length = headers.get("content-length");
  assert(length === undefined || Number(length) === sent.length, `content-length ${length}`);
  if (sent.equals(body)) {
    assert(!mustAskForUsage(exchange, admit !== null), "a stream goes on without its usage chunk");
    return false;
  }
  const before = bodyObject(body);
  const after = bodyObject(sent);
  // The filter reads strings as leniently as some providers do, with bare control characters.
  if (before === null) return optionsIn(sent) > optionsIn(body);
  assert(after !== null, `JSON was broken: ${sent.toString("latin1")}`);
  const options = after.stream_options as Json | undefined;
  const isAdded = !isDeepStrictEqual(before.stream_options, options);
  if (isAdded) {
    assert(options?.include_usage === true, "stream_options were changed to something else");
  }
  checkRest(exchange, before, after);
  return isAdded;
}

function mustAskForUsage({ body, path, method }: Exchange, isMetered: boolean): boolean {
  const object = bodyObject(body);
  if (!isMetered || object === null || nesting(body) > SAFE_DEPTH) return false;
  const { route } = matchRoute(method, path);
  if (route?.includeUsage !== true || object.stream !== true) return false;
  // Of a key that comes twice, or is spelled oddly, the filter may take another value.
  const isExcept = (name: string) => path.includes(name) || body.includes(`"${name}`);
  if (route.includeUsageExcept?.some(isExcept)) return false;
  return (object.stream_options as Json | null | undefined)?.include_usage !== true;
}

/** All but stream_options, the model and the output limit is as it was. */
function checkRest({ answer, method, path }: Exchange, before: Json, after: Json): void {
  const given = answerObject(answer) ?? {};
  const { model, maxOutputTokens } = CAPTURE.request;
  const added = matchRoute(method, path).route?.maxOutputPointer?.slice(1);
  if (added !== undefined && !(added in before) && after[added] === given.maxOutputTokens) {
    delete after[added];
  }
  const restOf = (object: Json) => {
    const rest = structuredClone({ ...object, stream_options: null });
    if (typeof given.model === "string") replaceAll(rest, model, ["string"]);
    if (given.maxOutputTokens !== undefined) replaceAll(rest, maxOutputTokens, SCALARS);
    return rest;
  };
  const same = isDeepStrictEqual(restOf(before), restOf(after));
  assert(same, `more was changed than asked for: ${JSON.stringify(after)}`);
}

/** An output limit that is no number may be none to the server, and is replaced like one. */
const SCALARS = ["number", "string", "boolean", "null"];

/** What a parser makes of a value of these types there does not matter: the filter may edit it. */
function replaceAll(object: Json, pointers: readonly string[], types: readonly string[]): void {
  for (const pointer of pointers) {
    const keys = pointer.split("/").slice(1);
    const last = keys.pop() as string;
    const [holder] = valuesAt(object, keys.map((key) => `/${key}`).join(""));
    const isHolder = typeof holder === "object" && holder !== null && !Array.isArray(holder);
    if (!isHolder || !Object.hasOwn(holder, last)) continue;
    const value = (holder as Json)[last];
    if (types.includes(value === null ? "null" : typeof value)) (holder as Json)[last] = "";
  }
}
