/** POST /v1/estimate: bodies by themselves, APIs that cost nothing, paths that nobody meters. */
import { describe, expect, test } from "vitest";
import { pathOfBody } from "../../../limitador-bridge/estimate/plain-body.ts";
import { CAPTURE } from "../../../limitador-bridge/usage/capture-pointers.ts";
import { budgeted } from "../service/budgeted-service.ts";

const TEAM = '  team: "*"\n  monthlyBudgetUSD: 1\n  unknownPayer: budget\n';
const CHAT = { model: "gpt-4o", max_tokens: 100, messages: [{ role: "user", content: "hello" }] };
const FREE = {
  lowNanoUsd: 0,
  expectedNanoUsd: 0,
  worstNanoUsd: 0,
  lowUsd: "0",
  expectedUsd: "0",
  worstUsd: "0",
};
const tokens = { count: async () => 10, close: async () => {} };

function service(spec = TEAM) {
  return budgeted(spec, { overrides: { capture: CAPTURE, tokens } });
}

async function estimate(body: object, { app } = service()) {
  const response = await app.inject({ method: "POST", url: "/v1/estimate", body });
  return { status: response.statusCode, body: response.json() };
}

describe("a request body by itself", () => {
  test("is answered as in its envelope", async () => {
    const plain = await estimate(CHAT);
    expect(plain.status).toBe(200);
    expect(plain.body).toMatchObject({
      metered: true,
      api: "openai.chat.completions",
      requestedModel: "gpt-4o",
      verdict: "allow",
      cost: { worstNanoUsd: 16 * 2500 + 100 * 10_000 },
    });
    const path = "/v1/chat/completions";
    expect(plain.body).toEqual((await estimate({ path, body: CHAT })).body);
  });

  test.each<[string, Record<string, unknown>]>([
    ["/v1/chat/completions", { model: "m" }],
    ["/v1/chat/completions", { model: "m", messages: [] }],
    ["/v1/messages", { model: "m", system: "be brief", messages: [] }],
    ["/v1/completions", { model: "m", prompt: "x" }],
    ["/v1/responses", { model: "m", input: "x" }],
    ["/v1/embeddings", { model: "text-embedding-3-small", input: "x" }],
    ["/v1beta/models/gemini%2F2:generateContent", { model: "gemini/2", contents: [] }],
  ])("belongs to %s", (path, body) => {
    expect(pathOfBody(body)).toBe(path);
  });

  test.each([
    [{ path: "/v1/messages" }, /^body: .*body/],
    [{ path: "/v1/messages", bdy: {} }, /^body: unknown name "bdy"$/],
    [{ model: 5 }, /^body: unknown name "model"$/],
    [[CHAT], /^body: /],
  ])("%j is none", async (body, message) => {
    const answer = await estimate(body);
    expect([answer.status, answer.body.error.code]).toEqual([400, "invalid_request"]);
    expect(answer.body.error.message).toMatch(message);
  });
});

describe("what costs nothing", () => {
  test.each([
    ["/v1/messages/count_tokens", "anthropic.countTokens"],
    ["/v1/responses/input_tokens", "openai.countTokens"],
    ["/v1/responses/resp_1/cancel", "openai.responses.retrieve"],
  ])("%s", async (path, api) => {
    const { body } = await estimate({ path, body: CHAT }, service(TEAM.replace(": 1\n", ": 0\n")));
    expect(body).toMatchObject({ metered: true, api, cost: FREE, verdict: "allow", limits: [] });
    expect(body.why).toBe("No limit counts this request. The provider charges nothing for it.");
  });

  test.each([
    ["/healthz", CHAT.messages],
    ["/v1/models", undefined],
  ])("%s without a model and a prompt is not metered", async (path, messages) => {
    const deny = TEAM.replace("unknownPayer: budget", "unknownPayer: deny");
    const { body } = await estimate({ path, body: { messages } }, service(deny));
    expect(body).toEqual({
      metered: false,
      api: null,
      requestedModel: null,
      model: null,
      tokens: {
        input: 0,
        inputSource: "bytes",
        inputIsPartial: false,
        expectedOutput: 0,
        maxOutput: 0,
      },
      cost: FREE,
      verdict: "allow",
      status: null,
      code: null,
      why:
        `Requests to ${path} are not metered: it is no path of a known API, and the body does ` +
        "not have both a model's name and a prompt.",
      cutAfterOutputBytes: null,
      headers: {},
      limits: [],
    });
  });

  test("any path is metered with both, and one that an ApiRoute names", async () => {
    expect((await estimate({ path: "/ours", body: CHAT })).body.metered).toBe(true);
    const route = `apiVersion: tollgate.dev/v1alpha1
kind: ApiRoute
metadata: {name: ours}
spec:
  routes: [{path: /ours/chat, api: openai.chat.completions}]
`;
    const ours = budgeted([TEAM, route], { overrides: { capture: CAPTURE, tokens } });
    const { body } = await estimate({ path: "/ours/chat", body: {} }, ours);
    expect([body.metered, body.api]).toEqual([true, "openai.chat.completions"]);
  });
});
