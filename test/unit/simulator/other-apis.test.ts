/** Completions, embeddings, refusals and plain answers. */
import { describe, expect, test } from "vitest";
import { eventData } from "../../e2e/client.ts";
import { CHAT, MESSAGE, openAiUsage, usageOf, useSimulator } from "./running-simulator.ts";

const { bill, post, request } = useSimulator();

describe("completions and embeddings", () => {
  test("completions: 16 tokens unless said, per prompt", async () => {
    const reply = await post("/v1/completions", { model: "m", prompt: ["a b", [1, 2, 3]] });
    expect(usageOf(reply)).toEqual(openAiUsage(5, 32));
  });

  test("completions as a stream", async () => {
    const body = { model: "m", prompt: "a", max_tokens: 2, stream: true };
    const reply = await post("/v1/completions", {
      ...body,
      stream_options: { include_usage: true },
    });
    const events = eventData(reply.text) as { choices: { text: string }[]; usage: unknown }[];
    expect(events.length).toBe(5);
    expect(events.slice(0, 3).map((event) => event.choices[0]?.text)).toEqual([
      "Tokens",
      " are",
      "",
    ]);
    expect(events.slice(0, 3).map((event) => event.usage)).toEqual([null, null, null]);
    expect(events[3]?.usage).toEqual(openAiUsage(1, 2));
    expect(events[4]).toBe("[DONE]");
  });

  test("embeddings", async () => {
    const reply = await post("/v1/embeddings", { model: "e", input: ["one two", "three"] });
    expect(usageOf(reply)).toEqual({ prompt_tokens: 3, total_tokens: 3 });
    expect(bill()).toMatchObject({ inputTokens: 3, outputTokens: 0 });
  });
});

describe("refusals and plain answers", () => {
  test.each([
    ["/v1/chat/completions", "{", {}, 400, "We could not parse the JSON body of your request."],
    ["/v1/messages", "[]", {}, 400, "The body must be a JSON object."],
    [
      "/v1/chat/completions",
      { ...CHAT, stream_options: { include_usage: true } },
      {},
      400,
      "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
    ],
    ["/v1/chat/completions", { messages: [] }, {}, 400, "you must provide a model parameter"],
    ["/v1/messages", { ...MESSAGE, max_tokens: undefined }, {}, 400, "max_tokens: Field required"],
    [
      "/v1/chat/completions",
      CHAT,
      { "x-sim-output-tokens": "many" },
      400,
      'x-sim-output-tokens: expected an integer from 0 to 1000000, got "many"',
    ],
    ["/v1/chat/completions", CHAT, { "x-sim-speed": "1" }, 400, "x-sim-speed: no such setting"],
    ["/v1/nothing", CHAT, {}, 404, "Invalid URL (POST /v1/nothing)"],
  ])("%s refuses %j", async (path, body, headers, status, message) => {
    const reply = await post(path, body, headers as Record<string, string>);
    expect(reply.status).toBe(status);
    expect(JSON.parse(reply.text)).toMatchObject({ error: { message } });
    if (path === "/v1/messages") expect(JSON.parse(reply.text)).toMatchObject({ type: "error" });
  });

  test("bill over HTTP, and its reset", async () => {
    await post("/v1/chat/completions", CHAT, { "x-user": "ann" });
    const line = { requests: 1, inputTokens: 6, outputTokens: 20, aborted: 0 };
    const expected = {
      ...line,
      errors: 0,
      byModel: { "gpt-4o-mini": line },
      byUser: { ann: line },
    };
    expect(JSON.parse((await request("/simulator/bill")).text)).toEqual(expected);
    await request("/simulator/bill", { method: "DELETE" });
    expect(JSON.parse((await request("/simulator/bill")).text)).toMatchObject({
      requests: 0,
      byModel: {},
      byUser: {},
    });
  });

  test("models and health", async () => {
    expect((await request("/healthz")).text).toBe('{"status":"ok"}');
    const models = JSON.parse((await request("/v1/models")).text) as { data: { id: string }[] };
    expect(models.data.map((model) => model.id)).toContain("gpt-4o-mini");
  });
});
