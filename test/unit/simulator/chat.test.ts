/** POST …/chat/completions: exact bodies, streams and usage. */
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { eventData } from "../../e2e/client.ts";
import { CHAT, openAiUsage, TEXT, usageOf, useSimulator } from "./running-simulator.ts";

const { bill, post } = useSimulator();

describe("chat completions as JSON", () => {
  test("exact body", async () => {
    const reply = await post("/any/prefix/v1/chat/completions?x=1", CHAT);
    expect(reply.status).toBe(200);
    expect(reply.headers["content-type"]).toBe("application/json");
    expect(reply.headers["content-length"]).toBe(String(reply.body.length));
    expect(reply.text).toBe(
      '{"id":"chatcmpl-fixed","object":"chat.completion","created":1700000000,' +
        '"model":"gpt-4o-mini","choices":[{"index":0,"message":{"role":"assistant",' +
        `"content":"${TEXT}","refusal":null,"annotations":[]},"logprobs":null,` +
        '"finish_reason":"stop"}],"usage":{"prompt_tokens":6,"completion_tokens":20,' +
        '"total_tokens":26,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},' +
        '"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,' +
        '"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},' +
        '"service_tier":"default","system_fingerprint":"fp_tollgate_sim"}',
    );
  });

  test.each([
    ["max_tokens", { max_tokens: 3 }, 3, "length"],
    ["max_completion_tokens wins", { max_tokens: 9, max_completion_tokens: 2 }, 2, "length"],
    ["exactly enough", { max_tokens: 20 }, 20, "stop"],
    ["n", { n: 3, max_tokens: 4 }, 12, "length"],
    ["stop", { stop: [" every", " as they"] }, 3, "stop"],
    ["stop inside a word counts it", { stop: "unted" }, 3, "stop"],
  ])("%s", async (_name, extra, tokens, finish) => {
    const reply = await post("/v1/chat/completions", { ...CHAT, ...extra });
    const { choices } = JSON.parse(reply.text) as { choices: { finish_reason: string }[] };
    expect(usageOf(reply)).toEqual(openAiUsage(6, tokens));
    expect(choices.map((choice) => choice.finish_reason)).toEqual(choices.map(() => finish));
    expect(choices.length).toBe("n" in extra ? 3 : 1);
  });

  test("usage set by headers, reasoning first under a cap", async () => {
    const headers = {
      "x-sim-prompt-tokens": "1000",
      "x-sim-cached-tokens": "900",
      "x-sim-reasoning-tokens": "30",
      "x-sim-output-tokens": "50",
    };
    const free = await post("/v1/chat/completions", CHAT, headers);
    const capped = await post("/v1/chat/completions", { ...CHAT, max_tokens: 40 }, headers);
    expect(usageOf(free)).toEqual(openAiUsage(1000, 80, 900, 30));
    expect(usageOf(capped)).toEqual(openAiUsage(1000, 40, 900, 30));
  });

  test.each([
    ["missing", undefined],
    ["null", null],
    ["malformed", { prompt_tokens: "many", completion_tokens: -1, total_tokens: 1.5 }],
    ["zero", openAiUsage(0, 0)],
  ])("usage %s", async (shape, usage) => {
    expect(usageOf(await post("/v1/chat/completions", CHAT, { "x-sim-usage": shape }))).toEqual(
      usage,
    );
    const truth = shape === "zero" ? [0, 0] : [6, 20];
    const { inputTokens, outputTokens } = bill();
    expect([inputTokens, outputTokens]).toEqual(truth);
  });
});

describe("chat completions as a stream", () => {
  const head =
    'data: {"id":"chatcmpl-fixed","object":"chat.completion.chunk","created":1700000000,' +
    '"model":"gpt-4o-mini","service_tier":"default","system_fingerprint":"fp_tollgate_sim",' +
    '"choices":[';
  const choice = (delta: string, finish = "null") =>
    `{"index":0,"delta":${delta},"logprobs":null,"finish_reason":${finish}}`;
  const exact = (tail: string, usageChunk: string) =>
    [
      `${head}${choice('{"role":"assistant","content":"","refusal":null}')}${tail}`,
      `${head}${choice('{"content":"Tokens"}')}${tail}`,
      `${head}${choice('{"content":" are"}')}${tail}`,
      `${head}${choice("{}", '"length"')}${tail}`,
      usageChunk,
      "data: [DONE]\n\n",
    ].join("");
  const body = { ...CHAT, stream: true, max_tokens: 2 };

  test("says nothing of usage when not asked", async () => {
    const reply = await post("/v1/chat/completions", body);
    expect(reply.headers["content-type"]).toBe("text/event-stream; charset=utf-8");
    expect(reply.text).toBe(exact("]}\n\n", ""));
  });

  test("include_usage adds null members and a last chunk", async () => {
    const reply = await post("/v1/chat/completions", {
      ...body,
      stream_options: { include_usage: true },
    });
    const usage = JSON.stringify(openAiUsage(6, 2));
    expect(reply.text).toBe(exact('],"usage":null}\n\n', `${head}],"usage":${usage}}\n\n`));
  });

  test("n choices take turns", async () => {
    const reply = await post("/v1/chat/completions", { ...body, n: 2 });
    const indexes = eventData(reply.text)
      .slice(0, -1)
      .map((chunk) => (chunk as { choices: { index: number }[] }).choices[0]?.index);
    expect(indexes).toEqual([0, 1, 0, 1, 0, 1, 0, 1]);
    expect(bill().outputTokens).toBe(4);
  });

  test.each([
    ["crlf", "\r\n"],
    ["cr", "\r"],
  ])("line ends %s", async (name, newline) => {
    const reply = await post("/v1/chat/completions", body, { "x-sim-newline": name });
    expect(reply.text).toBe(exact("]}\n\n", "").replaceAll("\n", newline));
  });

  test("pieces of N bytes and gzip change nothing but the wire", async () => {
    const whole = exact("]}\n\n", "");
    const split = await post("/v1/chat/completions", body, { "x-sim-split-bytes": "7" });
    expect(split.text).toBe(whole);
    expect(split.pieces.length).toBeGreaterThan(20);
    for (const headers of [{}, { "x-sim-chunk-delay-ms": "1" }, { "x-sim-split-bytes": "5" }]) {
      const gzip = await post("/v1/chat/completions", body, { "x-sim-gzip": "1", ...headers });
      expect(gzip.headers["content-encoding"]).toBe("gzip");
      expect(gunzipSync(gzip.body).toString()).toBe(whole);
    }
  });

  test("gzip auto follows accept-encoding", async () => {
    const encodings = ["gzip, br", "*", "br", "gzip;q=0", "identity"];
    const answered = await Promise.all(
      encodings.map(async (accepted) => {
        const headers = { "x-sim-gzip": "auto", "accept-encoding": accepted };
        const reply = await post("/v1/chat/completions", body, headers);
        return reply.headers["content-encoding"] ?? "none";
      }),
    );
    expect(answered).toEqual(["gzip", "gzip", "none", "none", "none"]);
  });
});
