import { describe, expect, test } from "vitest";
import { figures, interpret, record, streamed, whole } from "./exchanges.ts";

const request = { model: "gpt-4o", messages: [{ role: "user", content: "x".repeat(300) }] };
/** Of `request`: its bytes without the JSON around, by the ratio to start with. */
const ESTIMATED_INPUT = 54;
const answer = (usage: unknown) => ({
  object: "chat.completion",
  model: "gpt-4o",
  choices: [{ message: { content: "x".repeat(90) }, finish_reason: "stop" }],
  usage,
});

describe("the proxy stopped waiting", () => {
  const timedOut = (details: string, status: number) => ({
    ...record("upstream request timeout", "text/plain", { status, request }),
    outcome: "upstream_error" as const,
    details,
  });

  test.each([
    ["response_timeout", 504],
    ["upstream_response_timeout", 504],
    ["upstream_per_try_timeout", 504],
    ["upstream_per_try_idle_timeout", 504],
    ["upstream_max_stream_duration_reached", 408],
    ["stream_idle_timeout", 504],
    ["max_duration_timeout", 408],
    ["stream_idle_timeout", 0],
  ])("%s with status %i: the provider has the request, so its input is charged", (...given) => {
    const usage = interpret(timedOut(...given));
    expect(usage.reason).toBe("timed_out");
    expect(figures(usage)).toEqual({ source: "estimated", inputText: ESTIMATED_INPUT });
  });

  test("before the request was let go nothing is charged", () => {
    const held = { ...timedOut("stream_idle_timeout", 504), forwarded: false };
    expect(interpret(held)).toMatchObject({ source: "none", reason: "not_forwarded" });
  });

  test("after a stream began, what came of it is charged", () => {
    const events = [{ model: "gpt-4o", choices: [{ delta: { content: "x".repeat(45) } }] }];
    const cut = {
      ...streamed(events, { request, outcome: "upstream_error" }),
      details: "response_timeout",
    };
    expect(figures(interpret(cut))).toEqual({
      source: "estimated",
      inputText: ESTIMATED_INPUT,
      outputText: 10,
    });
  });
});

describe("an answer that Envoy cannot read", () => {
  const broken = (details: string) => ({
    ...record("upstream connect error", "text/plain", { status: 502, request }),
    outcome: "upstream_error" as const,
    details: `upstream_reset_before_response_started{${details}}`,
  });

  test.each(["protocol_error", "protocol_error|headers_count_exceeds_limit"])(
    "%s: its input is charged",
    (details) => {
      const usage = interpret(broken(details));
      expect(usage.reason).toBe("answer_unreadable");
      expect(figures(usage)).toEqual({ source: "estimated", inputText: ESTIMATED_INPUT });
    },
  );

  test.each(["connection_termination", "remote_connection_failure|delayed_connect_error:_111"])(
    "%s: no answer had begun, nothing is charged",
    (details) => {
      const usage = interpret(broken(details));
      expect(usage).toMatchObject({ source: "none", reason: "error_status" });
    },
  );
});

describe("free of charge", () => {
  const usage = { prompt_tokens: 10, completion_tokens: 5 };

  test.each([400, 401, 404, 429, 500, 503, 504])(
    "a provider's status %i without usage",
    (status) => {
      const details = "via_upstream";
      for (const body of [answer(undefined), answer(null), answer({}), { error: { code: 1 } }]) {
        expect(interpret({ ...whole(body, { status, request }), details })).toMatchObject({
          source: "none",
          reason: "error_status",
        });
      }
    },
  );

  test("an error is charged what it says that it used, and 0 is 0", () => {
    const failed = { error: { message: "tool failed" }, usage };
    const got = interpret({ ...whole(failed, { status: 424 }), details: "via_upstream" });
    expect(figures(got)).toEqual({ source: "reported", inputText: 10, outputText: 5 });
    const nothing = { ...failed, usage: { prompt_tokens: 0, completion_tokens: 0 } };
    expect(interpret(whole(nothing, { status: 500 })).reason).toBe("error_status");
    const half = { ...failed, usage: { prompt_tokens: 10, completion_tokens: "5" } };
    expect(interpret(whole(half, { status: 500 })).reason).toBe("error_status");
  });

  test("an error of an API that is billed by the piece made no piece", () => {
    const path = "/v1/images/generations";
    const html = record("<html>500</html>", "text/html", { path, status: 500, request });
    expect(figures(interpret(html))).toEqual({ source: "none" });
    const headers = { "x-amzn-bedrock-input-token-count": "30" };
    const invoke = { path: "/model/any/invoke", status: 424, headers };
    expect(figures(interpret(whole({ message: "no" }, invoke)))).toEqual({ source: "none" });
  });

  test.each([
    "no_healthy_upstream",
    "cluster_not_found",
    "upstream_reset_before_response_started{connection_failure}",
    "upstream_reset_before_response_started{overflow}",
    "upstream_reset_before_response_started{connection_termination}",
    "ext_authz_denied",
  ])("the proxy's own answer where nothing ran: %s", (details) => {
    const local = record("no upstream", "text/plain", { status: 503, request });
    expect(interpret({ ...local, outcome: "upstream_error", details })).toMatchObject({
      source: "none",
      reason: "error_status",
    });
  });

  test("moderation and an empty conversation of OpenAI; others say what they used", () => {
    const path = "/v1/moderations";
    const results = [{ flagged: false }];
    expect(interpret(whole({ id: "modr-1", results }, { path, request })).reason).toBe(
      "uncharged_endpoint",
    );
    const mistral = { model: "mistral-moderation", results, usage: { total_tokens: 7 } };
    expect(figures(interpret(whole(mistral, { path, request })))).toEqual({
      source: "reported",
      inputText: 7,
    });
    const created = { id: "conv_1", object: "conversation", metadata: {} };
    expect(interpret(whole(created, { path: "/v1/conversations", request })).source).toBe("none");
  });

  test.each([
    "/v1/messages/count_tokens",
    "/v1/responses/input_tokens",
    "/v1beta/models/gemini-2.5-flash:countTokens",
    "/model/anthropic.claude-sonnet-4-20250514-v1%3A0/count-tokens",
    "/v1/tokenize",
  ])("counting tokens at %s", (path) => {
    expect(interpret(whole({ input_tokens: 14 }, { path }))).toMatchObject({
      source: "none",
      reason: "uncharged_endpoint",
    });
  });

  test("no response began: charged only where the client left", () => {
    const sent = {
      ...record("", "application/json", { request }),
      status: 0,
      framing: "none" as const,
    };
    expect(figures(interpret({ ...sent, outcome: "client_disconnect" }))).toEqual({
      source: "estimated",
      inputText: ESTIMATED_INPUT,
    });
    expect(interpret({ ...sent, outcome: "upstream_error" }).reason).toBe("no_response");
    expect(interpret({ ...sent, outcome: "client_disconnect", forwarded: false })).toMatchObject({
      source: "none",
      reason: "not_forwarded",
    });
  });
});
