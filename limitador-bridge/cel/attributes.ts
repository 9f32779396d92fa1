/**
 * Turns the filter's `attributes` and `llm` into what expressions are evaluated on. Pure, and
 * robust to anything: what has the wrong type is left out, as if Envoy had not sent it.
 */
import type { LlmRequest } from "../contract/filter.ts";
import type { RequestContext } from "../policy/policy-set.ts";
import { BODY_VALUES, RequestAttributes, ROOT_CLASSES } from "./environment.ts";
import { comparedHost } from "./request-host.ts";
import { comparedPath, splitTarget } from "./request-path.ts";
import {
  AUTH_NAMESPACES,
  FIELDS,
  type FieldType,
  HOST_HEADER,
  headerName,
  isTypedRoot,
  TYPED_ROOTS,
  type TypedRoot,
} from "./roots.ts";

type Plain = Record<string, unknown>;

/** Deeper values are cut off: nothing that a policy reads is nested this far. */
const MAX_DEPTH = 32;
const NANOSECONDS_FROM = 1e16;

function isPlain(value: unknown): value is Plain {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function own(value: unknown, key: string): unknown {
  return isPlain(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}

/** JSON as CEL has it. Maps, because no key of a Map can touch a prototype. */
function toCel(value: unknown, integers: "int" | "double", depth = 0): unknown {
  if (typeof value === "number") {
    return integers === "int" && Number.isSafeInteger(value) ? BigInt(value) : value;
  }
  if (typeof value === "string" || typeof value === "boolean" || value === null) return value;
  if (typeof value !== "object" || depth >= MAX_DEPTH) return null;
  if (Array.isArray(value)) return value.map((item) => toCel(item, integers, depth + 1));
  return new Map(Object.entries(value).map(([k, v]) => [k, toCel(v, integers, depth + 1)]));
}

function toTimestamp(value: unknown): Date | undefined {
  let timeMs = value;
  // Envoy counts ns since 1970; that needs more digits than a JSON number keeps, hence the text.
  if (typeof value === "string")
    timeMs = /^\d{1,19}$/.test(value) ? Number(value) : Date.parse(value);
  if (typeof timeMs !== "number") return undefined;
  const time = new Date(timeMs >= NANOSECONDS_FROM ? timeMs / 1e6 : timeMs);
  return Number.isNaN(time.getTime()) ? undefined : time;
}

function toField(value: unknown, type: FieldType): unknown {
  if (type === "timestamp") return toTimestamp(value);
  if (type === "bool") {
    return value === true || value === "true"
      ? true
      : value === false || value === "false"
        ? false
        : undefined;
  }
  if (type === "int") {
    if (typeof value === "number") return Number.isSafeInteger(value) ? BigInt(value) : undefined;
    return typeof value === "string" && /^-?\d{1,18}$/.test(value) ? BigInt(value) : undefined;
  }
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return typeof value === "string" ? value : undefined;
}

function addHeader(headers: Map<string, string>, name: string, value: unknown): void {
  const text = Array.isArray(value) ? value.map(String).join(",") : toField(value, "string");
  if (typeof text !== "string") return;
  const key = headerName(name);
  const former = headers.get(key);
  headers.set(key, former === undefined ? text : `${former},${text}`);
}

function toHeaders(attributes: Plain): Map<string, string> {
  const headers = new Map<string, string>();
  for (const source of [
    own(attributes, "request.headers"),
    own(own(attributes, "request"), "headers"),
  ]) {
    if (!isPlain(source)) continue;
    for (const [name, value] of Object.entries(source)) addHeader(headers, name, value);
  }
  const prefix = "request.headers.";
  for (const key of Object.keys(attributes)) {
    if (key.startsWith(prefix)) addHeader(headers, key.slice(prefix.length), attributes[key]);
  }
  const host = headers.get(HOST_HEADER);
  if (host !== undefined) headers.set(HOST_HEADER, comparedHost(host));
  return headers;
}

function toFilterState(attributes: Plain): Map<string, unknown> {
  const nested = own(attributes, "filter_state");
  const state = isPlain(nested) ? (toCel(nested, "double") as Map<string, unknown>) : new Map();
  const prefix = "filter_state.";
  for (const key of Object.keys(attributes)) {
    if (key.startsWith(prefix))
      state.set(key.slice(prefix.length), toCel(attributes[key], "double"));
  }
  return state;
}

/** Keys of both, `over` winning where both have a value that is not a map. */
function overlay(under: unknown, over: unknown): Map<string, unknown> {
  const merged = new Map<string, unknown>(under instanceof Map ? under : []);
  if (!(over instanceof Map)) return merged;
  for (const [key, value] of over) {
    const below = merged.get(key);
    merged.set(key, below instanceof Map && value instanceof Map ? overlay(below, value) : value);
  }
  return merged;
}

function setField(target: Plain, root: TypedRoot, name: string, raw: unknown): void {
  const field = FIELDS[root].get(name);
  if (field === undefined) return;
  const value = toField(raw, field.type);
  if (value !== undefined) target[name] = value;
}

/** The typed roots; of a field that is sent in both ways the nested one counts. */
function toTypedRoots(attributes: Plain, llm: LlmRequest): Plain {
  const activation: Plain = {};
  for (const root of TYPED_ROOTS) activation[root] = new ROOT_CLASSES[root]();
  for (const key of Object.keys(attributes)) {
    const dot = key.indexOf(".");
    const root = key.slice(0, dot);
    if (dot === -1 || root === "llm" || !isTypedRoot(root)) continue;
    setField(activation[root] as Plain, root, key.slice(dot + 1), attributes[key]);
  }
  for (const root of TYPED_ROOTS) {
    const nested = root === "llm" ? llm : own(attributes, root);
    if (!isPlain(nested)) continue;
    for (const name of Object.keys(nested)) {
      setField(activation[root] as Plain, root, name, nested[name]);
    }
  }
  return activation;
}

function addPath(request: Plain): void {
  if (typeof request.path !== "string") return;
  const { path, query } = splitTarget(request.path);
  request.path = comparedPath(path);
  request.url_path = request.path;
  request.query = query;
}

/** Envoy's address without the port: of `192.0.2.7:5678` and of `[2001:db8::1]:443`. */
function addRemoteAddress(source: Plain): void {
  if (typeof source.address !== "string") return;
  const found = /^(?:\[(.+)\]|([^:]+)):\d+$/.exec(source.address);
  source.remote_address = found?.[1] ?? found?.[2] ?? source.address;
}

/**
 * The context of one request.
 *
 * @param attributes as in the contract: nested or dotted keys, `metadata` by namespace
 * @param llm what the filter read in the body; null members are missing attributes
 */
export function toRequestContext(
  attributes: Record<string, unknown>,
  llm: LlmRequest,
): RequestContext {
  const activation = toTypedRoots(attributes, llm);
  const sent = own(attributes, "metadata");
  const filterMetadata = isPlain(sent)
    ? (toCel(sent, "double") as Map<string, unknown>)
    : new Map();
  let auth = new Map<string, unknown>();
  for (const namespace of AUTH_NAMESPACES) auth = overlay(auth, filterMetadata.get(namespace));
  const request = activation.request as Plain;
  addPath(request);
  if (typeof request.host === "string") request.host = comparedHost(request.host);
  addRemoteAddress(activation.source as Plain);
  request.headers = toHeaders(attributes);
  request.auth = auth;
  activation.auth = auth;
  activation.metadata = new Map([["filter_metadata", filterMetadata]]);
  activation.filter_state = toFilterState(attributes);
  const body = isPlain(llm.body) ? Object.entries(llm.body) : [];
  activation[BODY_VALUES] = new Map(body.map(([pointer, value]) => [pointer, toCel(value, "int")]));
  return { attributes: activation, llm };
}

/** The activation of a context, also of one that was not made by toRequestContext. */
export function activationOf(context: RequestContext): Record<string, unknown> {
  if (context.attributes.request instanceof RequestAttributes) return context.attributes;
  return toRequestContext(context.attributes, context.llm).attributes;
}
