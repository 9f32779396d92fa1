import { expect, test } from "vitest";
import type { Prices } from "../../../limitador-bridge/admission/ports.ts";
import { servable } from "../../../limitador-bridge/admission/servable.ts";

const PROVIDERS: Record<string, string> = { "in-house": "openai", elsewhere: "groq" };
const prices = {
  priceOf: (model: string) => {
    const provider = PROVIDERS[model];
    return provider === undefined ? null : { provider };
  },
} as unknown as Prices;

const CHAT = "openai.chat.completions";
const apis = [{ path: "/models/{model}:generateContent" }, { path: "/v1/chat/completions" }];

test.each<[string, string, boolean]>([
  ["gpt-4o", "gpt-4o-mini", true],
  ["gpt-4o", "claude-opus-4", false],
  ["gpt-4o", "in-house", true],
  ["gpt-4o", "elsewhere", false],
  ["big", "small", true],
  ["gpt-4o", "small", true],
  ["big", "gpt-4o-mini", true],
  ["big", "claude-opus-4", false],
  ["elsewhere", "small", true],
  ["elsewhere", "gpt-4o-mini", false],
])("a request for %s may run on %s: %s", (model, other, may) => {
  const asked = { api: CHAT, model, path: "/v1/chat/completions" };
  expect(servable(asked, apis as never, prices, 0)(other)).toBe(may);
});

test("where the path names the model, no other", () => {
  const asked = { api: "gemini.generate", model: "big", path: "/v1/models/big:generateContent" };
  const may = servable(asked, apis as never, prices, 0);
  expect([may("big"), may("small")]).toEqual([true, false]);
});

test.each<[api: string, path: string, may: boolean]>([
  ["openai.chat.completions", "/v1/chat/completions", true],
  ["openai.responses", "/v1/responses", true],
  ["openai.embeddings", "/v1/embeddings", false],
  ["openai.images", "/v1/images/generations", false],
  ["openai.audio.speech", "/v1/audio/speech", false],
  ["openai.audio.transcriptions", "/v1/audio/transcriptions", false],
  ["openai.moderations", "/v1/moderations", false],
  ["openai.completions", "/v1/completions", false],
  ["cohere.rerank", "/v2/rerank", false],
  ["mistral.ocr", "/v1/ocr", false],
])("a request to %s may run on a model of chat: %s %s", (api, path, may) => {
  const runs = servable({ api, model: "gpt-4o", path }, apis as never, prices, 0);
  expect([runs("gpt-4o"), runs("gpt-4o-mini")]).toEqual([true, may]);
});
