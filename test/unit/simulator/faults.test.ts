/** Faults and pace that a test can ask for, and many streams at once. */
import { describe, expect, test } from "vitest";
import { eventData } from "../../e2e/client.ts";
import { CHAT, useSimulator } from "./running-simulator.ts";

const { bill, post, request } = useSimulator();

describe("faults", () => {
  const stream = { ...CHAT, stream: true, stream_options: { include_usage: true } };

  test("pace: the first event is there long before the last", async () => {
    const headers = { "x-sim-delay-ms": "60", "x-sim-chunk-delay-ms": "10" };
    const reply = await post("/v1/chat/completions", { ...stream, max_tokens: 5 }, headers);
    const first = reply.pieces[0]?.atMs ?? 0;
    expect(first).toBeGreaterThanOrEqual(59);
    expect((reply.pieces.at(-1)?.atMs ?? 0) - first).toBeGreaterThanOrEqual(80);
  });

  test("reset after events: what was generated is billed", async () => {
    const reply = await post("/v1/chat/completions", stream, { "x-sim-reset-after-events": "4" });
    expect(reply.ended).toBe("cut");
    expect(eventData(reply.text).length).toBe(4);
    expect(bill()).toMatchObject({ inputTokens: 6, outputTokens: 3, aborted: 1 });
  });

  test("reset after none: no response at all", async () => {
    const reset = post("/v1/chat/completions", stream, { "x-sim-reset-after-events": "0" });
    await expect(reset).rejects.toThrow(/socket hang up|ECONNRESET/);
  });

  test("truncate ends properly, without usage and end marker", async () => {
    const headers = { "x-sim-truncate-after-events": "2" };
    const reply = await post("/v1/chat/completions", stream, headers);
    expect(reply.ended).toBe("complete");
    expect(eventData(reply.text).length).toBe(2);
    const json = await post("/v1/chat/completions", CHAT, headers);
    expect(json.ended).toBe("complete");
    expect(() => JSON.parse(json.text) as unknown).toThrow();
    expect(bill()).toMatchObject({ outputTokens: 21, aborted: 2 });
  });

  test("a client that hangs up is billed for what was generated", async () => {
    const reply = await request("/v1/chat/completions", {
      body: stream,
      headers: { "x-sim-chunk-delay-ms": "50", "x-user": "ann" },
      hangUpAfterEvents: 3,
    });
    expect(reply.ended).toBe("hung up");
    await expect.poll(() => bill().aborted).toBe(1);
    expect(bill().byUser).toEqual({
      ann: { requests: 1, inputTokens: 6, outputTokens: 2, aborted: 1 },
    });
  });

  test.each([
    ["/v1/chat/completions", 429, { type: "requests", code: "rate_limit_exceeded" }],
    ["/v1/chat/completions", 500, { type: "server_error", code: null }],
    ["/v1/messages", 529, { type: "overloaded_error" }],
    ["/v1/messages", 429, { type: "rate_limit_error" }],
  ])("%s answers %i", async (path, status, error) => {
    const reply = await post(path, CHAT, { "x-sim-status": String(status) });
    expect(reply.status).toBe(status);
    expect(reply.headers["retry-after"]).toBe(status === 429 ? "1" : undefined);
    expect(JSON.parse(reply.text)).toMatchObject({ error });
    expect(bill()).toMatchObject({ requests: 0, inputTokens: 0, errors: 1 });
  });
});

test("a thousand streams at once", async () => {
  const body = { ...CHAT, stream: true };
  const replies = await Promise.all(
    Array.from({ length: 1000 }, () =>
      post("/v1/chat/completions", body, { "x-sim-chunk-delay-ms": "5" }),
    ),
  );
  expect(replies.filter((reply) => reply.ended === "complete").length).toBe(1000);
  expect(bill()).toMatchObject({
    requests: 1000,
    inputTokens: 6000,
    outputTokens: 20_000,
    aborted: 0,
  });
});
