/** GET /v1/policies: what is in force, and what is wrong with what is not. */
import type { FastifyInstance } from "fastify";
import Type from "typebox";
import type { PolicySet } from "../policy/policy-set.ts";

/** What is wrong with a file, and where. */
export const Problem = Type.Object({
  file: Type.String(),
  line: Type.Integer(),
  column: Type.Integer(),
  field: Type.String(),
  message: Type.String(),
});
const Status = Type.Object({
  kind: Type.String(),
  namespace: Type.String(),
  name: Type.String(),
  file: Type.String(),
  accepted: Type.Boolean(),
  problems: Type.Array(Problem),
  /** Whether some version serves: the newest where accepted, else the last good one. */
  inForce: Type.Optional(Type.Boolean()),
  /** Allowed, but probably not what was meant: a target that is not known, for one. */
  warnings: Type.Optional(Type.Array(Problem)),
  targetRef: Type.Optional(
    Type.Object({
      group: Type.String(),
      kind: Type.String(),
      name: Type.String(),
      sectionName: Type.Optional(Type.String()),
    }),
  ),
  limits: Type.Optional(Type.Array(Type.String())),
});
const Answer = Type.Object({
  /** Hash of all that is in force. */
  version: Type.String(),
  failureMode: Type.Union([Type.Literal("allow"), Type.Literal("deny")]),
  policies: Type.Array(Status),
});

export function registerPolicies(app: FastifyInstance, policies: () => PolicySet): void {
  const schema = { summary: "Policies, with the status of each", response: { 200: Answer } };
  app.get("/v1/policies", { schema }, async () => {
    const set = policies();
    return { version: set.version, failureMode: set.failureMode, policies: set.status() };
  });
}
