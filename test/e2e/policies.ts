/** Policy texts for the scenarios. */

/** One limit per user (the header x-user) on one path. */
export function perUserPolicy(given: {
  name: string;
  path: string;
  limit: number;
  window: string;
  failureMode?: "allow" | "deny";
}): string {
  const failureMode = given.failureMode ? `\n  failureMode: ${given.failureMode}` : "";
  return `apiVersion: kuadrant.io/v1alpha1
kind: TokenRateLimitPolicy
metadata:
  name: ${given.name}
  namespace: default
spec:
  targetRef:
    group: gateway.networking.k8s.io
    kind: Gateway
    name: api-gateway${failureMode}
  limits:
    per-user:
      rates:
        - limit: ${given.limit}
          window: ${given.window}
      when:
        - predicate: request.path == "${given.path}"
      counters:
        - expression: request.headers["x-user"]
`;
}

/** Records get their user from the header x-user. */
export const IDENTITY = `apiVersion: tollgate.dev/v1alpha1
kind: Identity
metadata:
  name: default
spec:
  user: request.headers["x-user"]
  trustedHeaders: [x-user]
`;

/** Of everybody on a budget: team, app, user and task from the headers that name them. */
export const TEAM_IDENTITY = `apiVersion: tollgate.dev/v1alpha1
kind: Identity
metadata: {name: default}
spec:
  team: request.headers["x-team"]
  app: request.headers["x-app"]
  user: request.headers["x-user"]
  task: request.headers["x-task-id"]
  trustedHeaders: [x-team, x-app, x-user, x-task-id]
`;
