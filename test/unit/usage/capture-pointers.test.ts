import Value from "typebox/value";
import { describe, expect, test } from "vitest";
import { FilterConfig } from "../../../limitador-bridge/contract/filter.ts";
import { UNCHARGED_APIS } from "../../../limitador-bridge/usage/api-routes.ts";
import { CAPTURE } from "../../../limitador-bridge/usage/capture-pointers.ts";
import { textBytes } from "../../../limitador-bridge/usage/text-bytes.ts";
import { matchRoute } from "../../corpus/reference-capture.ts";

describe("the filter's lists", () => {
  test("are what the contract says", () => {
    const config = {
      ...CAPTURE,
      version: "1",
      failureMode: "allow",
      attributes: { headers: [], properties: [], metadata: [] },
      request: { ...CAPTURE.request, body: [] },
    };
    expect([...Value.Errors(FilterConfig, config)]).toEqual([]);
  });

  test("name no pointer twice, in no two lists", () => {
    const { usage, facts, text, base64 } = CAPTURE.response;
    const all = [...usage, ...facts, ...text, ...base64];
    expect(all.filter((pointer, at) => all.indexOf(pointer) !== at)).toEqual([]);
    expect(all.filter((pointer) => !pointer.startsWith("/"))).toEqual([]);
  });

  test("every API has an error body, which is JSON once it is filled in", () => {
    const shapes = new Set(CAPTURE.apis.map(({ errorShape }) => errorShape));
    expect([...shapes].filter((shape) => CAPTURE.errors[shape] === undefined)).toEqual([]);
    const filled = Object.values(CAPTURE.errors).map((body) => body.replace("$status", "429"));
    expect(filled.map((body) => typeof JSON.parse(body))).toEqual(filled.map(() => "object"));
  });

  test("only OpenAI's own shape is asked for usage in streams", () => {
    const asked = CAPTURE.apis.filter(({ includeUsage }) => includeUsage).map(({ api }) => api);
    expect(new Set(asked)).toEqual(new Set(["openai.chat.completions", "openai.completions"]));
  });
});

describe("who refuses to be asked for usage is not", () => {
  test("Mistral, by the names of its models, and of no other's", () => {
    const asking = CAPTURE.apis.filter(({ includeUsage }) => includeUsage);
    const refuses = (model: string) =>
      asking.map(({ includeUsageExcept = [] }) =>
        includeUsageExcept.some((beginning) => model.startsWith(beginning)),
      );
    for (const model of ["mistral-large-latest", "codestral-2508", "open-mixtral-8x7b"]) {
      expect(refuses(model)).toEqual(asking.map(() => true));
    }
    for (const model of ["gpt-4o", "mistralai/Mistral-7B-Instruct-v0.2", "mistral:7b"]) {
      expect(refuses(model)).toEqual(asking.map(() => false));
    }
  });

  test.each(["/serving-endpoints/chat/completions", "/serving-endpoints/llama/invocations"])(
    "Databricks: %s",
    (path) => {
      expect(matchRoute("POST", path).route).toMatchObject({
        api: "openai.chat.completions",
        includeUsage: false,
      });
    },
  );
});

describe("routes", () => {
  test.each([
    ["/openai/deployments/my-gpt/chat/completions", "openai.chat.completions", "my-gpt"],
    ["/compatible-mode/v1/chat/completions", "openai.chat.completions", null],
    ["/v1/completions", "openai.completions", null],
    ["/v1/embeddings", "openai.embeddings", null],
    ["/anthropic/v1/messages", "anthropic.messages", null],
    [
      "/v1/projects/p/locations/l/publishers/anthropic/models/claude-x:streamRawPredict",
      "anthropic.messages",
      "claude-x",
    ],
    [
      "/v1beta/models/gemini-2.5-pro:streamGenerateContent",
      "gemini.generateContent",
      "gemini-2.5-pro",
    ],
    [
      "/model/eu.anthropic.claude-haiku-4-5-20251001-v1:0/invoke",
      "bedrock.invoke",
      "eu.anthropic.claude-haiku-4-5-20251001-v1:0",
    ],
    ["/model/arn:aws:bedrock:eu:1:inference-profile/eu.x/converse", "bedrock.converse", "eu.x"],
    ["/v2/chat", "cohere.chat", null],
    ["/api/generate", "ollama.generate", null],
    ["/ml/v1/text/generation_stream", "watsonx.generation", null],
    ["/v1/threads/t/messages", null, null],
  ])("%s", (path, api, model) => {
    const { route, model: found } = matchRoute("POST", path);
    expect([route?.api ?? null, found]).toEqual([api, model]);
  });

  test("what counts tokens only is told from what answers", () => {
    const api = (path: string) => matchRoute("POST", path).route?.api ?? "";
    expect(UNCHARGED_APIS.has(api("/v1/messages/count_tokens"))).toBe(true);
    expect(UNCHARGED_APIS.has(api("/v1/messages"))).toBe(false);
  });

  test("a response is fetched by GET and cancelled by POST", () => {
    const api = (method: string, path: string) => matchRoute(method, path).route?.api;
    expect(api("GET", "/v1/responses/resp_1")).toBe("openai.responses.retrieve");
    expect(api("POST", "/v1/responses/resp_1/cancel")).toBe("openai.responses.retrieve");
    expect(api("POST", "/v1/responses")).toBe("openai.responses");
    expect(api("GET", "/v1/chat/completions")).toBe(undefined);
  });
});

describe("text", () => {
  test("distinct places add up, repetitions do not", () => {
    expect(textBytes({ "/delta": 10, "/response/output/*/content/*/text": 10, "/text": 10 })).toBe(
      10,
    );
    expect(textBytes({ "/response/output/*/content/*/text": 7 })).toBe(7);
    expect(textBytes({ "/delta/text": 3, "/delta/thinking": 4 })).toBe(7);
    expect(textBytes({ "/not/a/pointer": 9 })).toBe(0);
  });
});
