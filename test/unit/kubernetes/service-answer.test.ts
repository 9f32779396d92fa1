/** How the service is asked, and what is made of its silence. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { askService, entriesByFile } from "../../../limitador-bridge/kubernetes/service-answer.ts";

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

/** A service with these answers by path; without one it answers 503. */
async function serve(answers: Record<string, string>): Promise<string> {
  server = createServer((request, response) => {
    const answer = answers[request.url ?? ""];
    response.statusCode = answer === undefined ? 503 : 200;
    response.end(answer ?? '{"error":{"code":"store_unavailable"}}');
  });
  await new Promise<void>((done) => server?.listen(0, "127.0.0.1", done));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const entry = { file: "/p/cluster/llmbudget.ml.a.yaml", accepted: true, problems: [] };

test("policies and budgets are told", async () => {
  const budgets = [{ policy: "ml/a", spentNanoUsd: 5, utilization: 0.5 }];
  const api = await serve({
    "/v1/policies": JSON.stringify({ policies: [entry] }),
    "/v1/budgets": JSON.stringify({ budgets }),
  });
  expect(await askService(api)).toEqual({ policies: [entry], budgets });
  expect(entriesByFile([entry])).toEqual(new Map([["llmbudget.ml.a.yaml", entry]]));
});

test("policies are told while the ledger cannot be asked", async () => {
  const api = await serve({ "/v1/policies": JSON.stringify({ policies: [entry] }) });
  expect(await askService(api)).toEqual({
    policies: [entry],
    budgets: { failed: '/v1/budgets answered 503: {"error":{"code":"store_unavailable"}}' },
  });
});

test("a service that does not run is told from one that answers badly", async () => {
  const api = await serve({ "/v1/budgets": "{}" });
  expect(await askService(api)).toEqual({
    failed: '/v1/policies answered 503: {"error":{"code":"store_unavailable"}}',
  });
  server?.closeAllConnections();
  await new Promise((done) => server?.close(done));
  expect(await askService(api)).toBe("gone");
});
