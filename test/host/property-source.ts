import { WasmResult } from "./abi.ts";
import type { HeaderMap } from "./header-map.ts";
import { type PropertyValue, serializeProperty } from "./property-value.ts";
import { encodeMetadata, type MetadataValue } from "./struct-proto.ts";

/**
 * Properties as a test gives them: Envoy's attributes as a tree. `metadata` is dynamic metadata,
 * `{namespace: {…}}`; everything else lies where Envoy has it (`source.address`, …).
 */
export interface PropertyTree {
  metadata?: { readonly [namespace: string]: { readonly [key: string]: MetadataValue } };
  readonly [name: string]: PropertyValue | undefined;
}

/** Of a stream, what Envoy derives attributes from. Null headers: gone on, not readable now. */
export interface StreamFacts {
  requestHeaders: HeaderMap | null;
  responseHeaders: HeaderMap | null;
  startMs: number;
  /** Known once the stream is over. */
  durationMs: number | undefined;
  requestBytes: number;
  responseBytes: number;
  /** The status; undefined before a response begins. */
  code: number | undefined;
  flags: number;
  codeDetails: string | undefined;
}

function isTree(value: unknown): value is Record<string, PropertyValue> {
  const isObject = typeof value === "object" && value !== null;
  return isObject && !(value instanceof Uint8Array) && !(value instanceof Date);
}

function walk(tree: unknown, path: readonly string[]): PropertyValue | undefined {
  let value: unknown = tree;
  for (const key of path) {
    if (!isTree(value) || !Object.hasOwn(value, key)) return undefined;
    value = value[key];
  }
  return value as PropertyValue;
}

function requestAttribute(facts: StreamFacts, path: readonly string[]): PropertyValue | undefined {
  const headers = facts.requestHeaders;
  const target = headers?.get(":path");
  switch (path[0]) {
    case "headers":
      return walk(headers?.toObject(), path.slice(1));
    case "time":
      return BigInt(facts.startMs) * 1_000_000n;
    case "duration":
      return facts.durationMs === undefined ? undefined : BigInt(facts.durationMs) * 1_000_000n;
    case "protocol":
      return "HTTP/1.1";
    case "size":
      return facts.requestBytes;
    case "path":
      return target;
    case "url_path":
      return target?.split("?", 1)[0];
    case "query":
      return target?.includes("?") ? target.slice(target.indexOf("?") + 1) : target && "";
    case "host":
      return headers?.get(":authority");
    case "method":
    case "scheme":
      return headers?.get(`:${path[0]}`);
    case "id":
      return headers?.get("x-request-id");
    case "referer":
      return headers?.get("referer");
    case "useragent":
      return headers?.get("user-agent");
    default:
      return undefined;
  }
}

function responseAttribute(facts: StreamFacts, path: readonly string[]): PropertyValue | undefined {
  switch (path[0]) {
    case "headers":
      return walk(facts.responseHeaders?.toObject(), path.slice(1));
    case "code":
      return facts.code;
    case "flags":
      return facts.flags;
    case "code_details":
      return facts.codeDetails;
    case "size":
      return facts.responseBytes;
    default:
      return undefined;
  }
}

function metadata(tree: PropertyTree, path: readonly string[]): Buffer | number {
  const namespaces = tree.metadata ?? {};
  if (path.length === 0) return encodeMetadata(namespaces);
  if (path[0] !== "filter_metadata") return WasmResult.NotFound;
  const value = walk(namespaces, path.slice(1));
  if (value === undefined) return WasmResult.NotFound;
  return serializeProperty(value, true) ?? WasmResult.SerializationFailure;
}

/**
 * Looks a property up, first in what the test gave, then in what Envoy derives from the stream
 * (null: a root context, which has neither stream nor metadata).
 * Returns its serialised bytes, or the ABI result other than Ok.
 */
export function lookUp(
  path: readonly string[],
  tree: PropertyTree,
  facts: StreamFacts | null,
): Buffer | number {
  const [root, ...rest] = path;
  if (root === "metadata") return facts === null ? WasmResult.NotFound : metadata(tree, rest);
  let value = walk(tree, path);
  if (value === undefined && facts !== null) {
    if (root === "request" || root === "response") {
      if (rest.length === 0) return WasmResult.SerializationFailure;
      const derive = root === "request" ? requestAttribute : responseAttribute;
      value = derive(facts, rest);
    }
  }
  if (value === undefined) return WasmResult.NotFound;
  return serializeProperty(value) ?? WasmResult.SerializationFailure;
}
