/** HTTPRoutes of the Gateway API, as far as they say which requests they take. */
import type { GatewayRef } from "./gateway-ref.ts";
import type { PatternMatch, TextMatch } from "./text-match.ts";

export interface NamedMatch {
  /** Of headers in lower case. */
  name: string;
  value: TextMatch;
}

export type PathMatch =
  | { type: "Exact" | "PathPrefix"; value: string }
  | { type: "RegularExpression"; value: PatternMatch };

/** All of it must hold. */
export interface RequestMatch {
  path: PathMatch;
  method: string | null;
  headers: NamedMatch[];
  queryParams: NamedMatch[];
}

export interface RouteRule {
  name: string | null;
  /** Any of them takes a request. */
  matches: RequestMatch[];
}

export interface HttpRoute {
  namespace: string;
  name: string;
  /** When Kubernetes made it; the text sorts as the time does. */
  created: string | null;
  /** In lower case, `*.example.com` for any below; none: any. */
  hosts: string[];
  /** The Gateways that it is attached to; none: every one. */
  gateways: GatewayRef[];
  rules: RouteRule[];
}

/** What the Gateway API takes for a match, or a rule, that names no path. */
export const ANY_PATH: PathMatch = { type: "PathPrefix", value: "/" };

/** The rule of this name, else of this place: `rule-1` is the first one. */
export function ruleNamed({ rules }: HttpRoute, section: string): RouteRule | undefined {
  const place = /^rule-([1-9]\d{0,5})$/.exec(section)?.[1];
  return (
    rules.find(({ name }) => name === section) ??
    (place === undefined ? undefined : rules[Number(place) - 1])
  );
}
