/** Which output limit of a request counts, and how it is lowered, whatever else the body holds. */
import { describe, expect, test } from "vitest";
import { llmRequest } from "../../limitador-bridge/estimate/preview-request.ts";
import { CAPTURE } from "../../limitador-bridge/usage/capture-pointers.ts";
import { admit, CHAT, CHAT_PATH, request, startTollgate } from "./tollgate.ts";

const MESSAGES = "/v1/messages";
const OLLAMA = "/api/chat";
const GEMINI = "/v1beta/models/gemini-2.5-flash:generateContent";
const INVOKE = "/model/meta.llama3-8b-instruct-v1:0/invoke";

const body = (members: string) =>
  `{"model":"m","messages":[]${members === "" ? "" : `,${members}`}}`;

describe("the output limit of a request is", () => {
  test.each<[path: string, members: string, expected: number | null]>([
    [CHAT_PATH, "", null],
    [CHAT_PATH, '"max_tokens":10', 10],
    [CHAT_PATH, '"max_completion_tokens":10', 10],
    // The largest of those that the API takes, in any order, and of two same keys.
    [CHAT_PATH, '"max_tokens":10,"max_completion_tokens":20', 20],
    [CHAT_PATH, '"max_completion_tokens":20,"max_tokens":10', 20],
    [CHAT_PATH, '"max_tokens":20,"max_tokens":10', 20],
    // What is no number may be no limit.
    [CHAT_PATH, '"max_tokens":10,"max_tokens":null', null],
    [CHAT_PATH, '"max_tokens":null,"max_tokens":10', null],
    [CHAT_PATH, '"max_tokens":10,"max_completion_tokens":"9"', null],
    [CHAT_PATH, '"max_completion_tokens":-1', null],
    [CHAT_PATH, '"max_tokens":0', 0],
    // Places that other APIs take say nothing.
    [CHAT_PATH, '"max_output_tokens":1,"max_gen_len":1,"max_tokens":10', 10],
    [CHAT_PATH, '"generationConfig":{"maxOutputTokens":1}', null],
    [MESSAGES, '"max_output_tokens":1,"max_tokens":100000', 100_000],
    [MESSAGES, '"max_completion_tokens":1', null],
    [OLLAMA, '"max_tokens":1,"options":{"num_predict":100000}', 100_000],
    [OLLAMA, '"options":{"num_predict":-1}', null],
    [OLLAMA, '"max_tokens":1', null],
    [GEMINI, '"max_tokens":1,"generationConfig":{"maxOutputTokens":7}', 7],
    // What is no text has none.
    ["/v1/images/generations", '"max_tokens":7', null],
    ["/v1/embeddings", '"max_tokens":7', null],
    // On these it depends on the model.
    [INVOKE, '"max_gen_len":7', 7],
    ["/anything", '"max_output_tokens":7', 7],
    ["/anything", '"max_output_tokens":7,"max_tokens":9', 9],
  ])("%s %s: %s", (path, members, expected) => {
    const host = startTollgate();
    const text = body(members);
    request(host, text, { path });
    expect(admit(host).llm.maxOutputTokens).toBe(expected);
    const parsed = JSON.parse(text);
    // A preview gets the body without the same key twice.
    if (JSON.stringify(parsed) !== text) return;
    const asked = { api: null, path, body: parsed, bodyBytes: text.length };
    const { apis, request: pointers } = CAPTURE;
    const preview = llmRequest(asked, { apis, request: pointers, bodyPointers: [] });
    expect(preview.maxOutputTokens).toBe(expected);
  });
});

test.each<[path: string, members: string, expected: number]>([
  [CHAT_PATH, '"n":3', 3],
  [CHAT_PATH, '"n":3,"n":1', 3],
  [CHAT_PATH, '"n":-3', 1],
  [GEMINI, '"n":1,"generationConfig":{"candidateCount":8}', 8],
])("the largest number of choices counts: %s %s: %i", (path, members, expected) => {
  const host = startTollgate();
  request(host, body(members), { path });
  expect(admit(host).llm.choices).toBe(expected);
});

describe("lowered to 50", () => {
  test.each<[members: string, sent: string]>([
    ['"max_completion_tokens":60', '"max_completion_tokens":50'],
    ['"max_completion_tokens":null', '"max_completion_tokens":50'],
    ['"max_completion_tokens":-1', '"max_completion_tokens":50'],
    ['"max_tokens":"many","x":1', '"max_tokens":50,"x":1'],
    ['"max_tokens":60,"max_tokens":null', '"max_tokens":50,"max_tokens":50'],
    ['"max_tokens":70,"max_completion_tokens":60', '"max_tokens":50,"max_completion_tokens":50'],
    ['"max_tokens":40', '"max_tokens":40'],
  ])("%s: %s", (members, sent) => {
    const host = startTollgate();
    const stream = request(host, body(members));
    admit(host, { maxOutputTokens: 50 });
    expect(stream.upstream.text).toBe(body(sent));
    expect(stream.upstream.headers?.get("content-length")).toBe(String(body(sent).length));
  });

  test("together with another model and the usage chunk", () => {
    const host = startTollgate();
    const stream = request(host, body('"max_tokens":60,"stream":true,"max_tokens":null'));
    admit(host, { maxOutputTokens: 50, model: "other" });
    expect(stream.upstream.text).toBe(
      '{"stream_options":{"include_usage":true},"model":"other","messages":[],' +
        '"max_tokens":50,"stream":true,"max_tokens":50}',
    );
  });

  test("nothing is promised where it stands more than twice", () => {
    const host = startTollgate();
    const text = body('"max_tokens":60,"max_tokens":60,"max_tokens":60');
    const stream = request(host, text);
    expect(admit(host, { maxOutputTokens: 50 }).llm).toMatchObject({
      maxOutputTokens: 60,
      rewritable: false,
    });
    expect(stream.upstream.text).toBe(text);
  });
});

test("what one request told is forgotten for the next", () => {
  const host = startTollgate();
  const first = request(host, body('"max_tokens":60,"max_tokens":null,"n":9'));
  admit(host);
  first.disconnect();
  request(host, CHAT);
  expect(admit(host).llm).toMatchObject({ maxOutputTokens: null, choices: 1 });
  const second = request(host, body('"max_tokens":60'));
  admit(host, { maxOutputTokens: 50 });
  expect(second.upstream.text).toBe(body('"max_tokens":50'));
});
