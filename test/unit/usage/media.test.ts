import { describe, expect, test } from "vitest";
import { figures, interpret, whole } from "./exchanges.ts";

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

  test("an image request that failed costs nothing", () => {
    const body = { error: { message: "no", code: "content_policy" } };
    expect(interpret(whole(body, { path: "/v1/images/generations" }))).toMatchObject({
      source: "none",
      reason: "error_in_body",
    });
  });
});
