/** What the service is told of the gateway and the routes that policies may target. */

export interface RouteTarget {
  name: string;
  /** Host names, `*.example.com` for any below; none: any. */
  hosts?: string[];
  /** Path prefixes, by whole segments; none: any. */
  pathPrefixes?: string[];
}

export interface Targets {
  /** Name of the Gateway; not given: policies of every Gateway apply. */
  gateway?: string;
  /** HTTPRoutes in order of precedence; not given: policies of every HTTPRoute apply. */
  routes?: RouteTarget[];
}

function matchesHost(pattern: string, host: string): boolean {
  return pattern.startsWith("*.") ? host.endsWith(pattern.slice(1)) : host === pattern;
}

function matchesPrefix(prefix: string, path: string): boolean {
  const folder = prefix.endsWith("/") ? prefix : `${prefix}/`;
  return path === prefix || path.startsWith(folder);
}

/** Name of the first route that takes this host (port not counted) and path, or null. */
export function routeOf(routes: readonly RouteTarget[], host: string, path: string): string | null {
  const hostname = host.replace(/:\d+$/, "").toLowerCase();
  const route = routes.find(
    ({ hosts, pathPrefixes }) =>
      (hosts === undefined ||
        hosts.some((pattern) => matchesHost(pattern.toLowerCase(), hostname))) &&
      (pathPrefixes === undefined || pathPrefixes.some((prefix) => matchesPrefix(prefix, path))),
  );
  return route?.name ?? null;
}
