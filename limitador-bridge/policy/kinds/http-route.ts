/**
 * HTTPRoute (gateway.networking.k8s.io): what policies target. It is someone else's object, read as
 * it lies in people's repositories: only what is needed is checked, all else is accepted.
 * https://gateway-api.sigs.k8s.io/reference/spec/#httproute
 */
import Type, { type Static } from "typebox";
import { normalPath } from "../../cel/request-path.ts";
import {
  ANY_PATH,
  type HttpRoute,
  type NamedMatch,
  type PathMatch,
  type RequestMatch,
} from "../http-route.ts";
import type { PolicyProblem } from "../policy-set.ts";
import { checkSchema } from "../schema-check.ts";
import type { FieldPath, SourceDocument } from "../source-document.ts";
import { type PatternMatch, patternMatch, routePatternProblem } from "../text-match.ts";
import { withoutNulls } from "../without-nulls.ts";
import type { LoadedObject, PolicyKind } from "./kind.ts";
import { oneOf } from "./object-schema.ts";

const NamedText = Type.Object({
  type: Type.Optional(oneOf("Exact", "RegularExpression")),
  name: Type.String({ minLength: 1, errorMessage: "a name" }),
  value: Type.String({ errorMessage: "a text" }),
});

/** Labels with dots between; the Gateway API takes them in lower case alone. */
const LABEL = "[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?";
/** What the Gateway API takes for the value of an exact path and of a prefix. */
const PATH = /^\/(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})*$/;

const Match = Type.Object({
  path: Type.Optional(
    Type.Object({
      type: Type.Optional(oneOf("Exact", "PathPrefix", "RegularExpression")),
      value: Type.Optional(Type.String({ minLength: 1, errorMessage: "a path" })),
    }),
  ),
  method: Type.Optional(
    oneOf("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"),
  ),
  headers: Type.Optional(Type.Array(NamedText)),
  queryParams: Type.Optional(Type.Array(NamedText)),
});

const Spec = Type.Object({
  parentRefs: Type.Optional(
    Type.Array(
      Type.Object({
        kind: Type.Optional(Type.String()),
        namespace: Type.Optional(
          Type.String({ minLength: 1, errorMessage: "the parent's namespace" }),
        ),
        name: Type.String({ minLength: 1, errorMessage: "the parent's name" }),
      }),
    ),
  ),
  hostnames: Type.Optional(
    Type.Array(
      Type.String({
        pattern: `^(\\*\\.)?${LABEL}(\\.${LABEL})*$`,
        maxLength: 253,
        errorMessage: 'a host name without a port, such as "llm.example.com" or "*.example.com"',
      }),
    ),
  ),
  rules: Type.Optional(
    Type.Array(
      Type.Object({
        name: Type.Optional(Type.String()),
        matches: Type.Optional(Type.Array(Match)),
      }),
    ),
  ),
});

const HttpRouteSchema = Type.Object({
  metadata: Type.Object({ creationTimestamp: Type.Optional(Type.Unknown()) }),
  spec: Type.Optional(Spec),
});

class RouteCompiler {
  readonly problems: PolicyProblem[] = [];
  readonly document: SourceDocument;

  constructor(document: SourceDocument) {
    this.document = document;
  }

  compile(): HttpRoute {
    const { metadata, spec = {} } = this.document.value as Static<typeof HttpRouteSchema>;
    const { creationTimestamp: created } = metadata;
    const { statedNamespace } = this.document;
    const { hostnames = [], parentRefs = [], rules = [] } = spec;
    return {
      namespace: this.document.namespace,
      name: this.document.name ?? "",
      created: typeof created === "string" ? created : null,
      hosts: hostnames.map((host) => host.toLowerCase()),
      gateways: parentRefs.flatMap(({ kind = "Gateway", namespace = statedNamespace, name }) =>
        kind === "Gateway" ? [{ namespace, name }] : [],
      ),
      rules: (rules.length === 0 ? [{}] : rules).map((rule, i) => ({
        name: rule.name ?? null,
        matches: this.matches(rule.matches ?? [], ["spec", "rules", i, "matches"]),
      })),
    };
  }

  matches(given: Static<typeof Match>[], at: FieldPath): RequestMatch[] {
    return (given.length === 0 ? [{}] : given).map((match, i) => ({
      path: this.path(match.path, [...at, i, "path", "value"]),
      method: match.method ?? null,
      headers: this.named(match.headers, [...at, i, "headers"], (name) => name.toLowerCase()),
      queryParams: this.named(match.queryParams, [...at, i, "queryParams"], (name) => name),
    }));
  }

  path(given: Static<typeof Match>["path"], at: FieldPath): PathMatch {
    if (given === undefined) return ANY_PATH;
    const { value = "/" } = given;
    const type = (given.type ?? "PathPrefix") as PathMatch["type"];
    if (type === "RegularExpression") return { type, value: this.pattern(value, at) };
    if (!PATH.test(value)) {
      const message =
        'expected a path that begins with "/", its characters encoded as in a URL, ' +
        `found ${JSON.stringify(value)}`;
      this.problems.push(this.document.problem(at, message));
    }
    // As requests' paths are, so that both are written in the same way.
    return { type, value: normalPath(value) };
  }

  /** "Only the first entry with an equivalent name MUST be considered for a match." */
  named(
    given: Static<typeof NamedText>[] = [],
    at: FieldPath,
    normal: (name: string) => string,
  ): NamedMatch[] {
    const matches = new Map<string, NamedMatch>();
    for (const [i, { type, name, value }] of given.entries()) {
      const key = normal(name);
      if (matches.has(key)) continue;
      const match =
        type === "RegularExpression" ? this.pattern(value, [...at, i, "value"]) : { exact: value };
      matches.set(key, { name: key, value: match });
    }
    return [...matches.values()];
  }

  pattern(source: string, at: FieldPath): PatternMatch {
    const wrong = routePatternProblem(source);
    if (wrong === null) return patternMatch(source);
    const message = `the pattern ${JSON.stringify(source)} ${wrong}`;
    this.problems.push(this.document.problem(at, message));
    return { pattern: /(?!)/, source };
  }
}

function load(written: SourceDocument): LoadedObject<HttpRoute> {
  // As templates write fields that nobody filled in, and as the API server takes them.
  const document = written.within([], withoutNulls(written.value));
  const wrong = checkSchema(document, HttpRouteSchema);
  if (wrong.length > 0) return { object: null, problems: wrong };
  const compiler = new RouteCompiler(document);
  const route = compiler.compile();
  const { problems } = compiler;
  return { object: problems.length > 0 ? null : route, problems };
}

export const httpRouteKind: PolicyKind<HttpRoute> = {
  apiVersion: "gateway.networking.k8s.io/v1",
  olderVersions: ["gateway.networking.k8s.io/v1beta1"],
  kind: "HTTPRoute",
  isForeign: true,
  load,
};
