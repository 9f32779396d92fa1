/** What is in force in the bench: one limit per user that is never reached. */

/** Below 2^53, and above what any run can use. */
const LIMIT_TOKENS = 1_000_000_000_000;

const IDENTITY = `apiVersion: tollgate.dev/v1alpha1
kind: Identity
metadata:
  name: default
spec:
  user: request.headers["x-user"]
  trustedHeaders: [x-user]
`;

/** Whether the filter may decide from leases, or asks for every request. */
export type Enforcement = "lease" | "ask";

const limits = (enforcement: Enforcement) => `apiVersion: kuadrant.io/v1alpha1
kind: TokenRateLimitPolicy
metadata:
  name: bench
spec:
  targetRef:
    group: gateway.networking.k8s.io
    kind: Gateway
    name: api-gateway
  limits:
    per-user:
      rates:
        - limit: ${LIMIT_TOKENS}
          window: 24h
      reservation: worst-case
      enforcement: ${enforcement}
      when:
        - predicate: request.path == "/v1/chat/completions"
      counters:
        - expression: request.headers["x-user"]
`;

/** Policy files by name. */
export function policyFiles(enforcement: Enforcement): Readonly<Record<string, string>> {
  return { "identity.yaml": IDENTITY, "limits.yaml": limits(enforcement) };
}

const POLICIES_IN_FILE = 500;

/** So many policies that match none of the bench's requests, by path or by user. */
export function otherPolicyFiles(count: number): Readonly<Record<string, string>> {
  const files: Record<string, string> = {};
  for (let first = 0; first < count; first += POLICIES_IN_FILE) {
    const length = Math.min(POLICIES_IN_FILE, count - first);
    const policies = Array.from({ length }, (_, i) => otherPolicy(first + i));
    files[`others-${first}.yaml`] = policies.join("---\n");
  }
  return files;
}

const otherPolicy = (n: number) => `apiVersion: kuadrant.io/v1alpha1
kind: TokenRateLimitPolicy
metadata:
  name: other-${n}
spec:
  targetRef:
    group: gateway.networking.k8s.io
    kind: HTTPRoute
    name: llm
  limits:
    per-user:
      rates:
        - limit: ${LIMIT_TOKENS}
          window: 24h
      when:
        - predicate: ${n % 2 === 0 ? "request.path" : 'request.headers["x-user"]'} == "/other/${n}"
      counters:
        - expression: request.headers["x-user"]
`;
