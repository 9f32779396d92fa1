import { describe, expect, test } from "vitest";
import { promptText } from "../../../limitador-bridge/estimate/preview-prompt.ts";
import { llmRequest } from "../../../limitador-bridge/estimate/preview-request.ts";
import { CAPTURE } from "../../../limitador-bridge/usage/capture-pointers.ts";

const read = (path: string | null, body: Record<string, unknown>, bodyPointers: string[] = []) =>
  llmRequest({ api: null, path, body, bodyBytes: 10 }, { ...CAPTURE, bodyPointers });

describe("what the filter would read", () => {
  const plain = {
    model: null,
    stream: false,
    maxOutputTokens: null,
    choices: 1,
    inputBytes: 10,
  };

  test.each<[string, Record<string, unknown>, Record<string, unknown>]>([
    [
      "/v1/chat/completions?x=1",
      { model: "gpt-4o", stream: true, max_completion_tokens: 5, max_tokens: 9, n: 2 },
      {
        api: "openai.chat.completions",
        model: "gpt-4o",
        stream: true,
        maxOutputTokens: 9,
        choices: 2,
      },
    ],
    [
      "/v1/messages",
      { model: "claude-opus-4", max_tokens: 100 },
      { api: "anthropic.messages", model: "claude-opus-4", maxOutputTokens: 100 },
    ],
    [
      "/v1beta/models/gemini-2.0%2Dflash:streamGenerateContent",
      { generationConfig: { maxOutputTokens: 7, candidateCount: 3 } },
      {
        api: "gemini.generateContent",
        model: "gemini-2.0-flash",
        stream: true,
        maxOutputTokens: 7,
        choices: 3,
      },
    ],
    [
      "/openai/deployments/my-gpt/chat/completions",
      { model: "ignored by Azure" },
      { api: "openai.chat.completions", model: "my-gpt" },
    ],
    [
      "/model/anthropic.claude-v2/converse",
      { inferenceConfig: { maxTokens: 9 } },
      { api: "bedrock.converse", model: "anthropic.claude-v2", maxOutputTokens: 9 },
    ],
    ["/other", { model: 5, n: 0, max_tokens: -1, stream: "yes" }, { api: null }],
  ])("%s", (path, body, expected) => {
    expect(read(path, body)).toEqual({ ...plain, ...expected });
  });

  test("values that policies read, and nothing of the prototype", () => {
    const body = { user: "u", "a/b": { "~": [1, { x: null }] } };
    const pointers = ["/user", "/a~1b/~0/1/x", "/constructor/name", "/missing", "/user/0"];
    expect(read(null, body, pointers)).toEqual({
      ...plain,
      api: null,
      body: { "/user": "u", "/a~1b/~0/1/x": null },
    });
  });
});

describe("the text of a prompt", () => {
  test("OpenAI chat: contents, roles and names, the form around them", () => {
    const messages = [
      { role: "system", content: "be brief" },
      {
        role: "user",
        name: "ann",
        content: [
          { type: "text", text: "what is this" },
          { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } },
        ],
      },
      { role: "assistant", content: null, tool_calls: [{ id: "1", function: { name: "f" } }] },
    ];
    expect(promptText({ model: "gpt-4o", messages, max_tokens: 5 })).toEqual({
      texts: ["system", "be brief", "user", "ann", "what is this", "assistant", "f"],
      overheadTokens: 12,
      isPartial: true,
      hasMedia: true,
    });
  });

  test("Anthropic, Gemini, completions, embeddings, Cohere", () => {
    expect(promptText({ system: [{ type: "text", text: "s" }], messages: [] })).toEqual({
      texts: ["s"],
      overheadTokens: 3,
      isPartial: false,
      hasMedia: false,
    });
    const contents = [{ role: "user", parts: [{ text: "t" }, { inlineData: { data: "AAAA" } }] }];
    expect(promptText({ contents, systemInstruction: { parts: [{ text: "i" }] } })).toEqual({
      texts: ["user", "t", "i"],
      overheadTokens: 0,
      isPartial: true,
      hasMedia: true,
    });
    expect(promptText({ prompt: "p", suffix: "q" }).texts).toEqual(["p", "q"]);
    expect(promptText({ input: ["a", "b"] }).texts).toEqual(["a", "b"]);
    expect(promptText({ query: "q", documents: ["d", { text: "e" }] }).texts).toEqual([
      "q",
      "d",
      "e",
    ]);
  });

  test("tools are text of about their length", () => {
    const tools = [{ type: "function", function: { name: "f" } }];
    expect(promptText({ prompt: "p", tools })).toEqual({
      texts: ["p", '[{"type":"function","function":{"name":"f"}}]'],
      overheadTokens: 0,
      isPartial: true,
      hasMedia: false,
    });
  });

  test("nesting has an end", () => {
    let value: unknown = "deep";
    for (let i = 0; i < 100_000; i++) value = [value];
    expect(promptText({ input: value })).toEqual({
      texts: [],
      overheadTokens: 0,
      isPartial: true,
      hasMedia: false,
    });
  });
});
