import { describe, expect, test } from "vitest";
import { MemoryStore } from "../../../limitador-bridge/ledger/store/memory.ts";
import {
  admitRequest,
  ask,
  createService,
  settleAll,
  settlementRecord,
} from "./service-fixture.ts";

const used = async (store: MemoryStore | { counters: MemoryStore["counters"] }) =>
  (await store.counters("", 10)).map((view) => [view.used, view.held]);

describe("settlement", () => {
  test("replaces the hold by the truth and keeps the whole record", async () => {
    const { app, store, parts } = createService({
      limits: [{ reservation: "worst-case", amount: 1000 }],
    });
    await ask(app, admitRequest("a"));
    expect(await used(store)).toEqual([[0, 61]]);
    expect(await settleAll(app, settlementRecord("a", [15, 85]))).toEqual({
      status: 200,
      body: { accepted: 1, duplicate: 0 },
    });
    expect(await used(store)).toEqual([[100, 0]]);
    expect((await app.inject("/v1/usage")).json().records).toEqual([
      {
        id: "a",
        time: "2026-03-01T12:00:00.000Z",
        requestId: "r-a",
        api: "openai.chat",
        provider: "openai",
        requestedModel: "gpt-4o-mini",
        model: "gpt-4o-mini",
        team: "blue",
        app: null,
        user: "u1",
        task: null,
        tokens: { input: 15, output: 85, cacheRead: 0, cacheWrite: 0, reasoning: 0, total: 100 },
        detail: { inputText: 15, outputText: 85 },
        costNanoUsd: 185,
        priced: true,
        source: "reported",
        outcome: "ok",
        status: 200,
        durationMs: 1500,
      },
    ]);
    const metrics = await parts.metrics.text();
    expect(metrics).toContain(
      'tollgate_tokens_total{model="gpt-4o-mini",team="blue",kind="total"} 100',
    );
    expect(metrics).toContain(
      'llm_cost_usd_total{model="gpt-4o-mini",team="blue",app="unknown"} 1.85e-7',
    );
    expect(metrics).toContain('tollgate_usage_records_total{source="reported",outcome="ok"} 1');
    expect(metrics).toContain('tollgate_settlements_total{result="accepted"} 1');
  });

  test("counts an id once, in one batch and over batches", async () => {
    const { app, store } = createService();
    const record = settlementRecord("a", [10, 20]);
    expect((await settleAll(app, record, record)).body).toEqual({ accepted: 1, duplicate: 1 });
    expect((await settleAll(app, record)).body).toEqual({ accepted: 0, duplicate: 1 });
    expect(await used(store)).toEqual([[30, 0]]);
  });

  test("charges what ran with no reservation", async () => {
    const { app, store } = createService();
    await settleAll(app, settlementRecord("a", [10, 20], { reservation: null }));
    await settleAll(app, settlementRecord("b", [1, 2], { reservation: "lost" }));
    expect(await used(store)).toEqual([[33, 0]]);
  });

  test("an error of the provider is one request and no tokens", async () => {
    const { app, store } = createService({
      limits: [{ key: "tokens" }, { key: "requests", unit: "requests" }],
    });
    await ask(app, admitRequest("a"));
    await settleAll(app, settlementRecord("a", [0, 0], { status: 500, usage: [] }));
    expect(await store.counters("", 10)).toMatchObject([
      { key: "requests", used: 1, held: 0 },
      { key: "tokens", used: 0, held: 0 },
    ]);
    expect((await app.inject("/v1/usage")).json().records).toMatchObject([
      {
        source: "reported",
        reason: "provider_error",
        outcome: "upstream_error",
        costNanoUsd: 0,
        status: 500,
      },
    ]);
  });

  test("learns from what was reported, once, and from nothing else", async () => {
    const learned: string[] = [];
    const { app } = createService({ overrides: { learn: ({ id }) => learned.push(id) } });
    const reported = settlementRecord("a", [10, 20]);
    await settleAll(app, reported, settlementRecord("b", [0, 0], { usage: [] }));
    await settleAll(app, reported);
    expect(learned).toEqual(["a"]);
  });

  test("a clock that runs ahead does not date a record in the future", async () => {
    const { app } = createService();
    const timeMs = Number.MAX_SAFE_INTEGER;
    await settleAll(app, settlementRecord("a", [1, 1], { timeMs }));
    expect((await app.inject("/v1/usage")).json().records[0].time).toBe("2026-03-01T12:00:00.000Z");
  });

  test("store away: 503, and the same batch counts once it is back", async () => {
    let isAway = true;
    class Flaky extends MemoryStore {
      override settle(...args: Parameters<MemoryStore["settle"]>) {
        return isAway ? Promise.reject(new Error("away")) : super.settle(...args);
      }
    }
    const { app, store } = createService({
      store: ({ nowMs }) => new Flaky({ nowMs: () => nowMs }),
    });
    const record = settlementRecord("a", [10, 20]);
    expect(await settleAll(app, record)).toEqual({
      status: 503,
      body: {
        error: {
          code: "store_unavailable",
          message: "the store is not available; send the batch again",
        },
      },
    });
    isAway = false;
    expect((await settleAll(app, record)).body).toEqual({ accepted: 1, duplicate: 0 });
    expect(await used(store)).toEqual([[30, 0]]);
  });
});

