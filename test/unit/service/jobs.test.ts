import { describe, expect, test } from "vitest";
import { createDenialRecords } from "../../../limitador-bridge/admission/denial-records.ts";
import { amountText, windowText } from "../../../limitador-bridge/admission/limit-text.ts";
import { counterKeyPrefix, counterNames } from "../../../limitador-bridge/api/counter-names.ts";
import type { UsageRecord } from "../../../limitador-bridge/contract/usage-record.ts";
import { createMetrics } from "../../../limitador-bridge/metrics.ts";
import { counterKey } from "../../../limitador-bridge/policy/counter-key.ts";
import { startExpiryJob } from "../../../limitador-bridge/settlement/expiry-job.ts";
import { withExtractedTotal } from "../../../limitador-bridge/settlement/extracted-total.ts";
import { claim, settlement } from "../../store/contract/fixture.ts";
import {
  admitRequest,
  ask,
  createService,
  interpret,
  settleAll,
  settlementRecord,
} from "./service-fixture.ts";

const silent = { info: () => {}, warn: () => {}, error: () => {} };
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe("records of denials", () => {
  test("are bounded while they wait, and flushed", async () => {
    const waiting: (() => void)[] = [];
    const written: string[] = [];
    const store = {
      appendRecord: ({ id }: UsageRecord) =>
        new Promise<void>((resolve) => {
          waiting.push(() => {
            written.push(id);
            resolve();
          });
        }),
    };
    const metrics = createMetrics({ defaults: false });
    const records = createDenialRecords(store, metrics, silent, 2);
    for (const id of ["a", "b", "c"]) records.write({ id } as UsageRecord);
    expect(await metrics.text()).toContain("tollgate_denial_records_dropped_total 1");
    let isFlushed = false;
    const flushed = records.flush().then(() => {
      isFlushed = true;
    });
    waiting[0]?.();
    await turn();
    expect([isFlushed, written]).toEqual([false, ["a"]]);
    waiting[1]?.();
    await flushed;
    expect(written).toEqual(["a", "b"]);
  });
});

describe("the expiry job", () => {
  test("charges nothing for what a lease has left, and counts it apart", async () => {
    const { store, clock, parts, logged } = createService();
    const { record } = settlement("w-1", 1);
    const claims = [{ ...claim({ key: "k", reserve: 5, limit: 100 }), onExpiry: 0 }];
    const lease = { id: "w-1.lease", claims, parts: 3, holdMs: 1_000, expiryRecord: record };
    await store.reserve(lease);
    expect(await store.counters("k", 1)).toMatchObject([{ used: 0, held: 15 }]);
    clock.nowMs += 1_001;
    const job = startExpiryJob(store, parts.metrics, parts.log, 0);
    await job.run();
    await job.stop();
    expect(logged.map(({ fields, message }) => [fields.id, message])).toEqual([
      ["w-1.lease", "lease expired with parts unsettled: they are given back"],
    ]);
    expect(await store.counters("k", 1)).toMatchObject([{ used: 0, held: 0 }]);
    const metrics = await parts.metrics.text();
    expect(metrics).toContain("tollgate_leases_expired_total 1");
    expect(metrics).toContain("tollgate_holds_expired_total 0");
  });

  test("charges holds that are over and counts them", async () => {
    const { app, clock, store, parts, logged } = createService();
    await ask(app, admitRequest("a"));
    clock.nowMs += 600_001;
    const job = startExpiryJob(store, parts.metrics, parts.log, 1);
    await expect.poll(() => logged).toHaveLength(1);
    await job.stop();
    expect(logged).toEqual([
      {
        level: "warn",
        fields: { id: "a" },
        message: "hold expired unsettled: input estimate charged",
      },
    ]);
    expect(await parts.metrics.text()).toContain("tollgate_holds_expired_total 1");
    expect((await settleAll(app, settlementRecord("a", [5, 5]))).body.accepted).toBe(1);
    expect((await app.inject("/v1/usage")).json().records).toMatchObject([
      { id: "a", source: "reported", tokens: { total: 10 } },
    ]);
  });

  test("goes on after a failure, says so once, and never runs twice at once", async () => {
    const answers: (Error | string[])[] = [new Error("away"), new Error("away"), []];
    let atOnce = 0;
    let most = 0;
    let runs = 0;
    const store = {
      expire: async () => {
        atOnce += 1;
        most = Math.max(most, atOnce);
        await new Promise((resolve) => setTimeout(resolve, 5));
        atOnce -= 1;
        const answer = answers[runs] ?? [];
        runs += 1;
        if (answer instanceof Error) throw answer;
        return answer;
      },
    };
    const errors: string[] = [];
    const log = { ...silent, error: (_: object, message: string) => errors.push(message) };
    const metrics = createMetrics({ defaults: false });
    const job = startExpiryJob(store, metrics, log, 1);
    await expect.poll(() => runs).toBeGreaterThan(3);
    await job.stop();
    expect(errors).toEqual(["store failed: holds not expired"]);
    expect(most).toBe(1);
    expect(await metrics.text()).toContain("tollgate_store_errors_total 2");
  });
});

