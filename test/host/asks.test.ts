/** Asks that come while two calls are under way go together; whatever happens, nobody hangs. */
import Value from "typebox/value";
import { describe, expect, test } from "vitest";
import { type AdmitAnswer, AdmitBatch } from "../../limitador-bridge/contract/filter.ts";
import type { Host, HttpCall, Stream } from "./host.ts";
import { admitRequest, CHAT, request, settle, startTollgate } from "./tollgate.ts";

/** Two calls of one ask each are under way, then `count` more requests come. */
function busy(count: number, failureMode: "allow" | "deny" = "allow") {
  const host = startTollgate({ filterConfig: { failureMode } });
  const ask = (name: string) => request(host, { ...CHAT, model: name });
  const first = [ask("a"), ask("b")];
  const waiting = Array.from({ length: count }, (_, i) => ask(`m${i}`));
  return { host, first, waiting };
}

const calls = (host: Host): HttpCall[] => host.pendingCalls("/v1/admit");
const callAt = (host: Host, at: number) => calls(host)[at] as HttpCall;

/** The models of a batch's requests, checked against the contract. */
function modelsOf(call: HttpCall): (string | null)[] {
  return Value.Parse(AdmitBatch, call.json()).requests.map(({ llm }) => llm.model);
}

function allow(reservation: string): AdmitAnswer {
  return { verdict: "allow", reservation, requestHeaders: {}, responseHeaders: {} };
}

const isForwarded = (stream: Stream) => stream.upstream.isEnded;

describe("asks of one worker", () => {
  test("are sent alone while fewer than two calls are under way", () => {
    const { host } = busy(0);
    expect(calls(host).map((call) => admitRequest(call).llm.model)).toEqual(["a", "b"]);
  });

  test("wait for a call to end and go together, each with the answer at its place", () => {
    const { host, first, waiting } = busy(3);
    expect(calls(host)).toHaveLength(2);
    callAt(host, 1).respond(200, {}, allow("r-b"));
    expect(first.map(isForwarded)).toEqual([false, true]);
    const batch = callAt(host, 1);
    expect(modelsOf(batch)).toEqual(["m0", "m1", "m2"]);
    const ids = Value.Parse(AdmitBatch, batch.json()).requests.map(({ id }) => id);
    expect(new Set(ids).size).toBe(3);
    batch.respond(
      200,
      {},
      {
        answers: [
          allow("r-0"),
          { ...allow(""), verdict: "deny", deny: { status: 429, headers: {}, body: "{}" } },
          { ...allow("r-2"), model: "cheaper" },
        ],
      },
    );
    expect(waiting.map(isForwarded)).toEqual([true, false, true]);
    expect(waiting[1]?.client.status).toBe(429);
    expect(JSON.parse(waiting[2]?.upstream.text ?? "").model).toBe("cheaper");
    for (const stream of [waiting[0], waiting[2], first[1]]) stream?.disconnect();
    expect(settle(host).map(({ reservation, modelSent }) => [reservation, modelSent])).toEqual([
      ["r-0", undefined],
      ["r-2", "cheaper"],
      ["r-b", undefined],
    ]);
  });

  test("one that waited alone goes alone", () => {
    const { host } = busy(1);
    callAt(host, 0).respond(200, {}, allow("r"));
    expect(admitRequest(callAt(host, 1)).llm.model).toBe("m0");
  });

  test("are at most a hundred in a call", () => {
    const { host, waiting } = busy(250);
    for (const size of [100, 100, 50]) {
      callAt(host, 0).respond(200, {}, answerTo(callAt(host, 0)));
      expect(modelsOf(callAt(host, 1))).toHaveLength(size);
    }
    for (const call of calls(host)) call.respond(200, {}, answerTo(call));
    expect(waiting.every(isForwarded)).toBe(true);
    expect(calls(host)).toEqual([]);
  });

  test("whose client goes while it waits is not sent, and nothing is settled for it", () => {
    const { host, waiting } = busy(3);
    waiting[1]?.disconnect();
    callAt(host, 0).respond(200, {}, allow("r"));
    expect(modelsOf(callAt(host, 1))).toEqual(["m0", "m2"]);
    expect(settle(host)).toEqual([]);
  });

  test("whose client goes while the batch is under way leaves the others their answers", () => {
    const { host, waiting } = busy(3);
    callAt(host, 0).respond(200, {}, allow("r"));
    waiting[1]?.disconnect();
    const batch = callAt(host, 1);
    batch.respond(200, {}, { answers: [allow("r-0"), allow("r-1"), allow("r-2")] });
    expect(waiting.map(isForwarded)).toEqual([true, false, true]);
    expect(settle(host).map(({ reservation, forwarded }) => [reservation, forwarded])).toEqual([
      [null, false],
    ]);
  });
});

