import Fastify from "fastify";
import { expect, test } from "vitest";
import { registerPolicies } from "../../../limitador-bridge/api/policies.ts";
import { load } from "./fixture.ts";
import { onSection } from "./route-fixture.ts";

test("GET /v1/policies tells the section and the warnings of a policy", async () => {
  const app = Fastify();
  const { set } = load(onSection("a", "rule-1", "p", "one"));
  registerPolicies(app, () => set);
  const answer = await app.inject("/v1/policies");
  expect(answer.json()).toEqual({
    version: set.version,
    failureMode: "allow",
    policies: [
      {
        kind: "TokenRateLimitPolicy",
        namespace: "default",
        name: "p",
        file: "policies.yaml",
        accepted: true,
        problems: [],
        inForce: true,
        warnings: [
          {
            file: "policies.yaml",
            line: 6,
            column: 72,
            field: "spec.targetRef.name",
            message:
              'no HTTPRoute "a" with the rule "rule-1" in the policies folder: in force for all ' +
              "requests, beside Gateway defaults",
          },
        ],
        targetRef: {
          group: "gateway.networking.k8s.io",
          kind: "HTTPRoute",
          name: "a",
          sectionName: "rule-1",
        },
        limits: ["one"],
      },
    ],
  });
  await app.close();
});
