import { describe, expect, test } from "vitest";
import { MemoryStore } from "../../../limitador-bridge/ledger/store/memory.ts";
import { StoreError } from "../../../limitador-bridge/ledger/store/store-error.ts";
import {
  admitRequest,
  ask,
  createService,
  settleAll,
  settlementRecord,
} from "./service-fixture.ts";

class BrokenStore extends MemoryStore {
  override reserve(): Promise<never> {
    return Promise.reject(new StoreError("unavailable", "disk on fire"));
  }
}

const oneOf = (api: string) => ({
  ...admitRequest("x").llm,
  api,
});

describe("a limit of 100 tokens in a minute, nothing reserved", () => {
  test("admits until used, then 429 with the exact headers, body and record", async () => {
    const { app, clock, parts } = createService();
    expect(await ask(app, admitRequest("a"))).toEqual({
      status: 200,
      body: {
        verdict: "allow",
        reservation: "a",
        requestHeaders: {},
        responseHeaders: {
          "x-ratelimit-limit": "100",
          "x-ratelimit-remaining": "100",
          "x-ratelimit-reset": "60",
          "x-ratelimit-limit-tokens": "100",
          "x-ratelimit-remaining-tokens": "100",
          "x-ratelimit-reset-tokens": "60",
        },
      },
    });
    await settleAll(app, settlementRecord("a", [70, 35]));
    clock.nowMs += 12_500;
    const denied = await ask(app, admitRequest("b"));
    expect(denied.status).toBe(200);
    expect(denied.body.deny.headers).toEqual({
      "content-type": "application/json",
      "retry-after": "48",
      "x-ratelimit-limit": "100",
      "x-ratelimit-remaining": "0",
      "x-ratelimit-reset": "48",
      "x-ratelimit-limit-tokens": "100",
      "x-ratelimit-remaining-tokens": "0",
      "x-ratelimit-reset-tokens": "48",
    });
    expect(denied.body).toMatchObject({ verdict: "deny", reservation: null });
    expect(denied.body.deny.status).toBe(429);
    expect(JSON.parse(denied.body.deny.body)).toEqual({
      error: {
        message:
          'Limit "free" of policy "default/llm" reached: 105 of 100 tokens used in 1m. ' +
          "Resets at 2026-03-01T12:01:00.000Z.",
        type: "tokens",
        param: null,
        code: "rate_limit_exceeded",
      },
    });
    await parts.denialRecords.flush();
    const usage = await app.inject("/v1/usage?requestId=r-b");
    expect(usage.json()).toEqual({
      records: [
        {
          id: "b",
          time: "2026-03-01T12:00:12.500Z",
          requestId: "r-b",
          api: "openai.chat",
          provider: null,
          requestedModel: "gpt-4o-mini",
          model: "gpt-4o-mini",
          team: "blue",
          app: null,
          user: "u1",
          task: null,
          tokens: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, reasoning: 0, total: 0 },
          costNanoUsd: 0,
          priced: true,
          source: "reported",
          outcome: "denied",
          status: 429,
          reason: "rate_limit_exceeded",
        },
      ],
      next: null,
    });
  });

  test("a clock that goes on during the decision does not lengthen the window", async () => {
    const { app, clock, store } = createService();
    const { reserve } = store;
    store.reserve = (request) => {
      clock.nowMs += 3;
      return reserve.call(store, request);
    };
    const { responseHeaders } = (await ask(app, admitRequest("a"))).body;
    expect(responseHeaders["x-ratelimit-reset"]).toBe("60");
  });

  test.each(["hello", 5, null])("an ask that has a prompt, too, is taken: %j", async (prompt) => {
    const { app } = createService({ limits: [] });
    const asked = { ...admitRequest("a"), prompt };
    const allowed = { verdict: "allow", reservation: "a", requestHeaders: {}, responseHeaders: {} };
    expect(await ask(app, asked)).toEqual({ status: 200, body: allowed });
    const payload = { requests: [asked] };
    const many = await app.inject({ method: "POST", url: "/v1/admit", payload });
    expect(many.json()).toEqual({ answers: [allowed] });
  });

  test("does not touch another user, and admits again after the window", async () => {
    const { app, clock } = createService();
    await ask(app, admitRequest("a"));
    await settleAll(app, settlementRecord("a", [100, 0]));
    expect((await ask(app, admitRequest("b"))).body.verdict).toBe("deny");
    const other = admitRequest("c", { attributes: { "request.headers": { "x-user": "u2" } } });
    expect((await ask(app, other)).body.verdict).toBe("allow");
    clock.nowMs += 60_000;
    expect((await ask(app, admitRequest("d"))).body.verdict).toBe("allow");
  });

  test("answers in the shape of the API that was called", async () => {
    const { app } = createService({ limits: [{ amount: 0 }] });
    const bodyOf = async (api: string) => {
      const { body } = await ask(app, admitRequest(api, { llm: oneOf(api) }));
      return JSON.parse(body.deny.body);
    };
    const message =
      'Limit "free" of policy "default/llm" reached: 0 of 0 tokens used in 1m. ' +
      "Resets at 2026-03-01T12:01:00.000Z.";
    expect(await bodyOf("anthropic.messages")).toEqual({
      type: "error",
      error: { type: "rate_limit_error", message },
    });
    expect(await bodyOf("gemini")).toEqual({
      error: { code: 429, message, status: "RESOURCE_EXHAUSTED" },
    });
    expect(await bodyOf("never heard of")).toEqual({
      error: { message, type: "tokens", param: null, code: "rate_limit_exceeded" },
    });
  });
});

