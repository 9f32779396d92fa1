/** Errors inside an answer with status 200, however they are told. */
import { describe, expect, test } from "vitest";
import { outcomeOf } from "../../../limitador-bridge/usage/ending.ts";
import { figures, interpret, RESPONSES, record, streamed, whole } from "./exchanges.ts";

const CONVERSE = "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream";
const LONG = "x".repeat(600);
const NOTHING = { source: "none", reason: "error_in_body" };

/** The settlement of a Bedrock stream with these documents in its frames. */
function frames(...documents: object[]) {
  const sse = streamed(documents, { path: CONVERSE, request: { messages: [] } });
  return { ...sse, framing: "eventstream" as const, outcome: "truncated" as const };
}

describe("before any output nothing is charged", () => {
  test("an exception frame of Bedrock", () => {
    expect(interpret(frames({ message: "Too many requests" }))).toMatchObject(NOTHING);
    expect(interpret(frames({ message: LONG }))).toMatchObject(NOTHING);
  });

  test("an error event of OpenAI's Responses", () => {
    const created = { type: "response.created", response: { id: "r", usage: null, model: "m" } };
    const error = { type: "error", code: "server_error", message: "no", param: null };
    const request = { model: "gpt-4o", input: "Hi", stream: true };
    for (const events of [[error], [created, error]]) {
      expect(interpret(streamed(events, { path: RESPONSES, request }))).toMatchObject(NOTHING);
    }
  });

  test.each([
    ["a text", { error: LONG }],
    ["a message", { error: { message: LONG } }],
  ])("%s too long to be kept", (_, body) => {
    expect(whole(body).facts).toMatchObject(
      typeof body.error === "string" ? { "/error": true } : { "/error/message": true },
    );
    expect(interpret(whole(body))).toMatchObject(NOTHING);
    expect(interpret(streamed([body]))).toMatchObject(NOTHING);
  });
});

describe("after output, what came is charged", () => {
  test("an exception frame of Bedrock", () => {
    const text = { contentBlockDelta: { delta: { text: "x".repeat(45) } } };
    const usage = interpret(
      frames({ contentBlockDelta: text.contentBlockDelta }, { message: "no" }),
    );
    expect(figures(usage)).toMatchObject({ source: "estimated", outputText: 10 });
  });

  test("a message that is no exception's is no error", () => {
    const usage = { prompt_tokens: 5, completion_tokens: 2 };
    expect(interpret(whole({ message: "a text", usage })).source).toBe("reported");
    expect(interpret(whole({ message: "a text" }))).toMatchObject({ source: "estimated" });
  });
});

describe("the outcome of a provider's error status", () => {
  test.each([400, 429, 500, 529])("%i is upstream_error, with or without usage", (status) => {
    const refused = whole({ error: { message: "no" } }, { status });
    expect(outcomeOf(refused, interpret(refused))).toBe("upstream_error");
    const billed = whole({ usage: { prompt_tokens: 5, completion_tokens: 0 } }, { status });
    const usage = interpret(billed);
    expect([usage.source, outcomeOf(billed, usage)]).toEqual(["reported", "upstream_error"]);
    const page = record("<html>", "text/html", { status });
    expect(outcomeOf({ ...page, outcome: "truncated" }, interpret(page))).toBe("upstream_error");
  });

  test("a client that left before all of it came is one that left", () => {
    const left = whole({ error: { message: "no" } }, { status: 500, outcome: "client_disconnect" });
    expect(outcomeOf(left, interpret(left))).toBe("client_disconnect");
  });

  test("a status below is no error", () => {
    const fine = whole({ usage: { prompt_tokens: 5, completion_tokens: 2 } }, { status: 399 });
    expect(outcomeOf(fine, interpret(fine))).toBe("ok");
  });
});

describe("usage that is too long to be kept", () => {
  const usage = { prompt_tokens: 5, completion_tokens: 2, detail: "x".repeat(17_000) };
  const text = { choices: [{ message: { content: "x".repeat(45) }, finish_reason: "stop" }] };

  test("is told as the reason of the estimate", () => {
    const lost = whole({ ...text, usage });
    expect(lost.usage).toEqual([true]);
    const got = interpret(lost);
    expect([got.source, got.reason, got.tokens.outputText]).toEqual([
      "estimated",
      "usage_too_long",
      10,
    ]);
  });

  test("what else was told is not taken for the last word", () => {
    const events = [{ ...text, usage: { prompt_tokens: 5, completion_tokens: 1 } }, { usage }];
    const got = interpret(streamed([...events, "[DONE]"]));
    expect([got.source, got.reason, got.tokens.inputText]).toEqual([
      "estimated",
      "usage_too_long",
      5,
    ]);
  });
});
