import { afterEach, expect, test } from "vitest";
import { SAMPLE_HEADERS, sampleFor, sampleText } from "../../../limitador-bridge/cli/sample.ts";
import { CAPTURE } from "../../../limitador-bridge/usage/capture-pointers.ts";
import { budgeted } from "../service/budgeted-service.ts";

const DENY = '  team: "*"\n  monthlyBudgetUSD: 1\n  unknownPayer: deny\n';
const TEAM = "  team: ml's team\n  monthlyBudgetUSD: 1\n";

const services: ReturnType<typeof budgeted>[] = [];
afterEach(async () => {
  for (const { app } of services.splice(0)) await app.close();
});

async function sample(...specs: string[]) {
  const tokens = { count: async () => 1, close: async () => {} };
  const service = budgeted(specs, { overrides: { capture: CAPTURE, tokens, apiToken: "t" } });
  services.push(service);
  const api = await service.app.listen({ port: 0 });
  return sampleFor({ api, token: "t" });
}

test("as it is, where that is not refused for want of a budget", async () => {
  expect(await sample(TEAM)).toEqual({ headers: SAMPLE_HEADERS, note: null });
});

test("of a team with a budget, where that is asked for", async () => {
  expect(await sample(DENY, TEAM)).toEqual({
    headers: { ...SAMPLE_HEADERS, "x-team": "ml's team" },
    note: null,
  });
});

test("with why it is refused, where no team has a budget", async () => {
  expect(await sample(DENY)).toEqual({
    headers: SAMPLE_HEADERS,
    note:
      "these are refused. The payer's team is not known, and requests without a budget are " +
      "refused (LLMBudget default/b0). Ask the platform team for one.",
  });
});

test("a service that does not answer is told, and is no fault", async () => {
  const { headers, note } = await sampleFor({ api: "http://127.0.0.1:1", token: null });
  expect(headers).toEqual(SAMPLE_HEADERS);
  expect(note).toMatch(
    /^whether they are let through could not be asked: no answer from http:\/\/127\.0\.0\.1:1: /,
  );
});

test("as commands for a shell", () => {
  const headers = { "x-user": "alice", "x-team": "ml's team" };
  expect(sampleText("http://p:1", "http://a:2", { headers, note: null })).toBe(
    `Ask:     curl -i http://p:1/v1/chat/completions -H 'content-type: application/json' \
-H 'x-user: alice' -H 'x-team: ml'\\''s team' \
-d '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hello"}]}'
Stream:  curl -N http://p:1/v1/chat/completions -H 'content-type: application/json' \
-H 'x-user: alice' -H 'x-team: ml'\\''s team' \
-d '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hello"}],"stream":true}'
Usage:   curl http://a:2/v1/usage
Limits:  curl http://a:2/v1/limits
`,
  );
  const refused = sampleText("http://p:1", "http://a:2", { headers, note: "refused." });
  expect(refused.split("\n")[2]).toBe("Note:    refused.");
});