function answerTo(call: HttpCall): object {
  const { requests } = call.json() as { requests?: unknown[] };
  return requests === undefined ? allow("r") : { answers: requests.map(() => allow("r")) };
}

/** How a call can end without an answer for those who asked. */
const FAILURES: Record<string, (call: HttpCall) => void> = {
  "is refused": (call) => call.refuse(),
  "takes too long": (call) => call.timeOut(),
  "is cut": (call) => call.fail(),
};
const NO_ANSWERS: Record<string, (call: HttpCall) => void> = {
  "is an error": (call) => call.respond(500, {}, "{}"),
  "is no JSON": (call) => call.respond(200, {}, "{"),
  "has no answers": (call) => call.respond(200, {}, allow("r")),
  "has too few answers": (call) => call.respond(200, {}, { answers: [allow("r")] }),
  "has too many answers": (call) =>
    call.respond(200, {}, { answers: [1, 2, 3].map(() => allow("r")) }),
  "has answers that are none": (call) => call.respond(200, {}, { answers: [1, { verdict: "?" }] }),
  "has answers that are no list": (call) => call.respond(200, {}, { answers: { length: 2 } }),
};

describe.each(["allow", "deny"] as const)("failure mode %s", (failureMode) => {
  const expectFailureMode = (streams: Stream[]) => {
    const isAllowed = failureMode === "allow";
    expect(streams.map(isForwarded)).toEqual(streams.map(() => isAllowed));
    expect(streams.map(({ client }) => client.status)).toEqual(
      streams.map(() => (isAllowed ? undefined : 503)),
    );
  };

  test.each(Object.entries(FAILURES))("a batch that %s: it applies to all of it", (_how, end) => {
    const { host, first, waiting } = busy(2, failureMode);
    callAt(host, 0).respond(200, {}, allow("r"));
    end(callAt(host, 1));
    expectFailureMode(waiting);
    expect(first.map(isForwarded)).toEqual([true, false]);
    expect(host.metrics.value("tollgate_circuit_open")).toBe(1);
  });

  test.each(Object.entries(FAILURES))("a call that %s: also to all that wait", (_how, end) => {
    const { host, first, waiting } = busy(250, failureMode);
    end(callAt(host, 0));
    expectFailureMode([first[0] as Stream, ...waiting]);
    expect(calls(host)).toHaveLength(1);
    callAt(host, 0).respond(200, {}, allow("r"));
    expect(first.map(isForwarded)).toEqual([failureMode === "allow", true]);
  });

  test.each(Object.entries(NO_ANSWERS))("a batch's answer that %s", (_what, end) => {
    const { host, waiting } = busy(2, failureMode);
    callAt(host, 0).respond(200, {}, allow("r"));
    end(callAt(host, 1));
    expectFailureMode(waiting);
    expect(host.metrics.value("tollgate_circuit_open")).not.toBe(1);
  });

  test("a cluster without endpoints: at once", () => {
    const { host, waiting } = busy(150, failureMode);
    host.hasEndpoints = false;
    callAt(host, 0).respond(200, {}, allow("r"));
    expectFailureMode(waiting);
  });
});