describe("totals at a policy's own pointer", () => {
  const record = (value: unknown) =>
    settlementRecord("a", [0, 0], { usage: [], facts: { "/meter/tokens": value } });
  const totals = (value: unknown) => {
    const given = record(value);
    const usage = withExtractedTotal(interpret(given), given, ["/none", "/meter/tokens"]);
    return [usage.source, usage.tokens.inputText, usage.tokens.outputText];
  };

  test.each([
    [100, ["reported", 10, 90]],
    [4, ["reported", 4, 0]],
    [0, ["reported", 0, 0]],
    [-1, ["estimated", 10, 20]],
    [1.5, ["estimated", 10, 20]],
    ["100", ["estimated", 10, 20]],
    [null, ["estimated", 10, 20]],
  ])("%j gives %j", (value, expected) => {
    expect(totals(value)).toEqual(expected);
  });

  test("do not replace what the provider reported", () => {
    const given = settlementRecord("a", [1, 2], { facts: { "/meter/tokens": 100 } });
    expect(withExtractedTotal(interpret(given), given, ["/meter/tokens"])).toEqual(
      interpret(given),
    );
  });
});

describe("a policy's own reservation", () => {
  test("holds its amount, for its time", async () => {
    const { app, clock, store } = createService({
      limits: [
        { reserveAmount: 25, reserveTtlMs: 30_000, window: { kind: "fixed", lengthMs: 3_600_000 } },
      ],
    });
    await ask(app, admitRequest("a"));
    expect((await store.counters("", 10)).map((view) => view.held)).toEqual([25]);
    clock.nowMs += 29_999;
    expect(await store.expire()).toEqual([]);
    clock.nowMs += 1;
    expect(await store.expire()).toEqual(["a"]);
  });

  test("is of tokens: a request is one request, and money is held as the worst case", async () => {
    const { app, store } = createService({
      limits: [
        { key: "r", unit: "requests", reserveAmount: 50, amount: 20 },
        { key: "m", unit: "usd", reserveAmount: 50, amount: 1e12 },
        { key: "n", unit: "usd", reserveAmount: 0, reserveTtlMs: 30_000, amount: 1e12 },
        { key: "t", unit: "requests", reserveAmount: 0, reserveTtlMs: 30_000, amount: 20 },
      ],
    });
    expect((await ask(app, admitRequest("a"))).body.verdict).toBe("allow");
    const held = (await store.counters("", 10)).map((view) => [view.key, view.held]);
    expect(Object.fromEntries(held)).toEqual({ r: 1, m: 111, n: 0, t: 1 });
  });

  test("beside a limit with no time of its own the longer time holds", async () => {
    const { app, clock, store } = createService({ limits: [{ reserveTtlMs: 30_000 }, {}] });
    await ask(app, admitRequest("a"));
    clock.nowMs += 599_999;
    expect(await store.expire()).toEqual([]);
    clock.nowMs += 1;
    expect(await store.expire()).toEqual(["a"]);
  });
});

describe("words", () => {
  test.each([
    [{ kind: "fixed", lengthMs: 86_400_000 }, "24h"],
    [{ kind: "fixed", lengthMs: 604_800_000 }, "7d"],
    [{ kind: "fixed", lengthMs: 5_400_000 }, "90m"],
    [{ kind: "fixed", lengthMs: 1_500 }, "1500ms"],
    [{ kind: "sliding", lengthMs: 3_600_000 }, "sliding 1h"],
    [
      { kind: "calendar", period: "month", timeZone: "Europe/Berlin" },
      "calendar month (Europe/Berlin)",
    ],
  ] as const)("a window %j is %s", (window, text) => {
    expect(windowText(window)).toBe(text);
  });

  test.each([
    [0, "0"],
    [999, "0"],
    [1_000, "0.000001"],
    [2_500_000_000, "2.5"],
    [8_000_000_000_000, "8000"],
    [Number.MAX_SAFE_INTEGER, "9007199.25474"],
  ])("%i nano-USD are %s USD", (nanoUsd, text) => {
    expect(amountText("usd", nanoUsd)).toBe(text);
  });

  test("a counter's key is read back, and begins with its prefix", () => {
    const key = counterKey("ns/llm", "fr/ee|%2F", "total/calendar:day:Europe/Berlin", ["a|b", ""]);
    expect(counterNames(key)).toEqual({
      policy: "ns/llm",
      limit: "fr/ee|%2F",
      counters: ["a|b", ""],
      window: "calendar day (Europe/Berlin)",
    });
    expect(key.startsWith(counterKeyPrefix("ns/llm", "fr/ee|%2F"))).toBe(true);
    expect(counterKeyPrefix("ns/llm", undefined)).toBe("ns/llm/");
    expect(counterKeyPrefix("llm", "free")).toBe("");
    expect(counterNames("something else")).toBeNull();
  });
});
