import { describe, expect, test } from "vitest";
import { outcomeOf } from "../../../limitador-bridge/usage/ending.ts";
import { figures, interpret, record, streamed, whole } from "./exchanges.ts";

describe("media", () => {
  test("transcriptions by duration, by tokens, and where nothing is said", () => {
    const path = "/v1/audio/transcriptions";
    const timed = { text: "Hello", usage: { type: "duration", seconds: 37 } };
    const byTime = interpret(whole(timed, { path }));
    expect([figures(byTime), byTime.otherUnits]).toEqual([
      { source: "reported" },
      { audio_seconds: 37 },
    ]);
    const counted = {
      text: "Hello",
      usage: {
        type: "tokens",
        input_tokens: 14,
        output_tokens: 5,
        input_token_details: { text_tokens: 2, audio_tokens: 12 },
        total_tokens: 19,
      },
    };
    expect(figures(interpret(whole(counted, { path })))).toEqual({
      source: "reported",
      inputText: 2,
      inputAudio: 12,
      outputText: 5,
    });
    const verbose = interpret(whole({ text: "Hello", duration: 8.2 }, { path }));
    expect([verbose.source, verbose.otherUnits]).toEqual(["reported", { audio_seconds: 9 }]);
    const bare = interpret(whole({ text: "x".repeat(150) }, { path }));
    expect([bare.source, bare.otherUnits]).toEqual(["estimated", { audio_seconds: 10 }]);
  });

  test.each([
    ["/v1/audio/transcriptions", "text/plain", "x".repeat(150)],
    ["/v1/audio/translations", "text/vtt", `WEBVTT\n\n${"data: y".repeat(20)}12`],
    ["/v1/audio/transcriptions", "application/x-subrip", `1\n${"z".repeat(148)}`],
    ["/v1/audio/transcriptions", "text/plain", `dat${"a".repeat(147)}`],
  ])("%s as %s, by its length", (path, type, body) => {
    const plain = record(body, type, { path });
    const usage = interpret(plain);
    expect([usage.reason, usage.otherUnits]).toEqual(["body_unreadable", { audio_seconds: 10 }]);
    const said = interpret(whole({ text: body }, { path }));
    expect([figures(usage), outcomeOf(plain, usage)]).toEqual([figures(said), "ok"]);
  });

  test("a transcript of silence is one second, whatever JSON is around it", () => {
    const segments = Array.from({ length: 50 }, (_, id) => ({ id }));
    const usage = interpret(whole({ text: "", segments }, { path: "/v1/audio/transcriptions" }));
    expect([usage.otherUnits, figures(usage)]).toEqual([
      { audio_seconds: 1 },
      { source: "estimated", outputText: 1 },
    ]);
  });

  test("images by the piece, or by tokens", () => {
    const path = "/v1/images/generations";
    const request = { model: "dall-e-2", prompt: "a cat", n: 3 };
    const bare = interpret(whole({ created: 1, data: [{ url: "u" }] }, { path, request }));
    expect([figures(bare), bare.otherUnits]).toEqual([{ source: "reported" }, { images: 3 }]);
    const usage = {
      input_tokens: 13,
      output_tokens: 272,
      total_tokens: 285,
      input_tokens_details: { text_tokens: 10, image_tokens: 3 },
    };
    expect(figures(interpret(whole({ data: [], usage }, { path })))).toEqual({
      source: "reported",
      inputText: 10,
      inputImage: 3,
      outputImage: 272,
    });
  });

  const images = "/v1/images/generations";
  const gpt = { model: "gpt-image-1", prompt: "a cat", n: 2, stream: true };
  const partial = { type: "image_generation.partial_image", b64_json: "AAAA" };
  const inFull = { source: "estimated", inputText: expect.any(Number), outputImage: 8320 };

  test.each([
    [
      "client_disconnect",
      streamed([partial], { path: images, request: gpt, outcome: "client_disconnect" }),
    ],
    [
      "upstream_error",
      streamed([partial], { path: images, request: gpt, outcome: "upstream_error" }),
    ],
    ["ok", streamed([partial], { path: images, request: gpt })],
    ["ok", whole({ data: [{ b64_json: "AAAA" }], usage: null }, { path: images, request: gpt })],
    ["ok", record("<html>", "text/html", { path: images, request: gpt })],
  ])(
    "images by tokens whose usage did not come are estimated: %s, case %#",
    (outcome, exchange) => {
      const usage = interpret(exchange);
      expect(exchange.outcome).toBe(outcome);
      expect(figures(usage)).toEqual(inFull);
    },
  );

  test("…also of a deployment whose name says nothing, where it streams", () => {
    const given = { path: images, request: { ...gpt, model: "ours", n: 1 } };
    expect(interpret(streamed([partial], given)).tokens.outputImage).toBe(4160);
  });

  test("…of the model that was sent in place of the one that was asked for", () => {
    const request = { model: "dall-e-3", prompt: "a cat", n: 1 };
    const asked = streamed([partial], { path: images, request });
    const exchange = { ...asked, llm: { ...asked.llm, stream: false } };
    const sent = { ...exchange, modelSent: "gpt-image-1" };
    expect(interpret(sent).tokens.outputImage).toBe(4160);
    expect(interpret(exchange).tokens.outputImage).toBe(0);
  });

  test("…of no more images than the API makes at once", () => {
    const request = { ...gpt, n: Number.MAX_SAFE_INTEGER };
    const usage = interpret(streamed([partial], { path: images, request }));
    expect(usage.tokens.outputImage).toBe(41_600);
  });

  test("of an image answer that is cut the images asked for count", () => {
    const request = { model: "dall-e-3", prompt: "a cat", n: 3 };
    const cut = record('{"created":1,"data":[{"b64', "application/json", { path: images, request });
    const usage = interpret(cut);
    expect([usage.source, usage.otherUnits]).toEqual(["estimated", { images: 3 }]);
    expect(usage.tokens.outputImage).toBe(0);
  });

  test.each([
    ["transcript.text.done", "/v1/audio/transcriptions"],
    ["image_generation.completed", images],
  ])("a stream that is lost after its %s has told all", (type, path) => {
    const usage = { type: "tokens", input_tokens: 14, output_tokens: 41, total_tokens: 55 };
    const request = { model: "m", stream: true };
    const given = { path, request, outcome: "client_disconnect" as const };
    expect(interpret(streamed([{ type, usage }], given))).toMatchObject({ source: "reported" });
  });

  test("an image request that failed costs nothing", () => {
    const body = { error: { message: "no", code: "content_policy" } };
    expect(interpret(whole(body, { path: "/v1/images/generations" }))).toMatchObject({
      source: "none",
      reason: "error_in_body",
    });
  });
});
