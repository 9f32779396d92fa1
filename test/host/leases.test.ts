/** What a lease admits, how it is renewed and given back; no request under one waits. */
import Value from "typebox/value";
import { describe, expect, test } from "vitest";
import {
  type AdmitAnswer,
  type Lease,
  type SettlementRecord,
  SettleRequest,
} from "../../limitador-bridge/contract/filter.ts";
import type { Host, Stream } from "./host.ts";
import {
  admit,
  admitRequest,
  answerConfig,
  CHAT,
  CHAT_ANSWER,
  makeFilterConfig,
  type RequestOptions,
  request,
  respondJson,
  startTollgate,
} from "./tollgate.ts";

const LEASE: Lease = {
  id: "lease-1",
  parts: 8,
  validMs: 2000,
  maxInputBytes: 1000,
  maxOutputTokens: 10_000_000,
};
const BODY = { ...CHAT, max_tokens: 10 };

/** A started filter that holds a lease; the request that brought it is answered and settled. */
function leased(
  changes: Partial<Lease> = {},
  answer: Partial<AdmitAnswer> = {},
  body: object = BODY,
): Host {
  const host = startTollgate();
  const stream = request(host, body);
  admit(host, { lease: { ...LEASE, ...changes }, ...answer });
  respondJson(stream, CHAT_ANSWER);
  expect(settleAll(host).records).toHaveLength(1);
  return host;
}

/** Whether the request went to the upstream at once, without a call to the service. */
function passes(host: Host, body: object = BODY, options: RequestOptions = {}): boolean {
  const before = host.pendingCalls("/v1/admit").length;
  const stream = request(host, body, options);
  const isForwarded = stream.upstream.isEnded;
  expect(host.pendingCalls("/v1/admit").length - before).toBe(isForwarded ? 0 : 1);
  return isForwarded;
}

/** Lets the filter tell what it has to tell, and acknowledges it. */
function settleAll(host: Host): Required<SettleRequest> {
  host.advance(100);
  for (const poll of host.pendingCalls("/v1/filter-config")) poll.respond(304, {}, "");
  const told: Required<SettleRequest> = { records: [], leases: [] };
  for (
    let [call] = host.pendingCalls("/v1/settle");
    call;
    [call] = host.pendingCalls("/v1/settle")
  ) {
    const { records, leases = [] } = Value.Parse(SettleRequest, call.json());
    told.records.push(...records);
    told.leases.push(...leases);
    call.respond(200, {}, { accepted: records.length, duplicate: 0 });
  }
  return told;
}

const terms = ({ lease, reservation, outcome }: SettlementRecord) => [lease, reservation, outcome];