describe("reservations", () => {
  test("two limits together: the second denies and the first is unchanged", async () => {
    const { app, store } = createService({
      limits: [
        { limit: "a", key: "first", reservation: "worst-case", amount: 1000 },
        {
          limit: "b",
          key: "second",
          reservation: "worst-case",
          amount: 60,
          window: { kind: "fixed", lengthMs: 3_600_000 },
        },
      ],
    });
    // 40 bytes / 4 × 1.1 = 11 input tokens and the model's 50 of output.
    const { body } = await ask(app, admitRequest("a"));
    expect(body.deny.headers["retry-after"]).toBe("3600");
    expect(JSON.parse(body.deny.body).error.message).toBe(
      'Limit "b" of policy "default/llm" reached: 0 of 60 tokens used in 1h; ' +
        "this request needs 61. Resets at 2026-03-01T13:00:00.000Z.",
    );
    expect(await store.counters("", 10)).toEqual([]);
  });

  test.each([
    ["total", { maxOutputTokens: 20, choices: 3 }, 71],
    ["input", { maxOutputTokens: 20, choices: 3 }, 11],
    ["output", { maxOutputTokens: null, choices: 2 }, 100],
    ["output", { maxOutputTokens: null, choices: 1, model: "other" }, 4096],
    ["output", { maxOutputTokens: 20, choices: 0 }, 20],
    ["requests", { maxOutputTokens: 20 }, 1],
    ["usd", { maxOutputTokens: 20, choices: 3 }, 131],
    ["output", { maxOutputTokens: 9e15, choices: 9e15 }, Number.MAX_SAFE_INTEGER],
  ] as const)("worst case in %s of %o holds %i", async (unit, llm, held) => {
    const { app, store } = createService({
      limits: [{ unit, reservation: "worst-case", amount: Number.MAX_SAFE_INTEGER }],
    });
    await ask(app, admitRequest("a", { llm: { ...admitRequest("a").llm, ...llm } }));
    expect((await store.counters("", 10)).map((view) => [view.used, view.held])).toEqual([
      [0, held],
    ]);
  });

  test.each([
    ["openai.audio.transcriptions", false, 22_000],
    ["openai.images.edits", false, 110_000],
    ["openai.images.edits", true, 550_000],
    ["openai.chat", false, 550_000],
  ])("%s, rewritable %s: 2 MB hold %i tokens of input", async (api, rewritable, held) => {
    const { app, store } = createService({
      limits: [{ unit: "input", reservation: "worst-case", amount: Number.MAX_SAFE_INTEGER }],
    });
    const llm = { ...admitRequest("a").llm, api, rewritable, inputBytes: 2_000_000 };
    await ask(app, admitRequest("a", { llm }));
    expect((await store.counters("", 10)).map((view) => view.held)).toEqual([held]);
  });

  test("a shadow limit never denies and never holds more than itself", async () => {
    const { app, store } = createService({
      limits: [{ mode: "shadow", reservation: "worst-case", amount: 10 }],
    });
    const { body } = await ask(app, admitRequest("a"));
    expect(body).toEqual({
      verdict: "allow",
      reservation: "a",
      requestHeaders: {},
      responseHeaders: {},
    });
    expect((await store.counters("", 10))[0]?.held).toBe(10);
  });

  test("where no limit matches, an expired hold still leaves a record", async () => {
    const { app, clock, store } = createService({ limits: [] });
    expect((await ask(app, admitRequest("a"))).body.reservation).toBe("a");
    clock.nowMs += 600_001;
    expect(await store.expire()).toEqual(["a"]);
    const { records } = (await app.inject("/v1/usage")).json();
    expect(records).toMatchObject([
      {
        id: "a",
        tokens: { input: 11, output: 0, total: 11 },
        costNanoUsd: 11,
        source: "estimated",
        outcome: "truncated",
        status: 0,
        reason: "hold_expired",
      },
    ]);
  });

  test("the tightest limit is in the headers, and the tightest of tokens beside it", async () => {
    const { app } = createService({
      limits: [
        { key: "t", amount: 100 },
        { key: "r", unit: "requests", amount: 2 },
        { key: "m", unit: "usd", amount: 2_500_000_000 },
      ],
    });
    expect((await ask(app, admitRequest("a"))).body.responseHeaders).toEqual({
      "x-ratelimit-limit": "2",
      "x-ratelimit-remaining": "1",
      "x-ratelimit-reset": "60",
      "x-ratelimit-limit-tokens": "100",
      "x-ratelimit-remaining-tokens": "100",
      "x-ratelimit-reset-tokens": "60",
    });
  });

  test("of several limits in one unit the one that ends first is in the headers", async () => {
    const { app } = createService({
      limits: [
        { key: "team", amount: 1000, reservation: "worst-case" },
        { key: "user", amount: 200 },
      ],
    });
    const told = async (id: string) => {
      const headers = (await ask(app, admitRequest(id))).body.responseHeaders;
      return [headers["x-ratelimit-limit"], headers["x-ratelimit-remaining"]];
    };
    expect(await told("a")).toEqual(["200", "200"]);
    await settleAll(app, settlementRecord("a", [110, 0]));
    // The team has more left, whatever its share.
    expect(await told("b")).toEqual(["200", "90"]);
  });

  test("a money limit refuses a model with no known price", async () => {
    const { app } = createService({ limits: [{ unit: "usd", amount: 1e9 }] });
    const llm = { ...admitRequest("a").llm, model: "mystery" };
    const { body } = await ask(app, admitRequest("a", { llm }));
    expect(body.deny.status).toBe(403);
    expect(JSON.parse(body.deny.body).error).toEqual({
      message:
        'Model "mystery" has no known price, and limit "free" of policy "default/llm" ' +
        "counts money.",
      type: "invalid_request_error",
      param: null,
      code: "price_unknown",
    });
  });
});

