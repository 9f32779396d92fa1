/** Requests and policy texts that the policy tests share. */
import { toRequestContext } from "../../../limitador-bridge/cel/attributes.ts";
import type { LlmRequest } from "../../../limitador-bridge/contract/filter.ts";
import {
  type LoadedPolicies,
  loadPolicyTexts,
  problemText,
} from "../../../limitador-bridge/policy/load.ts";
import type { RequestContext } from "../../../limitador-bridge/policy/policy-set.ts";

export const LLM: LlmRequest = {
  api: "openai.chat",
  model: "gpt-4o-mini",
  stream: false,
  maxOutputTokens: null,
  choices: 1,
  inputBytes: 400,
};

export interface RequestParts {
  path?: string;
  headers?: Record<string, unknown>;
  /** What ext_authz left. */
  auth?: unknown;
  attributes?: Record<string, unknown>;
  llm?: Partial<LlmRequest>;
}

/** A POST to chat completions, but for what the parts say. */
export function request(parts: RequestParts = {}): RequestContext {
  const { path = "/v1/chat/completions", headers = {}, auth, attributes = {}, llm = {} } = parts;
  const metadata = auth === undefined ? {} : { metadata: { "envoy.filters.http.ext_authz": auth } };
  const requestAttributes = { path, method: "POST", host: "llm.example.com", headers };
  return toRequestContext(
    { request: requestAttributes, ...metadata, ...attributes },
    { ...LLM, ...llm },
  );
}

/** What Kuadrant's AuthPolicy leaves for a user with these groups. */
export function userAuth(userid: string, groups: string): unknown {
  return { identity: { userid, metadata: { annotations: { "kuadrant.io/groups": groups } } } };
}

/** Loads one or more files from texts. */
export function load(texts: string | Record<string, string>): LoadedPolicies {
  const files = typeof texts === "string" ? { "policies.yaml": texts } : texts;
  return loadPolicyTexts(new Map(Object.entries(files)));
}

/** All problems as the log shows them. */
export function problemsOf(loaded: LoadedPolicies): string[] {
  return loaded.problems.map(problemText);
}

/** A TokenRateLimitPolicy whose spec, below targetRef, is given at two spaces' indent. */
export function policy(spec: string, { name = "p", kind = "Gateway", target = "gw" } = {}): string {
  return `apiVersion: kuadrant.io/v1alpha1
kind: TokenRateLimitPolicy
metadata:
  name: ${name}
spec:
  targetRef: {group: gateway.networking.k8s.io, kind: ${kind}, name: ${target}}
${spec}`;
}

/** A policy with one limit of 10 tokens a minute under these predicates. */
export function limited(predicate: string, counter?: string): string {
  const counters =
    counter === undefined ? "" : `\n      counters: [{expression: ${JSON.stringify(counter)}}]`;
  return policy(`  limits:
    one:
      rates: [{limit: 10, window: 1m}]
      when: [{predicate: ${JSON.stringify(predicate)}}]${counters}
`);
}

/** Names of the limits that match, in order. */
export function matched(loaded: LoadedPolicies, context: RequestContext): string[] {
  return loaded.set.match(context).limits.map(({ limit }) => limit);
}