describe("a record that is not as it should be", () => {
  test("does not lose the others and is charged by estimate", async () => {
    const { app, store, logged, parts } = createService();
    const bad = { ...settlementRecord("bad", [0, 0]), usage: "none", status: "200" };
    const good = settlementRecord("good", [10, 20]);
    expect((await settleAll(app, bad, good)).body).toEqual({ accepted: 2, duplicate: 0 });
    // 40 bytes in and 80 out, at 4 bytes a token, and the 30 of the good one.
    expect(await used(store)).toEqual([[60, 0]]);
    expect((await app.inject("/v1/usage")).json().records).toMatchObject([
      { id: "good", source: "reported" },
      { id: "bad", source: "estimated", reason: "malformed_settlement", user: "u1" },
    ]);
    expect(logged).toMatchObject([
      { level: "error", fields: { id: "bad", problem: "status must be integer" } },
    ]);
    expect(await parts.metrics.text()).toContain(
      'tollgate_settlements_total{result="malformed"} 1',
    );
  });

  test.each([null, 7, "text", [], {}, { id: "" }, { id: 7, llm: 9, attributes: [] }])(
    "%j is one estimated token, once",
    async (raw) => {
      const { app } = createService();
      expect((await settleAll(app, raw)).body).toEqual({ accepted: 1, duplicate: 0 });
      expect((await settleAll(app, raw)).body).toEqual({ accepted: 0, duplicate: 1 });
      const { records } = (await app.inject("/v1/usage")).json();
      expect(records).toMatchObject([
        { source: "estimated", tokens: { total: 1 }, reason: "malformed_settlement" },
      ]);
    },
  );

  test("a count under any key is checked, also under one with a line end", async () => {
    const { app, logged } = createService();
    const bad = { ...settlementRecord("bad", [1, 1]), text: { "/a\nb": "many" } };
    expect((await settleAll(app, bad)).body).toEqual({ accepted: 1, duplicate: 0 });
    expect(logged).toMatchObject([
      { level: "error", fields: { id: "bad", problem: "text/~1a\nb must be integer" } },
    ]);
  });

  test("usage that cannot be interpreted is estimated", async () => {
    const { app, store } = createService({
      overrides: {
        interpret: () => {
          throw new TypeError("no such provider");
        },
      },
    });
    await settleAll(app, settlementRecord("a", [1, 1]));
    expect(await used(store)).toEqual([[30, 0]]);
    expect((await app.inject("/v1/usage")).json().records).toMatchObject([
      { source: "estimated", reason: "interpretation_failed" },
    ]);
  });

  test("a settlement that limits cannot count does not lose the others", async () => {
    let key = "k".repeat(70_000);
    const { app, store, parts } = createService();
    const { match } = parts.policies();
    parts.policies().match = (context) => {
      const found = match(context);
      for (const limit of found.limits) limit.key = key;
      key = "short";
      return found;
    };
    const batch = [settlementRecord("long", [1, 1]), settlementRecord("short", [10, 20])];
    expect((await settleAll(app, ...batch)).body).toEqual({ accepted: 2, duplicate: 0 });
    expect(await used(store)).toEqual([[30, 0]]);
    expect((await app.inject("/v1/usage")).json().records).toHaveLength(2);
  });
});