describe("when something fails", () => {
  const error = {
    policy: "default/llm",
    limit: "free",
    expression: "auth.identity.userid",
    message: "no such key: identity",
  };

  test("an expression of a policy that denies then: 403, logged and counted", async () => {
    const { app, logged, parts } = createService({ errors: [{ ...error, failureMode: "deny" }] });
    const { body } = await ask(app, admitRequest("a"));
    expect(body.deny.status).toBe(403);
    expect(JSON.parse(body.deny.body).error.code).toBe("policy_evaluation_failed");
    expect(JSON.parse(body.deny.body).error.message).toBe(
      'Policy "default/llm", limit "free" could not be evaluated for this request: ' +
        "auth.identity.userid",
    );
    expect(logged).toEqual([
      {
        level: "warn",
        fields: {
          policy: "default/llm",
          limit: "free",
          expression: "auth.identity.userid",
          reason: "no such key: identity",
          failureMode: "deny",
          untold: 0,
        },
        message: "expression failed",
      },
    ]);
    expect(await parts.metrics.text()).toContain(
      'tollgate_evaluation_errors_total{policy="default/llm",limit="free"} 1',
    );
  });

  test("an expression of a policy that allows then: counted, and the rest decides", async () => {
    const { app, parts } = createService({ errors: [{ ...error, failureMode: "allow" }] });
    expect((await ask(app, admitRequest("a"))).body.verdict).toBe("allow");
    expect(await parts.metrics.text()).toContain(
      'tollgate_evaluation_errors_total{policy="default/llm",limit="free"} 1',
    );
  });

  test("store away, every limit allows: admitted with nothing reserved, loudly", async () => {
    const { app, clock, logged, parts } = createService({ store: () => new BrokenStore() });
    expect((await ask(app, admitRequest("a"))).body).toEqual({
      verdict: "allow",
      reservation: null,
      requestHeaders: {},
      responseHeaders: {},
    });
    await ask(app, admitRequest("b"));
    clock.nowMs += 10_000;
    await ask(app, admitRequest("c"));
    expect(logged.map(({ level, message }) => [level, message])).toEqual([
      ["error", "store failed: request admitted, nothing reserved"],
      ["error", "store failed: request admitted, nothing reserved"],
    ]);
    expect(logged.map(({ fields }) => fields.untold)).toEqual([0, 1]);
    expect(await parts.metrics.text()).toContain("tollgate_store_errors_total 3");
  });

  test("store away, one limit denies: 503 with Retry-After", async () => {
    const { app } = createService({
      store: () => new BrokenStore(),
      limits: [{}, { limit: "strict", failureMode: "deny" }],
    });
    const { body } = await ask(app, admitRequest("a"));
    expect(body.deny.status).toBe(503);
    expect(body.deny.headers).toEqual({ "content-type": "application/json", "retry-after": "5" });
    expect(JSON.parse(body.deny.body).error).toEqual({
      message:
        'Limit "strict" of policy "default/llm" cannot be checked: the store is not available.',
      type: "server_error",
      param: null,
      code: "store_unavailable",
    });
  });

  test("a counter value beyond all bounds is refused, not waved through", async () => {
    const { app } = createService({ limits: [{ key: "k".repeat(70_000) }] });
    const { body } = await ask(app, admitRequest("a"));
    expect(body.deny.status).toBe(403);
  });

  test("a lone surrogate in a counter value is counted and denied like any other", async () => {
    const { app } = createService({ limits: [{ key: "user-\ud800", amount: 0 }] });
    expect((await ask(app, admitRequest("a"))).body.deny.status).toBe(429);
  });

  test("a denial is answered while its record cannot be written", async () => {
    class NoRecords extends MemoryStore {
      override appendRecord(): Promise<never> {
        return Promise.reject(new Error("disk full"));
      }
    }
    const { app, parts, logged } = createService({
      limits: [{ amount: 0 }],
      store: () => new NoRecords(),
    });
    expect((await ask(app, admitRequest("a"))).body.deny.status).toBe(429);
    await parts.denialRecords.flush();
    expect(logged.map(({ fields }) => fields)).toEqual([{ id: "a", why: "disk full" }]);
    expect(await parts.metrics.text()).toContain("tollgate_denial_records_dropped_total 1");
  });
});
