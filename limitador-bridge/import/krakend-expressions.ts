/** What KrakenD matches and counts by, as CEL over Envoy's attributes. Pure. */
import type { Endpoint, QuotaTier } from "./krakend-config.ts";

const quoted = (text: string) => JSON.stringify(text);
const header = (name: string) => `request.headers[${quoted(name.toLowerCase())}]`;

/** Whether a request is one to the endpoint: `{name}` is one segment, a last `*` is any rest. */
export function endpointPredicate({ path, method }: Endpoint): string {
  return `request.method == ${quoted(method.toUpperCase())} && ${pathPredicate(path)}`;
}

function pathPredicate(path: string): string {
  const isPrefix = path.endsWith("/*");
  const stem = isPrefix ? path.slice(0, -1) : path;
  if (!stem.includes("{")) {
    return isPrefix
      ? `request.path.startsWith(${quoted(stem)})`
      : `request.path == ${quoted(stem)}`;
  }
  const pattern = stem
    .split(/\{[^/{}]*\}/)
    .map((literal) => literal.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"))
    .join("[^/]+");
  return `request.path.matches(${quoted(`^${pattern}${isPrefix ? "" : "$"}`)})`;
}

/** Whether the tier header has one of the values; false, too, where it is missing. */
export function tierPredicate(tierKey: string, values: readonly string[]): string {
  const [only] = values;
  const name = quoted(tierKey.toLowerCase());
  const compared =
    values.length === 1 && only !== undefined
      ? `${header(tierKey)} == ${quoted(only)}`
      : `${header(tierKey)} in [${values.map(quoted).join(", ")}]`;
  return `${name} in request.headers && ${compared}`;
}

/** The identity that a tier counts by; otherwise why there is none. */
export function counterOf(
  { strategy, key }: QuotaTier,
  endpoint: Endpoint | null,
): { expression: string } | { problem: string } {
  switch (strategy) {
    case "ip":
      // Envoy's address has the port, and every connection has another one.
      return { expression: 'source.address.substring(0, source.address.lastIndexOf(":"))' };
    case "header":
      return key === "" ? { problem: "it names no header" } : { expression: header(key) };
    case "param":
      return pathSegment(key, endpoint);
    default:
      return { problem: `the strategy "${strategy}" is not known` };
  }
}

function pathSegment(key: string, endpoint: Endpoint | null) {
  if (endpoint === null) return { problem: "a service has no path parameters" };
  const wanted = `{${key.toLowerCase()}}`;
  const at = endpoint.path.split("/").findIndex((part) => part.toLowerCase() === wanted);
  return at < 0
    ? { problem: `the endpoint has no parameter {${key}}` }
    : { expression: `request.path.split("/")[${at}]` };
}