describe("a request under a lease", () => {
  test("goes on at once, unchanged, and is settled with the lease", () => {
    const host = leased();
    const stream = request(host, BODY);
    expect(host.pendingCalls("/v1/admit")).toEqual([]);
    expect(stream.upstream.text).toBe(JSON.stringify(BODY));
    expect(stream.upstream.isEnded).toBe(true);
    respondJson(stream, CHAT_ANSWER);
    const { records, leases } = settleAll(host);
    expect(records.map(terms)).toEqual([["lease-1", null, "ok"]]);
    expect(records[0]).toMatchObject({
      forwarded: true,
      usage: [CHAT_ANSWER.usage],
      llm: { model: "gpt-4o-mini", maxOutputTokens: 10, inputBytes: JSON.stringify(BODY).length },
    });
    expect(leases).toEqual([]);
  });

  test("gets what the answer that brought the lease says: headers, model, output limit", () => {
    const host = leased(
      {},
      {
        model: "gpt-4o-nano",
        maxOutputTokens: 7,
        requestHeaders: { "x-tollgate-team": "a" },
        responseHeaders: { "x-ratelimit-remaining": "5" },
      },
    );
    for (const asked of [10, 5]) {
      const stream = request(host, { ...BODY, max_tokens: asked });
      const sent = JSON.parse(stream.upstream.text);
      expect(sent).toEqual({ ...BODY, model: "gpt-4o-nano", max_tokens: Math.min(asked, 7) });
      expect(stream.upstream.headers?.get("content-length")).toBe(
        String(stream.upstream.text.length),
      );
      expect(stream.upstream.headers?.get("x-tollgate-team")).toBe("a");
      respondJson(stream, CHAT_ANSWER);
      expect(stream.client.headers?.get("x-ratelimit-remaining")).toBe("5");
    }
    expect(settleAll(host).records.map(({ modelSent }) => modelSent)).toEqual([
      "gpt-4o-nano",
      "gpt-4o-nano",
    ]);
  });

  test("goes on at once where headers are not held", () => {
    const host = startTollgate({ configuration: { hold_headers: false } });
    request(host, BODY);
    admit(host, { lease: LEASE });
    const stream = request(host, BODY);
    expect(host.pendingCalls("/v1/admit")).toEqual([]);
    expect(stream.upstream.text).toBe(JSON.stringify(BODY));
    respondJson(stream, CHAT_ANSWER);
    expect(settleAll(host).records.map(terms)).toEqual([["lease-1", null, "ok"]]);
  });

  test("passes while the service is away", () => {
    const host = leased();
    request(host, { ...CHAT, model: "other" });
    host.pendingCall("/v1/admit").refuse();
    expect(host.metrics.value("tollgate_circuit_open")).toBe(1);
    const stream = request(host, BODY);
    expect(stream.upstream.isEnded).toBe(true);
    stream.disconnect();
    host.advance(1000);
    for (const poll of host.pendingCalls("/v1/filter-config")) poll.respond(304);
    const { records } = settleAll(host);
    expect(records.map(terms)).toContainEqual(["lease-1", null, "client_disconnect"]);
  });

  test.each<[string, object, RequestOptions]>([
    ["another model", { ...BODY, model: "gpt-4o" }, {}],
    ["another path", BODY, { path: "/v1/messages" }],
    ["another host", BODY, { headers: { ":authority": "other.test" } }],
    ["a stream", { ...BODY, stream: true }, {}],
    ["more choices", { ...BODY, n: 2 }, {}],
    ["too long an input", { ...BODY, user: "x".repeat(1000) }, {}],
  ])("is like the one that brought it: %s asks", (_what, body, options) => {
    const host = leased();
    expect(passes(host, body, options)).toBe(false);
    expect(passes(host)).toBe(true);
  });

  test.each<[number | null, number | undefined, boolean]>([
    [20, 20, true],
    [20, 21, false],
    [20, undefined, false],
    [null, undefined, true],
    [null, 1_000_000, false],
    [null, 0, false],
    [0, 0, true],
    [0, 1, false],
  ])("output limit of the lease %s, of the request %s: %s", (most, told, isAdmitted) => {
    const host = leased({ maxOutputTokens: most }, {}, most === null ? CHAT : BODY);
    expect(passes(host, { ...CHAT, max_tokens: told })).toBe(isAdmitted);
  });

  test("has one beside it for requests that tell no output limit", () => {
    const host = leased();
    request(host, CHAT).disconnect();
    admit(host, { lease: { ...LEASE, id: "lease-2", maxOutputTokens: null } });
    settleAll(host);
    for (const body of [BODY, CHAT, BODY, CHAT]) respondJson(request(host, body), CHAT_ANSWER);
    const { records, leases } = settleAll(host);
    expect(records.map(({ lease }) => lease)).toEqual(["lease-1", "lease-2", "lease-1", "lease-2"]);
    expect(leases).toEqual([]);
  });

  test("at the bound of its input passes, over it asks", () => {
    const { length } = JSON.stringify(BODY);
    const host = leased({ maxInputBytes: length });
    expect(passes(host)).toBe(true);
    expect(passes(host, { ...BODY, n: 1 })).toBe(false);
  });
});

