import { describe, expect, test } from "vitest";
import { createRatios } from "../../../limitador-bridge/estimate/ratios.ts";
import { interpretUsage } from "../../../limitador-bridge/usage/interpret.ts";
import {
  admitRequest,
  ask,
  createService,
  START_MS,
  settleAll,
  settlementRecord,
} from "./service-fixture.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

function createBackgroundService() {
  const ratios = { ...createRatios(), inputTokens: () => 100, outputTokens: () => 0 };
  return createService({
    limits: [{ window: { kind: "fixed", lengthMs: 2 * DAY_MS }, amount: 100_000 }],
    overrides: { interpret: (record) => interpretUsage(record, ratios) },
  });
}

/** A background response of the Responses API, as begun or as fetched. */
function exchange(id: string, api: string, status: string, usage: object[] = []) {
  const { llm } = admitRequest(id);
  return settlementRecord(id, [0, 0], {
    llm: { ...llm, api, inputBytes: api.endsWith("retrieve") ? 0 : 540 },
    usage,
    usagePointers: usage.map(() => "/usage"),
    facts: { "/id": "resp_1", "/background": true, "/status": status, "/model": "gpt-4o-mini" },
    outputBytes: 0,
    responseBytes: 0,
  });
}
const begun = exchange("begin", "openai.responses", "queued");
const fetched = (id: string) =>
  exchange(id, "openai.responses.retrieve", "completed", [
    { input_tokens: 300, output_tokens: 200, total_tokens: 500 },
  ]);

describe("a background response", () => {
  test("is charged once, when it is fetched, however often that is", async () => {
    const { app, store } = createBackgroundService();
    await ask(app, admitRequest("begin"));
    expect((await settleAll(app, begun)).body).toEqual({ accepted: 1, duplicate: 0 });
    expect(await store.counters("", 10)).toMatchObject([{ used: 0, held: 100 }]);
    expect((await settleAll(app, begun)).body).toEqual({ accepted: 0, duplicate: 1 });
    for (const id of ["fetch-1", "fetch-2"]) {
      expect((await settleAll(app, fetched(id))).body).toEqual({ accepted: 1, duplicate: 0 });
    }
    expect(await store.counters("", 10)).toMatchObject([{ used: 500, held: 0 }]);
    const { records } = (await app.inject("/v1/usage")).json();
    expect(
      records.map((record: { source: string; reason?: string; tokens: { total: number } }) => [
        record.source,
        record.reason,
        record.tokens.total,
      ]),
    ).toEqual(
      expect.arrayContaining([
        ["reported", "background", 0],
        ["reported", "background", 0],
        ["reported", "background", 0],
        ["reported", undefined, 500],
      ]),
    );
    expect(records).toHaveLength(4);
  });

  test("that nobody fetches is charged by estimate after a day", async () => {
    const { app, clock, store } = createBackgroundService();
    await settleAll(app, begun);
    clock.nowMs = START_MS + DAY_MS - 1;
    expect(await store.expire()).toEqual([]);
    clock.nowMs += 1;
    expect(await store.expire()).toHaveLength(1);
    expect(await store.counters("", 10)).toMatchObject([{ used: 100, held: 0 }]);
    const { records } = (await app.inject("/v1/usage")).json();
    expect(
      records.map((record: { source: string; reason: string; tokens: { total: number } }) => [
        record.source,
        record.reason,
        record.tokens.total,
      ]),
    ).toEqual(
      expect.arrayContaining([
        ["estimated", "deferred", 100],
        ["reported", "background", 0],
      ]),
    );
  });
});
