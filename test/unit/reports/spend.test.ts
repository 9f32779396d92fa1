import { describe, expect, test } from "vitest";
import { MemoryStore } from "../../../limitador-bridge/ledger/store/memory.ts";
import { SpendTally, spendJson } from "../../../limitador-bridge/reports/spend.ts";
import { createService } from "../service/service-fixture.ts";
import { NO_TOKENS, record } from "./records.ts";

const MARCH = "month=2026-03";

async function spend(query: string, headers: Record<string, string> = {}) {
  const service = createService();
  const { app, store } = service;
  const records = [
    record("a"),
    record("b", { costNanoUsd: 500, user: "bob", app: null }),
    record("c", { team: "red", model: "gpt-4o-mini", costNanoUsd: 7_000_000_001 }),
    record("d", { outcome: "denied", status: 429, costNanoUsd: 0, tokens: NO_TOKENS }),
    record("e", { priced: false, costNanoUsd: 0, team: null, model: null, requestedModel: "x" }),
    record("f", { time: "2026-02-28T23:59:59.999Z", costNanoUsd: 99 }),
    record("g", { time: "2026-04-01T00:00:00.000Z", costNanoUsd: 99 }),
    record("h", { time: "2026-03-31T23:59:59.999Z", costNanoUsd: 1 }),
  ];
  for (const one of records) await store.appendRecord(one);
  const response = await app.inject({ method: "GET", url: `/v1/spend?${query}`, headers });
  return response;
}