describe("a lease ends", () => {
  test("when its parts are used up, and is not given back", () => {
    const host = leased({ parts: 3 });
    const streams = [1, 2, 3, 4].map(() => request(host, BODY));
    expect(streams.map(({ upstream }) => upstream.isEnded)).toEqual([true, true, true, false]);
    host.advance(5000);
    expect(settleAll(host).leases).toEqual([]);
  });

  test("when it expires: what is left is given back, requests under it go on", () => {
    const host = leased({ validMs: 500 });
    const open = [request(host, BODY), request(host, BODY), request(host, BODY)];
    respondJson(open[0] as Stream, CHAT_ANSWER);
    expect(settleAll(host).leases).toEqual([]);
    host.advance(300);
    expect(settleAll(host).leases).toEqual([{ id: "lease-1", inFlight: 2 }]);
    expect(passes(host)).toBe(false);
    for (const stream of open.slice(1)) respondJson(stream, CHAT_ANSWER);
    const { records, leases } = settleAll(host);
    expect(records.map(terms)).toEqual([
      ["lease-1", null, "ok"],
      ["lease-1", null, "ok"],
    ]);
    expect(leases).toEqual([]);
  });

  test("at the very millisecond, also before a tick has come", () => {
    const host = startTollgate();
    request(host, BODY);
    admit(host, { lease: { ...LEASE, validMs: 30 } });
    host.advance(29);
    expect(passes(host)).toBe(true);
    host.advance(1);
    expect(passes(host)).toBe(false);
  });

  test("when the filter config changes, also one that was asked for before", () => {
    const host = leased();
    request(host, { ...BODY, model: "other" });
    host.advance(900);
    answerConfig(host, makeFilterConfig({ version: "v2" }));
    admit(host, { lease: { ...LEASE, id: "late" } });
    expect(passes(host)).toBe(false);
    expect(passes(host, { ...BODY, model: "other" })).toBe(false);
    expect(settleAll(host).leases).toEqual([
      { id: "lease-1", inFlight: 0 },
      { id: "late", inFlight: 0 },
    ]);
  });

  test("when another one comes for the same requests", () => {
    const host = startTollgate();
    request(host, BODY);
    request(host, BODY);
    const [first, second] = host.pendingCalls("/v1/admit");
    const answer = { verdict: "allow", reservation: "r", requestHeaders: {}, responseHeaders: {} };
    first?.respond(200, {}, { ...answer, lease: LEASE });
    second?.respond(200, {}, { ...answer, lease: { ...LEASE, id: "lease-2" } });
    const stream = request(host, BODY);
    respondJson(stream, CHAT_ANSWER);
    const { records, leases } = settleAll(host);
    expect(records.map(terms)).toEqual([["lease-2", null, "ok"]]);
    expect(leases).toEqual([{ id: "lease-1", inFlight: 0 }]);
  });

  test("when the host ends the filter, which waits until that is told", () => {
    const host = leased();
    request(host, BODY);
    respondJson(request(host, BODY), CHAT_ANSWER);
    expect(host.stop()).toBe(false);
    const call = host.pendingCall("/v1/settle");
    const told = Value.Parse(SettleRequest, call.json());
    expect(told.records.map(terms)).toEqual([["lease-1", null, "ok"]]);
    expect(told.leases).toEqual([{ id: "lease-1", inFlight: 1 }]);
    expect(host.isDone).toBe(false);
    call.respond(200, {}, { accepted: 1, duplicate: 0 });
    expect(host.isDone).toBe(true);
  });

  test("a filter with nothing to tell ends at once", () => {
    expect(startTollgate().stop()).toBe(true);
  });

  test("and is told again until the service has heard it", () => {
    const host = leased({ validMs: 200 });
    request(host, BODY);
    host.advance(100);
    host.pendingCall("/v1/settle").respond(500);
    host.advance(400);
    expect(settleAll(host).leases).toEqual([{ id: "lease-1", inFlight: 1 }]);
    expect(settleAll(host).leases).toEqual([]);
  });

  test("but what the service will not hear does not keep settlements back", () => {
    const host = leased({ validMs: 200 });
    respondJson(request(host, BODY), CHAT_ANSWER);
    host.advance(100);
    expect(host.pendingCall("/v1/settle").json().leases).toEqual([{ id: "lease-1", inFlight: 0 }]);
    host.pendingCall("/v1/settle").respond(400);
    expect(host.pendingCall("/v1/settle").json().records).toHaveLength(1);
    host.pendingCall("/v1/settle").respond(200);
    expect(host.pendingCall("/v1/settle").json()).toEqual({
      records: [],
      leases: [{ id: "lease-1", inFlight: 0 }],
    });
    host.pendingCall("/v1/settle").respond(400);
    host.advance(5000);
    expect(host.pendingCalls("/v1/settle")).toEqual([]);
  });
});

