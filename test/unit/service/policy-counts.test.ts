/** How many policies `/readyz` and the start's log line tell of. */
import fastify from "fastify";
import { expect, test } from "vitest";
import { registerHealth } from "../../../limitador-bridge/api/health.ts";
import { createMetrics } from "../../../limitador-bridge/metrics.ts";
import { loadPolicyTexts } from "../../../limitador-bridge/policy/load.ts";

const identity = (name: string, spec: string) =>
  `apiVersion: tollgate.dev/v1alpha1\nkind: Identity\nmetadata: {name: ${name}}\nspec: ${spec}\n`;
const secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: key}\n";

test("other Kubernetes objects are neither accepted nor rejected", async () => {
  const texts = { "a.yaml": `${identity("a", "{}")}---\n${secret}`, "b.yaml": identity("b", "7") };
  const loaded = loadPolicyTexts(new Map(Object.entries(texts)));
  const app = fastify();
  registerHealth(app, {
    store: { ping: async () => {} },
    policies: () => loaded.set,
    metrics: createMetrics({ defaults: false }),
  });
  const { version } = loaded.set;
  expect((await app.inject("/readyz")).json()).toEqual({
    status: "ready",
    reasons: [],
    policies: { version, accepted: 1, rejected: 1 },
  });
  expect(loaded.documents.map(({ source }) => source.title)).toEqual(["Identity default/a"]);
});
