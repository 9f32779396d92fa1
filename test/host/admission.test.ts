import { describe, expect, test } from "vitest";
import {
  admit,
  admitRequest,
  answerConfig,
  CHAT,
  CHAT_ANSWER,
  makeFilterConfig,
  open,
  request,
  respondJson,
  settle,
  settleOne,
  startFilter,
  startTollgate,
} from "./tollgate.ts";

describe("a metered request", () => {
  test("is held until it is admitted, and then reaches the upstream unchanged", () => {
    const host = startTollgate();
    const text = JSON.stringify(CHAT);
    const stream = request(host, text);
    expect(stream.upstream.headers).toBeNull();
    expect(admit(host).llm).toEqual({
      api: "openai.chat.completions",
      model: "gpt-4o-mini",
      stream: false,
      maxOutputTokens: null,
      choices: 1,
      inputBytes: text.length,
    });
    expect(stream.upstream.text).toBe(text);
    expect(stream.upstream.isEnded).toBe(true);
    expect(stream.upstream.headers?.get("content-length")).toBe(String(text.length));
    expect(stream.upstream.headers?.has("accept-encoding")).toBe(false);
    respondJson(stream, CHAT_ANSWER);
    expect(stream.client.text).toBe(JSON.stringify(CHAT_ANSWER));
    expect(settleOne(host).reservation).toBe("reservation-1");
  });

  test("is read the same however its body is cut", () => {
    const host = startTollgate();
    const body = { ...CHAT, n: 3, max_tokens: 50, stream: true, "x\u00e4": "\u{1f600}" };
    const text = Buffer.from(JSON.stringify(body));
    const expected = {
      api: "openai.chat.completions",
      model: "gpt-4o-mini",
      stream: true,
      maxOutputTokens: 50,
      choices: 3,
      inputBytes: text.length,
    };
    for (let at = 0; at <= text.length; at++) {
      const stream = open(host, text);
      stream.requestBody(text.subarray(0, at));
      stream.requestBody(text.subarray(at), true);
      expect(admit(host).llm).toEqual(expected);
      const { stream_options, ...rest } = JSON.parse(stream.upstream.text);
      expect([rest, stream_options]).toEqual([body, { include_usage: true }]);
      stream.disconnect();
    }
  });

  test("carries the attributes that the filter config asks for", () => {
    const host = startTollgate({
      filterConfig: {
        attributes: {
          headers: ["x-team", "x-absent"],
          properties: [
            { name: "source.address", type: "string" },
            { name: "source.port", type: "int" },
            { name: "connection.mtls", type: "bool" },
            { name: "request.time", type: "timestamp" },
            { name: "no.such", type: "int" },
          ],
          metadata: [["envoy.filters.http.jwt_authn", "claims"], ["absent"]],
        },
      },
      host: { startMs: 1_700_000_000_000 },
    });
    const metadata = {
      "envoy.filters.http.jwt_authn": { claims: { sub: "u1", groups: ["a", "b"], n: 1.5 } },
      other: { secret: true },
    };
    request(host, CHAT, {
      headers: { "x-team": 'caf\u00e9 "x"', "x-other": "1" },
      properties: { metadata },
    });
    const call = host.pendingCall("/v1/admit");
    expect(admitRequest(call).attributes).toEqual({
      "request.path": "/v1/chat/completions",
      "request.method": "POST",
      "request.host": "llm.test",
      "request.headers": { "x-team": 'caf\u00e9 "x"' },
      "source.address": "127.0.0.1:40000",
      "source.port": 40000,
      "connection.mtls": false,
      "request.time": 1_700_000_000_010,
      metadata: { "envoy.filters.http.jwt_authn": metadata["envoy.filters.http.jwt_authn"] },
    });
  });

  test("carries once what is in the headers, also where the config asks for it", () => {
    const names = ["request.path", "request.method", "request.host"];
    const properties = names.map((name) => ({ name, type: "string" as const }));
    const host = startTollgate({
      filterConfig: { attributes: { headers: [], properties, metadata: [] } },
    });
    request(host, CHAT);
    const sent = host.pendingCall("/v1/admit").body.toString("utf8");
    expect(names.map((name) => sent.split(`"${name}":`).length - 1)).toEqual([1, 1, 1]);
  });

  test("goes with the service's headers, and the client's own x-tollgate headers are gone", () => {
    const host = startTollgate();
    const stream = request(host, CHAT, { headers: { "x-tollgate-model": "forged" } });
    admit(host, {
      requestHeaders: { "x-tollgate-route": "cheap" },
      responseHeaders: { "x-ratelimit-remaining": "5" },
    });
    expect(stream.upstream.headers?.has("x-tollgate-model")).toBe(false);
    expect(stream.upstream.headers?.get("x-tollgate-route")).toBe("cheap");
    respondJson(stream, CHAT_ANSWER);
    expect(stream.client.headers?.get("x-ratelimit-remaining")).toBe("5");
  });

  test("is sent with another model and a lower limit when the service says so", () => {
    const host = startTollgate();
    const stream = request(host, '{"max_tokens" : 900,\n "model":"gpt-4o", "messages":[]}');
    admit(host, { model: "gpt-4o-mini", maxOutputTokens: 120 });
    const sent = '{"max_tokens" : 120,\n "model":"gpt-4o-mini", "messages":[]}';
    expect(stream.upstream.text).toBe(sent);
    expect(stream.upstream.headers?.get("content-length")).toBe(String(sent.length));
    expect(stream.routeCacheClears).toBe(1);
    respondJson(stream, CHAT_ANSWER);
    expect(settleOne(host)).toMatchObject({ modelSent: "gpt-4o-mini", llm: { model: "gpt-4o" } });
  });
});