describe("a lease is renewed", () => {
  test("off the way of any request when fewer than a quarter of its parts are left, once", () => {
    const host = leased();
    for (let i = 0; i < 6; i++) expect(passes(host)).toBe(true);
    expect(host.pendingCalls("/v1/admit")).toEqual([]);
    const short = { ...BODY, max_tokens: 3 };
    const last = request(host, short);
    expect(last.upstream.isEnded).toBe(true);
    const asked = admitRequest(host.pendingCall("/v1/admit"));
    expect(asked).toMatchObject({
      renew: "lease-1",
      attributes: { "request.path": "/v1/chat/completions" },
      llm: { model: "gpt-4o-mini", maxOutputTokens: 3, inputBytes: JSON.stringify(short).length },
    });
    admit(host, { reservation: null, lease: { ...LEASE, id: "lease-2" } });
    expect(passes(host)).toBe(true);
    const { records, leases } = settleAll(host);
    expect(records).toEqual([]);
    expect(leases).toEqual([{ id: "lease-1", inFlight: 7 }]);
  });

  test("and its last parts are not held up by the renewal", () => {
    const host = leased();
    for (let i = 0; i < 8; i++) expect(request(host, BODY).upstream.isEnded).toBe(true);
    const renewal = host.pendingCall("/v1/admit");
    expect(request(host, BODY).upstream.isEnded).toBe(false);
    renewal.respond(200, {}, {
      verdict: "allow",
      reservation: null,
      requestHeaders: {},
      responseHeaders: {},
      lease: { ...LEASE, id: "lease-2" },
    } satisfies AdmitAnswer);
    expect(request(host, BODY).upstream.isEnded).toBe(true);
    expect(settleAll(host).leases).toEqual([]);
  });

  test.each([
    ["is denied", { verdict: "deny", deny: { status: 429, headers: {}, body: "{}" } }],
    ["brings none", { verdict: "allow", reservation: null }],
    ["is not understood", "{"],
  ])("a renewal that %s: the parts that are left are used, then requests ask", (_what, answer) => {
    const host = leased({ parts: 4 });
    for (let i = 0; i < 4; i++) expect(request(host, BODY).upstream.isEnded).toBe(true);
    host.pendingCalls("/v1/admit").forEach((call) => void call.respond(200, {}, answer));
    expect(passes(host)).toBe(false);
    expect(settleAll(host).leases).toEqual([]);
  });
});

describe("a lease is taken", () => {
  test("when the request that it came with has gone", () => {
    const host = startTollgate();
    const stream = request(host, BODY);
    stream.disconnect();
    admit(host, { lease: LEASE });
    expect(passes(host)).toBe(true);
  });

  test.each<[string, object]>([
    ["no id", { id: "" }],
    ["too long an id", { id: "x".repeat(161) }],
    ["no parts", { parts: 0 }],
    ["negative parts", { parts: -1 }],
    ["too many parts", { parts: 100_001 }],
    ["parts beyond 32 bits", { parts: 2 ** 32 + 1 }],
    ["half a part", { parts: 1.5 }],
    ["no time", { validMs: 0 }],
    ["too much time", { validMs: 60_001 }],
    ["a negative input bound", { maxInputBytes: -1 }],
    ["an output bound that is none", { maxOutputTokens: "many" }],
    ["a negative output bound", { maxOutputTokens: -1 }],
    ["an output bound that is not told", { maxOutputTokens: undefined }],
  ])("not with %s: every request asks", (_what, changes) => {
    const host = startTollgate();
    const stream = request(host, BODY);
    admit(host, { lease: { ...LEASE, ...changes } as Lease });
    expect(stream.upstream.isEnded).toBe(true);
    expect(passes(host)).toBe(false);
  });

  test("up to a thousand; one more is given back at once", () => {
    const host = startTollgate();
    for (let i = 0; i <= 1000; i++) {
      request(host, { ...BODY, model: `m${i}` }).disconnect();
      admit(host, { lease: { ...LEASE, id: `lease-${i}`, validMs: 60_000 } });
    }
    expect(passes(host, { ...BODY, model: "m999" })).toBe(true);
    expect(passes(host, { ...BODY, model: "m1000" })).toBe(false);
    expect(settleAll(host).leases).toEqual([{ id: "lease-1000", inFlight: 0 }]);
    host.advance(60_000);
    expect(settleAll(host).leases).toHaveLength(1000);
  });
});
