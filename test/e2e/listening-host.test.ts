/** `make up` whose service listens elsewhere than at 127.0.0.1. */
import { afterEach, expect, test } from "vitest";
import { type Stack, startStack } from "./harness.ts";
import { recordOf } from "./service-api.ts";
import { ask } from "./traffic.ts";

let stack: Stack | undefined;
afterEach(() => stack?.stop());

test.each([
  ["127.0.0.2", "127.0.0.2"],
  ["0.0.0.0", "127.0.0.1"],
  ["localhost", "127.0.0.1"],
])("HOST=%s: ready, and the filter asks it at %s", async (HOST, reachable) => {
  const policies = "policies/examples/kuadrant-tiers";
  stack = await startStack({
    policies,
    env: { HOST, NODE_OPTIONS: "--dns-result-order=ipv4first" },
  });
  const api = `http://${reachable}:${new URL(stack.apiUrl).port}`;
  const { requestId, reply } = await ask(stack.proxyUrl, { headers: { "x-groups": "free" } });
  expect(reply.status).toBe(200);
  expect((await recordOf(api, requestId)).tokens.total).toBe(25);
  expect(stack.logs()).toContain(`\nLimits:  curl ${api}/v1/limits\n`);
});
