/** A person with curl sees a token policy enforced, on JSON and on streams. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Simulator, startSimulator } from "../../limitador-bridge/simulator/simulator.ts";
import { type Reply, send } from "./client.ts";
import { type Stack, startStack } from "./harness.ts";
import { IDENTITY, perUserPolicy } from "./policies.ts";
import { recordOf } from "./service-api.ts";
import { ask, CHAT, CHAT_PATH, MESSAGE, MESSAGES_PATH } from "./traffic.ts";

const WINDOW_S = 5;
const LIMIT = 60;
/** Prompt and output of one request: 60 is reached by the third. */
const TOKENS = 25;

let simulator: Simulator;
let upstream: string;
beforeAll(async () => {
  simulator = await startSimulator({ host: "127.0.0.1", port: 0 });
  upstream = `http://127.0.0.1:${simulator.port}`;
});
afterAll(() => simulator?.close());

/** Sends until refused, each after the one before is settled. */
async function askUntilRefused(stack: Stack, given: Parameters<typeof ask>[1]): Promise<Reply[]> {
  const replies: Reply[] = [];
  while (replies.length < 10) {
    const { requestId, reply } = await ask(stack.proxyUrl, given);
    replies.push(reply);
    if (reply.status !== 200) break;
    await recordOf(stack.apiUrl, requestId);
  }
  return replies;
}

describe("a limit per user and a short window", () => {
  let stack: Stack;
  beforeAll(async () => {
    const limit = { limit: LIMIT, window: `${WINDOW_S}s` };
    stack = await startStack({
      upstream,
      policies: {
        "identity.yaml": IDENTITY,
        "chat.yaml": perUserPolicy({ name: "chat", path: CHAT_PATH, ...limit }),
        "messages.yaml": perUserPolicy({ name: "messages", path: MESSAGES_PATH, ...limit }),
      },
    });
  });
  afterAll(() => stack?.stop());

  test.each([
    ["chat completions, JSON", CHAT_PATH, CHAT],
    ["chat completions, stream", CHAT_PATH, { ...CHAT, stream: true }],
    ["messages, JSON", MESSAGES_PATH, MESSAGE],
    ["messages, stream", MESSAGES_PATH, { ...MESSAGE, stream: true }],
  ])("%s", async (name, path, body) => {
    const user = name.replaceAll(/\W+/g, "-");
    const replies = await askUntilRefused(stack, { path, body, user });
    expect(replies.map((reply) => reply.status)).toEqual([200, 200, 200, 429]);

    const refused = replies[3] as Reply;
    const retryAfterS = Number(refused.headers["retry-after"]);
    expect(retryAfterS).toBeGreaterThanOrEqual(1);
    expect(retryAfterS).toBeLessThanOrEqual(WINDOW_S);
    expect(refused.headers["content-type"]).toMatch(/^application\/json/);
    const error = JSON.parse(refused.text) as unknown;
    if (path === CHAT_PATH) {
      expect(error).toEqual({
        error: {
          message: expect.any(String),
          type: "tokens",
          param: null,
          code: "rate_limit_exceeded",
        },
      });
    } else {
      expect(error).toMatchObject({
        type: "error",
        error: { type: "rate_limit_error", message: expect.any(String) },
      });
    }

    const other = await ask(stack.proxyUrl, { path, body, user: `${user}-other` });
    expect(other.reply.status).toBe(200);
    await sleep(retryAfterS * 1000 + 50);
    const again = await ask(stack.proxyUrl, { path, body, user });
    expect(again.reply.status).toBe(200);
    expect((await recordOf(stack.apiUrl, again.requestId)).tokens.total).toBe(TOKENS);
    expect(simulator.bill.view().byUser[user]).toEqual({
      requests: 4,
      inputTokens: 20,
      outputTokens: 80,
      aborted: 0,
    });
  });

  test("a refused request is recorded as denied and costs nothing", async () => {
    const user = "denied";
    await askUntilRefused(stack, { user });
    const { requestId, reply } = await ask(stack.proxyUrl, { user });
    expect(reply.status).toBe(429);
    const record = await recordOf(stack.apiUrl, requestId);
    expect(record).toMatchObject({ outcome: "denied", status: 429, user, costNanoUsd: 0 });
    expect(record.tokens.total).toBe(0);
  });

  test("no other spelling of the path gets round the limit", async () => {
    const user = "spelling";
    await askUntilRefused(stack, { user });
    const spellings = [`${CHAT_PATH}?x=1`, "/v1/%63hat/completions", "//v1//chat/completions"];
    for (const path of spellings) {
      expect((await ask(stack.proxyUrl, { path, user })).reply.status).toBe(429);
    }
  });
});

describe("the two tiers of Kuadrant's documentation, verbatim", () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack({ upstream, policies: "policies/examples/kuadrant-tiers" });
  });
  afterAll(() => stack?.stop());

  const half = { "x-sim-prompt-tokens": "9980" };

  test("free: 20,000 tokens a day", async () => {
    const headers = { ...half, "x-groups": "free" };
    const replies = await askUntilRefused(stack, { user: "frieda", headers });
    expect(replies.map((reply) => reply.status)).toEqual([200, 200, 429]);
    const retryAfterS = Number(replies[2]?.headers["retry-after"]);
    expect(retryAfterS).toBeGreaterThan(86_300);
    expect(retryAfterS).toBeLessThanOrEqual(86_400);
    const other = await ask(stack.proxyUrl, { user: "fred", headers });
    expect(other.reply.status).toBe(200);
  });

  test("gold: ten times as much", async () => {
    const headers = { "x-sim-prompt-tokens": "99980", "x-groups": "staff,gold" };
    const replies = await askUntilRefused(stack, { user: "greta", headers });
    expect(replies.map((reply) => reply.status)).toEqual([200, 200, 429]);
  });

  test("a user in neither group is not limited, one without identity is refused", async () => {
    const headers = { "x-sim-prompt-tokens": "300000", "x-groups": "staff" };
    for (let i = 0; i < 3; i += 1) {
      const { requestId, reply } = await ask(stack.proxyUrl, { user: "nora", headers });
      expect(reply.status).toBe(200);
      await recordOf(stack.apiUrl, requestId);
    }
    // The predicates cannot be evaluated without an identity, and that never switches a limit off.
    const anonymous = await send(stack.proxyUrl + CHAT_PATH, { body: CHAT });
    expect(anonymous.status).toBe(403);
    expect(JSON.parse(anonymous.text)).toMatchObject({
      error: { code: "policy_evaluation_failed" },
    });
  });
});
