/** `make up` with an https upstream whose certificate no public authority has signed. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { afterAll, beforeAll, expect, test } from "vitest";
import { selfSigned } from "../store/redis/certificate.ts";
import { startStack } from "./harness.ts";
import { ask } from "./traffic.ts";

const ANSWER = JSON.stringify({ usage: { prompt_tokens: 2, completion_tokens: 3 } });
const folder = mkdtempSync(join(tmpdir(), "tollgate-e2e-"));
const ca = join(folder, "ca.pem");

let server: Server;
let port = 0;
/** The server names that clients told; false: none. */
const names: unknown[] = [];
beforeAll(async () => {
  const { certificate: cert, key } = selfSigned();
  writeFileSync(ca, cert);
  server = createServer({ cert, key }, (request, response) => {
    names.push((request.socket as TLSSocket & { servername: unknown }).servername);
    request.resume().once("end", () => {
      response.setHeader("content-type", "application/json").end(ANSWER);
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  port = (server.address() as AddressInfo).port;
});
afterAll(() => {
  server?.close();
  rmSync(folder, { recursive: true, force: true });
});

test.each([
  ["127.0.0.1", ca, 200, [false]],
  ["localhost", ca, 200, ["localhost"]],
  ["127.0.0.1", "", 503, []],
])("https://%s with UPSTREAM_CA=%s: %d", async (host, upstreamCa, status, told) => {
  names.length = 0;
  const stack = await startStack({
    upstream: `https://${host}:${port}`,
    policies: "policies/examples/kuadrant-tiers",
    store: "memory:",
    env: { UPSTREAM_CA: upstreamCa },
  });
  try {
    const { reply } = await ask(stack.proxyUrl, { headers: { "x-groups": "free" } });
    expect([reply.status, names]).toEqual([status, told]);
  } finally {
    await stack.stop();
  }
});
