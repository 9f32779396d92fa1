/** What operators see of calls that fail: in the log, and in the timing. */
import { describe, expect, test } from "vitest";
import type { Parts } from "../../../limitador-bridge/app.ts";
import { MemoryStore } from "../../../limitador-bridge/ledger/store/memory.ts";
import { StoreError } from "../../../limitador-bridge/ledger/store/store-error.ts";
import { admitRequest, createService, settlementRecord } from "./service-fixture.ts";

const AWAY = new StoreError("unavailable", "disk on fire");
const RECORDS = [settlementRecord("a", [1, 1]), settlementRecord("b", [1, 1])];
const LEASES = [1, 2, 3].map((n) => ({ id: `lease-${n}`, inFlight: 0 }));

class NoSettle extends MemoryStore {
  override settle = () => Promise.reject(AWAY);
}
class NoShrink extends MemoryStore {
  override shrink = () => Promise.reject(AWAY);
}

function serviceOn(store: MemoryStore, overrides: Partial<Parts> = {}) {
  const service = createService({ store: () => store, overrides });
  const settle = (body: object) =>
    service.app.inject({ method: "POST", url: "/v1/settle", payload: body });
  const count = async (metric: string) =>
    (await service.parts.metrics.text())
      .split("\n")
      .filter((line) => line.startsWith(`${metric}_count `));
  return { ...service, settle, count };
}

describe("POST /v1/settle", () => {
  test("records that are not settled are told as such", async () => {
    const { settle, logged, count } = serviceOn(new NoSettle());
    expect((await settle({ records: RECORDS, leases: LEASES })).statusCode).toBe(503);
    expect(logged).toEqual([
      {
        level: "error",
        fields: { err: AWAY, records: 2 },
        message: "store failed: batch not settled",
      },
    ]);
    expect(await count("tollgate_settle_seconds")).toEqual(["tollgate_settle_seconds_count 1"]);
  });

  test("leases that are not taken back are told as such: the records are settled", async () => {
    const store = new NoShrink();
    const { settle, logged, count } = serviceOn(store);
    expect((await settle({ records: RECORDS, leases: LEASES })).statusCode).toBe(503);
    expect((await store.records({ limit: 10 })).records.map(({ id }) => id).sort()).toEqual([
      "a",
      "b",
    ]);
    expect(logged).toEqual([
      {
        level: "error",
        fields: { err: AWAY, leases: 3 },
        message: "store failed: leases not taken back",
      },
    ]);
    expect(await count("tollgate_settle_seconds")).toEqual(["tollgate_settle_seconds_count 1"]);
  });
});

test("POST /v1/admit is timed, too, where it fails", async () => {
  const inputBytesPerToken = () => {
    throw new Error("a mistake of ours");
  };
  const { app, count } = serviceOn(new MemoryStore(), { ratios: { inputBytesPerToken } });
  const payload = { requests: [admitRequest("a")] };
  const one = await app.inject({ method: "POST", url: "/v1/admit", payload: admitRequest("b") });
  const many = await app.inject({ method: "POST", url: "/v1/admit", payload });
  expect([one.statusCode, many.statusCode]).toEqual([500, 200]);
  expect(await count("tollgate_admit_seconds")).toEqual(["tollgate_admit_seconds_count 2"]);
});