describe("GET /v1/spend", () => {
  test("sums by team, app and model, the most expensive first", async () => {
    const response = await spend(MARCH);
    expect(response.statusCode).toBe(200);
    const counts = (n: number) => ({
      input: 100 * n,
      output: 20 * n,
      cacheRead: 5 * n,
      cacheWrite: 0,
      reasoning: 2 * n,
      total: 120 * n,
    });
    expect(response.json()).toEqual({
      from: "2026-03-01T00:00:00.000Z",
      to: "2026-04-01T00:00:00.000Z",
      groupBy: ["team", "app", "model"],
      rows: [
        {
          team: "red",
          app: "chat",
          model: "gpt-4o-mini",
          requests: 1,
          denied: 0,
          unpriced: 0,
          tokens: counts(1),
          costNanoUsd: 7_000_000_001,
          costUsd: "7.000000001",
        },
        {
          team: "blue",
          app: "chat",
          model: "gpt-4o",
          requests: 2,
          denied: 1,
          unpriced: 0,
          tokens: counts(2),
          costNanoUsd: 1001,
          costUsd: "0.000001001",
        },
        {
          team: "blue",
          app: null,
          model: "gpt-4o",
          requests: 1,
          denied: 0,
          unpriced: 0,
          tokens: counts(1),
          costNanoUsd: 500,
          costUsd: "0.0000005",
        },
        {
          team: null,
          app: "chat",
          model: "x",
          requests: 1,
          denied: 0,
          unpriced: 1,
          tokens: counts(1),
          costNanoUsd: 0,
          costUsd: "0",
        },
      ],
      total: {
        requests: 5,
        denied: 1,
        unpriced: 1,
        tokens: counts(5),
        costNanoUsd: 7_000_001_502,
        costUsd: "7.000001502",
      },
    });
  });

  test("a month is one of its time zone", async () => {
    const response = await spend(`${MARCH}&timeZone=Asia/Tokyo&groupBy=day`);
    const { from, to, rows } = response.json();
    expect([from, to]).toEqual(["2026-02-28T15:00:00.000Z", "2026-03-31T15:00:00.000Z"]);
    expect(rows.map((row: Record<string, unknown>) => [row.day, row.costNanoUsd])).toEqual([
      ["2026-03-01", 7_000_001_501],
      ["2026-02-28", 99],
    ]);
  });

  test("without a time it is the month so far", async () => {
    const { from, to, groupBy, rows } = (await spend("groupBy=")).json();
    expect([from, to, groupBy]).toEqual([
      "2026-03-01T00:00:00.000Z",
      "2026-03-01T12:00:00.000Z",
      [],
    ]);
    expect(rows.map((row: { costNanoUsd: number }) => row.costNanoUsd)).toEqual([7_000_001_501]);
  });

  test("CSV by Accept", async () => {
    const response = await spend(`${MARCH}&groupBy=team`, { accept: "text/csv" });
    expect(response.headers["content-type"]).toBe("text/csv; charset=utf-8");
    expect(response.body).toBe(
      "team,requests,denied,unpriced,input_tokens,output_tokens,cache_read_tokens," +
        "cache_write_tokens,reasoning_tokens,total_tokens,cost_usd,cost_nano_usd\r\n" +
        "red,1,0,0,100,20,5,0,2,120,7.000000001,7000000001\r\n" +
        "blue,3,1,0,300,60,15,0,6,360,0.000001501,1501\r\n" +
        ",1,0,1,100,20,5,0,2,120,0,0\r\n",
    );
  });

  test("FOCUS columns", async () => {
    const response = await spend(`${MARCH}&format=focus&groupBy=user`);
    expect(response.headers["content-type"]).toBe("text/csv; charset=utf-8");
    const [head, first, ...others] = response.body.split("\r\n");
    expect(head).toBe(
      "BilledCost,EffectiveCost,BillingCurrency,BillingPeriodStart,BillingPeriodEnd," +
        "ChargePeriodStart,ChargePeriodEnd,ChargeCategory,ChargeFrequency,ChargeDescription," +
        "ConsumedQuantity,ConsumedUnit,ProviderName,PublisherName,ServiceCategory,ServiceName," +
        "ResourceId,ResourceName,ResourceType,SubAccountId,SubAccountName,Tags",
    );
    expect(first).toBe(
      "7.000000001,7.000000001,USD,2026-03-01T00:00:00.000Z,2026-04-01T00:00:00.000Z," +
        "2026-03-01T00:00:00.000Z,2026-04-01T00:00:00.000Z,Usage,Usage-Based," +
        "LLM tokens of gpt-4o-mini,120,Tokens,openai,openai,AI and Machine Learning,LLM API," +
        "gpt-4o-mini,gpt-4o-mini,Model,red,red," +
        '"{""app"":""chat"",""user"":""ann"",""requests"":""1""}"',
    );
    expect(others.map((line) => line.split(",")[0])).toEqual(["0.000001001", "0.0000005", "0", ""]);
  });

  test.each([
    ["groupBy=team,colour", /^querystring: groupBy: expected names of team, .*, found "colour"$/],
    ["month=2026-13", /^querystring: month: expected a month such as 2026-11, found "2026-13"$/],
    ["month=0000-01", /^querystring: month: expected a month such as 2026-11, found "0000-01"$/],
    ["month=2026-03&from=2026-03-01", /^querystring: month: cannot stand beside from or to$/],
    ["from=yesterday", /^querystring: from must be a date or a time since 1970 as in RFC 3339/],
    ["from=2026-03-02&to=2026-03-01", /^querystring: from: must be before to$/],
    ["month=2026-03&timeZone=Mars", /^querystring: timeZone: expected an IANA .*, found "Mars"$/],
    ["format=xlsx", /^querystring: \/format must/],
  ])("%s is refused", async (query, message) => {
    const response = await spend(query);
    expect(response.statusCode).toBe(400);
    expect(response.json().error.message).toMatch(message);
  });

  test("a store that is away is 503", async () => {
    const { app } = createService({
      store: () =>
        Object.assign(new MemoryStore(), { records: () => Promise.reject(new Error("gone")) }),
    });
    const response = await app.inject("/v1/spend");
    expect([response.statusCode, response.json().error.code]).toEqual([503, "store_unavailable"]);
  });

  test("2500 records are summed over all pages", async () => {
    const { app, store } = createService();
    for (let i = 0; i < 2500; i++) {
      const time = new Date(Date.UTC(2026, 2, 1, 0, 0, i % 60, i % 1000)).toISOString();
      await store.appendRecord(record(`r${i}`, { time, costNanoUsd: i, user: `u${i % 3}` }));
    }
    const { rows, total } = (await app.inject("/v1/spend?month=2026-03&groupBy=user")).json();
    expect(total.costNanoUsd).toBe((2499 * 2500) / 2);
    expect(rows.map((row: { requests: number }) => row.requests)).toEqual([834, 833, 833]);
    const sum = rows.reduce(
      (all: number, row: { costNanoUsd: number }) => all + row.costNanoUsd,
      0,
    );
    expect(sum).toBe(total.costNanoUsd);
  });
});

describe("the tally", () => {
  test("is exact beyond 2^53", () => {
    const tally = new SpendTally([], 10);
    tally.add(record("a", { costNanoUsd: Number.MAX_SAFE_INTEGER }));
    tally.add(record("b", { costNanoUsd: 2 }));
    expect(tally.total.costNanoUsd).toBe(9_007_199_254_740_993n);
    const { costNanoUsd, costUsd } = spendJson(tally.total);
    expect([costNanoUsd, costUsd]).toEqual(["9007199254740993", "9007199.254740993"]);
  });

  test("has an end to its groups", () => {
    const tally = new SpendTally(["user"], 2);
    tally.add(record("a", { user: "a" }));
    tally.add(record("b", { user: "b" }));
    tally.add(record("c", { user: "a" }));
    expect(() => tally.add(record("d", { user: "d" }))).toThrow("more than 2 groups");
    expect(tally.total.requests).toBe(3n);
  });

  test("names made of separators are groups of their own", () => {
    const tally = new SpendTally(["team", "app"], 10);
    tally.add(record("a", { team: 'x","y', app: "z" }));
    tally.add(record("b", { team: "x", app: 'y","z' }));
    tally.add(record("c", { team: null, app: "null" }));
    expect(tally.rows().length).toBe(3);
  });
});