describe("what is not metered", () => {
  test.each([
    ["GET", "/v1/models", ""],
    ["POST", "/upload", "text/plain"],
    ["PUT", "/v1/chat/completions", "text/plain"],
  ])("%s %s is let go at once, with no call", (method, path, contentType) => {
    const host = startTollgate();
    const stream = request(host, "x=1", { method, path, headers: { "content-type": contentType } });
    expect(stream.upstream.text).toBe("x=1");
    expect(stream.upstream.headers?.get("accept-encoding")).toBe("gzip");
    respondJson(stream, CHAT_ANSWER);
    expect(stream.client.text).toBe(JSON.stringify(CHAT_ANSWER));
    expect([host.pendingCalls("/v1/admit"), settle(host)]).toEqual([[], []]);
  });

  test("JSON on an unknown path is let go when it is no LLM request", () => {
    const host = startTollgate();
    const stream = request(host, { model: "x", name: "no prompt" }, { path: "/api/things" });
    expect(host.pendingCalls("/v1/admit")).toEqual([]);
    expect(stream.upstream.text).toBe('{"model":"x","name":"no prompt"}');
  });

  test("JSON on an unknown path is metered when it looks like one", () => {
    const host = startTollgate();
    request(host, CHAT, { path: "/my/own/llm" });
    expect(admit(host).llm).toMatchObject({ api: null, model: "gpt-4o-mini" });
  });

  test("nor does the case of its content-type let it go", () => {
    const host = startTollgate();
    const headers = { "content-type": "Application/JSON; charset=utf-8" };
    request(host, CHAT, { path: "/my/own/llm", headers });
    expect(admit(host).llm).toMatchObject({ api: null, model: "gpt-4o-mini" });
  });
});

describe("paths cannot be spelled around the filter", () => {
  test.each([
    "/v1/chat/completions?x=1",
    "/v1/%63hat/completions",
    "/v1/chat/completions/",
    "/v1/chat/%63ompletions?stream",
    "/openai/v1/chat/completions#f",
    "/V1/Chat/COMPLETIONS",
  ])("%s", (path) => {
    const host = startTollgate();
    request(host, CHAT, { path });
    expect(admit(host).llm.api).toBe("openai.chat.completions");
  });

  test("in another case, with the model in the path", () => {
    const host = startTollgate();
    request(
      host,
      { messages: CHAT.messages },
      { path: "/openai/Deployments/My-4o/Chat/Completions" },
    );
    expect(admit(host).llm).toMatchObject({ api: "openai.chat.completions", model: "My-4o" });
  });

  test.each([
    ["/v1beta/models/gemini-2.5-flash%3AgenerateContent", "gemini-2.5-flash", false],
    ["/v1beta/models/gemini-2.5-flash%3astreamGenerateContent?alt=sse", "gemini-2.5-flash", true],
    ["/v1/models/qwen3%3A4b%3AgenerateContent", "qwen3:4b", false],
  ])("%s", (path, model, stream) => {
    const host = startTollgate();
    request(host, { contents: [{ parts: [{ text: "Hi" }] }] }, { path });
    expect(admit(host).llm).toMatchObject({ api: "gemini.generateContent", model, stream });
  });
});

describe("a denied request", () => {
  const deny = {
    status: 429,
    headers: { "content-type": "application/json", "retry-after": "30" },
    body: '{"error":{"message":"out of tokens"}}',
  };

  test("is answered as the service says, and never reaches the upstream", () => {
    const host = startTollgate();
    const stream = request(host, CHAT);
    admit(host, { verdict: "deny", reservation: null, deny });
    expect(stream.upstream.headers).toBeNull();
    expect(stream.client.headers?.toObject()).toEqual({
      ":status": "429",
      "content-type": "application/json",
      "retry-after": "30",
      "content-length": String(deny.body.length),
    });
    expect(stream.client.text).toBe(deny.body);
    expect(stream.client.isEnded).toBe(true);
    expect(stream.localReply?.details).toBe("tollgate_denied");
    expect(settle(host)).toEqual([]);
  });

  test("ends a request whose body is still coming, without asking twice", () => {
    const host = startTollgate({ configuration: { max_request_body_bytes: 20 } });
    const text = Buffer.from(JSON.stringify(CHAT));
    const stream = open(host, text);
    stream.requestBody(text);
    stream.requestBody("more");
    expect(stream.client.status).toBe(413);
    expect(JSON.parse(stream.client.text).error).toMatchObject({
      type: "invalid_request_error",
      code: "request_too_large",
    });
    expect(host.pendingCalls("/v1/admit")).toEqual([]);
  });
});

describe("before the first filter config", () => {
  test("a request waits for it, and is then metered by it", () => {
    const host = startFilter();
    host.advance(10);
    const stream = request(host, CHAT);
    expect(stream.isRequestHeld).toBe(true);
    answerConfig(host, makeFilterConfig());
    expect(admit(host).llm).toMatchObject({ model: "gpt-4o-mini" });
    expect(stream.upstream.text).toBe(JSON.stringify(CHAT));
  });

  test("other traffic does not wait", () => {
    const host = startFilter();
    const stream = request(host, "x", { method: "GET", path: "/health" });
    expect(stream.upstream.isEnded).toBe(true);
  });
});
