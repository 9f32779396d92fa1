/**
 * Which rule of which HTTPRoute takes a request: the order of precedence of the Gateway API.
 *
 *   host name   the exact one, then the longest wildcard, then routes without host names
 *   path        Exact, then RegularExpression (the longest first), then the longest PathPrefix
 *   then        a method, the most headers, the most query parameters, the older route, the route
 *               that comes first by namespace and name, the rule and match that stands first
 *
 * Where no rule of the nearest host name takes a request, those of the next one are asked.
 */
import { addTo } from "../multi-map.ts";
import type { HttpRoute, NamedMatch, RequestMatch, RouteRule } from "./http-route.ts";
import { matchesText } from "./text-match.ts";

/** What routes look at. */
export interface RoutedRequest {
  /** A port is not counted. */
  host: string;
  /** In its normal form, without the query. */
  path: string;
  method: string;
  /** Without the "?". */
  query: string;
  headers: ReadonlyMap<string, string>;
}

export interface RouteSection {
  route: HttpRoute;
  rule: RouteRule;
}

interface Entry extends RouteSection {
  match: RequestMatch;
}

/** The first value of each name, not decoded: as Envoy compares them. */
function queryValues(query: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const pair of query.split("&")) {
    const [name = "", ...rest] = pair.split("=");
    if (!values.has(name)) values.set(name, rest.join("="));
  }
  return values;
}

function hold(matches: readonly NamedMatch[], values: ReadonlyMap<string, string>): boolean {
  return matches.every(({ name, value }) => {
    const found = values.get(name);
    return found !== undefined && matchesText(value, found);
  });
}

function takes({ method, headers, queryParams }: RequestMatch, request: RoutedRequest): boolean {
  if (method !== null && method !== request.method) return false;
  if (!hold(headers, request.headers)) return false;
  return queryParams.length === 0 || hold(queryParams, queryValues(request.query));
}

/** The matches of one host name, each list in order of precedence. */
class HostMatches {
  readonly #exact = new Map<string, Entry[]>();
  readonly #patterns: Entry[] = [];
  /** By prefix without the slash at its end. */
  readonly #prefixes = new Map<string, Entry[]>();
  #longestPrefix = 0;

  constructor(entries: readonly Entry[]) {
    for (const entry of entries) {
      const { path } = entry.match;
      if (path.type === "Exact") addTo(this.#exact, path.value, entry);
      else if (path.type === "RegularExpression") this.#patterns.push(entry);
      else {
        // "/abc", "/abc/" and "/abc/def" all have the prefix "/abc", and "/abc/".
        const prefix = path.value.replace(/\/+$/, "");
        this.#longestPrefix = Math.max(this.#longestPrefix, prefix.length);
        addTo(this.#prefixes, prefix, entry);
      }
    }
    const length = ({ match: { path } }: Entry) =>
      path.type === "RegularExpression" ? path.value.source.length : 0;
    this.#patterns.sort((a, b) => length(b) - length(a));
  }

  find(request: RoutedRequest): Entry | undefined {
    const among = (entries: readonly Entry[] | undefined) =>
      entries?.find(({ match }) => takes(match, request));
    const { path } = request;
    return (
      among(this.#exact.get(path)) ??
      this.#patterns.find(
        ({ match }) =>
          match.path.type === "RegularExpression" &&
          matchesText(match.path.value, path) &&
          takes(match, request),
      ) ??
      this.#findByPrefix(path, among)
    );
  }

  /** From the whole path up, segment by segment; longer ones than any prefix are passed over. */
  #findByPrefix(
    path: string,
    among: (entries: readonly Entry[] | undefined) => Entry | undefined,
  ): Entry | undefined {
    for (let end = path.length; end > 0; end = path.lastIndexOf("/", end - 1)) {
      if (end > this.#longestPrefix) continue;
      const found = among(this.#prefixes.get(path.slice(0, end)));
      if (found !== undefined) return found;
    }
    return among(this.#prefixes.get(""));
  }
}

function comparePrecedence(a: Entry, b: Entry): number {
  const methods = Number(b.match.method !== null) - Number(a.match.method !== null);
  if (methods !== 0) return methods;
  const headers = b.match.headers.length - a.match.headers.length;
  if (headers !== 0) return headers;
  return b.match.queryParams.length - a.match.queryParams.length;
}

/** The older one first; one that Kubernetes did not make comes after all that it made. */
function compareRoutes(a: HttpRoute, b: HttpRoute): number {
  const age = (route: HttpRoute) => route.created ?? "~";
  if (age(a) !== age(b)) return age(a) < age(b) ? -1 : 1;
  const name = (route: HttpRoute) => `${route.namespace}/${route.name}`;
  return name(a) < name(b) ? -1 : 1;
}

const ANY_HOST = "*";

export class RouteTable {
  readonly sections: readonly RouteSection[];
  /** Names of the headers that matches read, in lower case. */
  readonly headers: ReadonlySet<string>;
  readonly #hosts = new Map<string, HostMatches>();
  #longestHost = 0;

  constructor(routes: readonly HttpRoute[]) {
    this.sections = routes.flatMap((route) => route.rules.map((rule) => ({ route, rule })));
    // A stable sort: what is equal stays in the order of routes, rules and matches.
    const entries = routes
      .toSorted(compareRoutes)
      .flatMap((route) => route.rules.map((rule) => ({ route, rule })))
      .flatMap((section) => section.rule.matches.map((match) => ({ ...section, match })))
      .sort(comparePrecedence);
    this.headers = new Set(entries.flatMap(({ match }) => match.headers.map(({ name }) => name)));
    const byHost = new Map<string, Entry[]>();
    for (const entry of entries) {
      const { hosts } = entry.route;
      for (const host of hosts.length === 0 ? [ANY_HOST] : new Set(hosts)) {
        addTo(byHost, host, entry);
      }
    }
    for (const [host, list] of byHost) {
      this.#hosts.set(host, new HostMatches(list));
      this.#longestHost = Math.max(this.#longestHost, host.length);
    }
  }

  /** The rule that takes the request, or undefined. Throws TextTooLong. */
  find(request: RoutedRequest): RouteSection | undefined {
    const host = request.host.replace(/:\d+$/, "").toLowerCase();
    const exact = this.#hosts.get(host)?.find(request);
    if (exact !== undefined) return exact;
    // The leftmost dot leaves the longest wildcard.
    for (let dot = host.indexOf("."); dot !== -1; dot = host.indexOf(".", dot + 1)) {
      if (host.length - dot + 1 > this.#longestHost) continue;
      const found = this.#hosts.get(`*${host.slice(dot)}`)?.find(request);
      if (found !== undefined) return found;
    }
    return this.#hosts.get(ANY_HOST)?.find(request);
  }
}
