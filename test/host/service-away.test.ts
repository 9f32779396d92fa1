import { describe, expect, test } from "vitest";
import type { Host, HttpCall } from "./host.ts";
import {
  admit,
  answerConfig,
  CHAT,
  CHAT_ANSWER,
  makeFilterConfig,
  request,
  respondJson,
  settle,
  startFilter,
  startTollgate,
} from "./tollgate.ts";

/** The ways in which Envoy 1.40 tells the filter that a service cannot be asked. */
const FAILURES: [string, (call: HttpCall) => void][] = [
  ["is not there (503 by Envoy)", (call) => call.refuse()],
  ["takes too long (504 by Envoy)", (call) => call.timeOut()],
  ["cuts the connection", (call) => call.fail()],
];

describe.each(FAILURES)("a service that %s", (_what, failCall) => {
  test("allow: the request passes, later ones without asking, all are settled after", () => {
    const host = startTollgate();
    const first = request(host, CHAT);
    failCall(host.pendingCall("/v1/admit"));
    expect(first.upstream.text).toBe(JSON.stringify(CHAT));
    respondJson(first, CHAT_ANSWER);
    for (let i = 0; i < 3; i++) {
      const later = request(host, CHAT);
      expect(host.pendingCalls("/v1/admit")).toHaveLength(0);
      expect(later.upstream.isEnded).toBe(true);
      respondJson(later, CHAT_ANSWER);
    }
    expect(host.metrics.value("tollgate_circuit_open")).toBe(1);
    comeBack(host);
    const records = settleAll(host);
    expect(records.map(({ reservation, usage }) => [reservation, usage])).toEqual(
      Array.from({ length: 4 }, () => [null, [CHAT_ANSWER.usage]]),
    );
    request(host, CHAT);
    expect(host.pendingCalls("/v1/admit")).toHaveLength(1);
    expect(host.metrics.value("tollgate_circuit_open")).toBe(0);
  });

  test("deny: a clear 503 in the API's shape, later ones at once", () => {
    const host = startTollgate({ filterConfig: { failureMode: "deny" } });
    const first = request(host, CHAT);
    failCall(host.pendingCall("/v1/admit"));
    const later = request(host, CHAT, { path: "/v1/messages" });
    expect(host.pendingCalls("/v1/admit")).toHaveLength(0);
    for (const stream of [first, later]) {
      expect(stream.upstream.headers).toBeNull();
      expect(stream.client.status).toBe(503);
      expect(stream.client.headers?.get("retry-after")).toBe("1");
    }
    const message =
      "The budget service does not answer, and the policies in force deny requests then.";
    expect(JSON.parse(first.client.text)).toEqual({
      error: { message, type: "server_error", param: null, code: "budget_service_unavailable" },
    });
    expect(JSON.parse(later.client.text)).toEqual({
      type: "error",
      error: { type: "api_error", message },
    });
  });
});

/** Answers every poll until the filter knows that the service is there. */
function comeBack(host: Host): void {
  for (let i = 0; i < 30; i++) {
    for (const call of host.pendingCalls("/v1/filter-config")) call.respond(304);
    host.advance(100);
  }
}

function settleAll(host: Host) {
  const records = [];
  for (let i = 0; i < 10; i++) records.push(...settle(host));
  return records;
}

test("calls that cannot even be sent count as failed", () => {
  const host = startTollgate();
  host.hasEndpoints = false;
  const stream = request(host, CHAT);
  expect(stream.upstream.isEnded).toBe(true);
  expect(host.metrics.value("tollgate_circuit_open")).toBe(1);
});

test("an answer that cannot be read counts as none", () => {
  const host = startTollgate({ filterConfig: { failureMode: "deny" } });
  for (const body of ["", "{", "[]", '{"verdict":"maybe"}', '{"verdict":"deny"}', "\0\xff"]) {
    const stream = request(host, CHAT);
    host.pendingCall("/v1/admit").respond(200, {}, body);
    expect(stream.client.status).toBe(503);
  }
});

describe("before any filter config has come", () => {
  test.each([
    ["deny", 503],
    ["allow", undefined],
  ] as const)("failure_mode %s decides once asking has failed", (failureMode, status) => {
    const host = startFilter({ configuration: { failure_mode: failureMode } });
    host.advance(10);
    const waiting = request(host, CHAT);
    host.pendingCall("/v1/filter-config").refuse();
    const later = request(host, CHAT);
    for (const stream of [waiting, later]) {
      expect(stream.client.status).toBe(status);
      expect(stream.upstream.isEnded).toBe(status === undefined);
    }
  });

  test.each([
    ["deny", 503],
    ["allow", undefined],
  ] as const)(
    "failure_mode %s decides where the first one cannot be read",
    (failureMode, status) => {
      const host = startFilter({ configuration: { failure_mode: failureMode } });
      host.advance(10);
      const waiting = request(host, CHAT);
      host.pendingCall("/v1/filter-config").respond(200, {}, { version: "v0" });
      expect(host.logText()).toContain("a filter config that cannot be read");
      expect(waiting.client.status).toBe(status);
      expect(waiting.upstream.isEnded).toBe(status === undefined);
      host.advance(300);
      answerConfig(host, makeFilterConfig());
      request(host, CHAT);
      expect(admit(host).llm.model).toBe("gpt-4o-mini");
    },
  );

  test("what passed then is settled once the service is there", () => {
    const host = startFilter({ configuration: { failure_mode: "allow" } });
    host.advance(10);
    host.pendingCall("/v1/filter-config").refuse();
    const stream = request(host, CHAT);
    respondJson(stream, CHAT_ANSWER);
    host.advance(300);
    answerConfig(host, makeFilterConfig());
    const [record] = settleAll(host);
    expect(record).toMatchObject({ reservation: null, status: 200, outcome: "ok" });
    expect(record?.llm.inputBytes).toBe(0);
  });
});

test("a new filter config is in force for the next request, a broken one is not", () => {
  const host = startTollgate();
  host.advance(1000);
  const poll = host.pendingCall("/v1/filter-config");
  expect(poll.headers.get("if-none-match")).toBe('"v1"');
  poll.respond(200, {}, "not json");
  expect(host.logText()).toContain("a filter config that cannot be read");
  request(host, CHAT).disconnect();
  host.advance(1000);
  const attributes = { headers: ["x-team"], properties: [], metadata: [] };
  answerConfig(host, makeFilterConfig({ version: "v2", attributes }));
  request(host, CHAT, { headers: { "x-team": "red" } });
  const calls = host.pendingCalls("/v1/admit");
  expect(calls.at(-1)?.json()).toMatchObject({
    attributes: { "request.headers": { "x-team": "red" } },
  });
});

test("an answer for a stream that is gone is ignored", () => {
  const host = startTollgate();
  const stream = request(host, CHAT);
  const call = host.pendingCall("/v1/admit");
  stream.disconnect();
  call.respond(200, {}, { verdict: "allow", requestHeaders: { a: "b" }, responseHeaders: {} });
  expect(host.contextCount).toBe(1);
  request(host, CHAT);
  expect(admit(host).llm.model).toBe("gpt-4o-mini");
});
