/** GET /v1/filter-config: what the filter has to look at. */
import { createHash } from "node:crypto";
import type { FastifyInstance } from "fastify";
import Type from "typebox";
import { FilterConfig } from "../contract/filter.ts";
import type { PolicySet } from "../policy/policy-set.ts";

/** What the filter captures whatever the policies are. */
export type CaptureLists = Pick<
  FilterConfig,
  "apis" | "sniff" | "response" | "errors" | "errorTypes"
> & {
  request: Omit<FilterConfig["request"], "body">;
};

export interface FilterConfigParts {
  policies: () => PolicySet;
  capture: CaptureLists;
  admitTimeoutMs: number;
}

/** Makes the filter config of a policy set; its version is the hash of all that is in force. */
export function filterConfig(parts: Omit<FilterConfigParts, "policies">, policies: PolicySet) {
  const { capture, admitTimeoutMs } = parts;
  const { bodyPointers, headers, properties, metadata } = policies.needs;
  const config: Omit<FilterConfig, "version"> = {
    failureMode: policies.failureMode,
    admitTimeoutMs,
    apis: [...(policies.apiRoutes ?? []), ...capture.apis],
    sniff: capture.sniff,
    attributes: { headers, properties, metadata },
    request: { ...capture.request, body: bodyPointers },
    response: {
      ...capture.response,
      facts: [...new Set([...capture.response.facts, ...policies.totalTokensPointers])],
    },
    errors: capture.errors,
    errorTypes: capture.errorTypes,
  };
  // Leases end when the version changes, so it tells of every change of a policy.
  const all = JSON.stringify([policies.version, config]);
  const version = createHash("sha256").update(all).digest("base64url");
  return { version, ...config } satisfies FilterConfig;
}

export function registerFilterConfig(app: FastifyInstance, parts: FilterConfigParts): void {
  let made: { of: PolicySet; etag: string; body: string } | undefined;
  const current = () => {
    const policies = parts.policies();
    if (made?.of === policies) return made;
    const config = filterConfig(parts, policies);
    made = { of: policies, etag: `"${config.version}"`, body: JSON.stringify(config) };
    return made;
  };
  const schema = {
    summary: "What the filter has to look at",
    response: { 200: FilterConfig, 304: Type.Null() },
  };
  app.get("/v1/filter-config", { schema, config: { bearer: true } }, async (request, reply) => {
    const { etag, body } = current();
    reply.header("etag", etag).header("cache-control", "no-cache");
    if (matches(request.headers["if-none-match"], etag)) return reply.code(304).send();
    return reply.type("application/json").send(body);
  });
}

/** RFC 9110 section 13.1.2: If-None-Match = "*" / #entity-tag, compared weakly. */
function matches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  if (header.trim() === "*") return true;
  return header.split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag);
}
