/** What whoever starts the service tells of the gateway and of routes, beside HTTPRoute objects. */
import { ANY_PATH, type HttpRoute } from "./http-route.ts";

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
  /** HTTPRoutes of any namespace, with one rule each. */
  routes?: RouteTarget[];
}

/** The route as if an HTTPRoute object said so. */
export function toldRoute({ name, hosts = [], pathPrefixes }: RouteTarget): HttpRoute {
  const paths = pathPrefixes?.map((value) => ({ type: "PathPrefix" as const, value }));
  const matches = (paths ?? [ANY_PATH]).map((path) => ({
    path,
    method: null,
    headers: [],
    queryParams: [],
  }));
  return {
    namespace: null,
    name,
    created: null,
    hosts: hosts.map((host) => host.toLowerCase()),
    gateways: [],
    rules: [{ name: null, matches }],
  };
}
