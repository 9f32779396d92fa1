import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { UsageRecord } from "../../../limitador-bridge/contract/usage-record.ts";
import { createRatios } from "../../../limitador-bridge/estimate/ratios.ts";
import { openEmbeddedStore } from "../../../limitador-bridge/ledger/store/embedded.ts";
import { MemoryStore } from "../../../limitador-bridge/ledger/store/memory.ts";
import type { Settlement, Store } from "../../../limitador-bridge/ledger/store/store.ts";
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
const window = { kind: "fixed", lengthMs: 3 * DAY_MS } as const;

function createBackgroundService(store?: Store) {
  const ratios = { ...createRatios(), inputTokens: () => 100, outputTokens: () => 0 };
  return createService({
    limits: [
      { window, amount: 100_000, key: "tokens" },
      { window, amount: 100, key: "requests", unit: "requests" },
    ],
    ...(store === undefined ? {} : { store: () => store }),
    overrides: { interpret: (record) => interpretUsage(record, ratios) },
  });
}
type Service = ReturnType<typeof createService>;

/** A background response of the Responses API, as begun or as fetched. */
function exchange(id: string, api: string, facts: object, usage: object[] = []) {
  const { llm } = admitRequest(id);
  return settlementRecord(id, [0, 0], {
    llm: { ...llm, api, inputBytes: api.endsWith("retrieve") ? 0 : 540 },
    usage,
    usagePointers: usage.map(() => "/usage"),
    facts: { "/id": "resp_1", "/background": true, "/model": "gpt-4o-mini", ...facts },
    outputBytes: 0,
    responseBytes: 0,
  });
}
const USAGE = { input_tokens: 300, output_tokens: 200, total_tokens: 500 };
const RETRIEVE = "openai.responses.retrieve";
const begun = exchange("begin", "openai.responses", { "/status": "queued" });
const polled = exchange("poll", RETRIEVE, { "/status": "in_progress" });
const fetched = (id: string, facts: object = {}) =>
  exchange(id, RETRIEVE, { "/status": "completed", ...facts }, [USAGE]);

async function recordsOf({ app }: Service): Promise<UsageRecord[]> {
  return (await app.inject("/v1/usage")).json().records;
}

/** What /v1/usage has for a request. */
async function shown({ app }: Service, requestId: string) {
  const { records } = (await app.inject(`/v1/usage?requestId=${requestId}`)).json();
  return records.map(({ source, reason, tokens }: UsageRecord) => [source, reason, tokens.total]);
}

/** Used and held of the counters of tokens and of requests; all records are as much as is used. */
async function ledger(service: Service) {
  const counters = new Map(
    (await service.store.counters("", 10)).map(({ key, used, held }) => [key, [used, held]]),
  );
  const records = await recordsOf(service);
  const sum = records.reduce((total, record) => total + record.tokens.total, 0);
  expect(counters.get("tokens")?.[0] ?? 0).toBe(sum);
  return [counters.get("tokens"), counters.get("requests")];
}

describe("a background response", () => {
  test("is an estimate at once, and the truth once it is fetched, however often", async () => {
    const service = createBackgroundService();
    const { app } = service;
    await ask(app, admitRequest("begin"));
    expect((await settleAll(app, begun)).body).toEqual({ accepted: 1, duplicate: 0 });
    expect(await shown(service, "r-begin")).toEqual([["estimated", "deferred", 100]]);
    expect(await ledger(service)).toEqual([
      [100, 0],
      [1, 0],
    ]);

    expect((await settleAll(app, begun)).body).toEqual({ accepted: 0, duplicate: 1 });
    await ask(app, admitRequest("poll"));
    expect((await settleAll(app, polled)).body).toEqual({ accepted: 1, duplicate: 0 });
    expect(await shown(service, "r-poll")).toEqual([["reported", "deferred", 0]]);
    expect(await ledger(service)).toEqual([
      [100, 0],
      [1, 0],
    ]);

    for (const id of ["fetch-1", "fetch-2"]) {
      await ask(app, admitRequest(id));
      expect((await settleAll(app, fetched(id))).body).toEqual({ accepted: 1, duplicate: 0 });
      expect(await ledger(service)).toEqual([
        [500, 0],
        [1, 0],
      ]);
    }
    expect(await shown(service, "r-fetch-1")).toEqual([["reported", undefined, 500]]);
    expect(await shown(service, "r-fetch-2")).toEqual([["reported", "background", 0]]);
    expect(await service.parts.metrics.text()).toContain(
      'tollgate_tokens_total{model="gpt-4o-mini",team="blue",kind="total"} 500',
    );
  });

  test("begun and fetched in one batch, in either order, is charged once", async () => {
    for (const batch of [
      [begun, fetched("fetch")],
      [fetched("fetch"), begun],
    ]) {
      const service = createBackgroundService();
      const { status } = await settleAll(service.app, ...batch);
      expect(status).toBe(200);
      expect(await ledger(service)).toEqual([
        [500, 0],
        [1, 0],
      ]);
      expect(await shown(service, "r-fetch")).toEqual([["reported", undefined, 500]]);
    }
  });

  test("that nobody fetches stays an estimate", async () => {
    const service = createBackgroundService();
    await settleAll(service.app, begun);
    service.clock.nowMs = START_MS + DAY_MS + 1;
    expect(await service.store.expire()).toEqual([]);
    expect(await ledger(service)).toEqual([
      [100, 0],
      [1, 0],
    ]);
  });

  test("whose stream has the last word is the one record of its request", async () => {
    const service = createBackgroundService();
    await ask(service.app, admitRequest("begin"));
    await settleAll(service.app, { ...fetched("begin"), llm: begun.llm });
    expect(await shown(service, "r-begin")).toEqual([["reported", undefined, 500]]);
    expect(await ledger(service)).toEqual([
      [500, 0],
      [1, 0],
    ]);
  });

  test("is settled after a restart, too", async () => {
    const dir = mkdtempSync(join(tmpdir(), "tollgate-background-"));
    const open = () => openEmbeddedStore(dir, { nowMs: () => START_MS });
    try {
      const first = createBackgroundService(await open());
      await settleAll(first.app, begun);
      expect(await shown(first, "r-begin")).toEqual([["estimated", "deferred", 100]]);
      await first.store.close();
      const second = createBackgroundService(await open());
      expect(await ledger(second)).toEqual([
        [100, 0],
        [1, 0],
      ]);
      await settleAll(second.app, fetched("fetch"));
      expect(await ledger(second)).toEqual([
        [500, 0],
        [1, 0],
      ]);
      await second.store.close();
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

  test("begun under one id by two requests is two responses", async () => {
    for (const facts of [{ "/status": "queued" }, { "/status": "completed" }]) {
      const service = createBackgroundService();
      const usage = facts["/status"] === "queued" ? [] : [USAGE];
      const total = usage.length === 0 ? 100 : 500;
      for (const id of ["one", "two"]) {
        await ask(service.app, admitRequest(id));
        const record = exchange(id, "openai.responses", facts, usage);
        expect((await settleAll(service.app, record)).body.accepted).toBe(1);
        expect((await settleAll(service.app, record)).body.duplicate).toBe(1);
        expect((await shown(service, `r-${id}`)).map((each: unknown[]) => each[2])).toEqual([
          total,
        ]);
      }
      expect(await ledger(service)).toEqual([
        [2 * total, 0],
        [2, 0],
      ]);
    }
  });

  test("whose hold expired before it was settled is charged once", async () => {
    const service = createBackgroundService();
    await ask(service.app, admitRequest("begin"));
    service.clock.nowMs += 600_001;
    expect(await service.store.expire()).toEqual(["begin"]);
    await settleAll(service.app, begun);
    expect(await ledger(service)).toEqual([
      [100, 0],
      [1, 0],
    ]);
  });

  test("that failed costs nothing", async () => {
    const service = createBackgroundService();
    await settleAll(service.app, begun);
    const facts = { "/status": "failed", "/error/code": "server_error" };
    await settleAll(service.app, exchange("fetch", RETRIEVE, facts));
    expect(await shown(service, "r-fetch")).toEqual([["reported", "error_in_body", 0]]);
    expect(await ledger(service)).toEqual([
      [0, 0],
      [1, 0],
    ]);
  });

  test("fetched for the first time is charged, begun elsewhere or not", async () => {
    const service = createBackgroundService();
    await settleAll(service.app, fetched("fetch", { "/created_at": START_MS / 1000 - 3600 }));
    expect(await ledger(service)).toEqual([
      [500, 0],
      [1, 0],
    ]);
  });

  test("of days ago is not charged again when it is fetched once more", async () => {
    const service = createBackgroundService();
    const old = { "/created_at": START_MS / 1000 - 2 * 86_400 };
    await settleAll(service.app, fetched("fetch", old));
    expect(await shown(service, "r-fetch")).toEqual([["reported", "background", 0]]);
    expect(await ledger(service)).toEqual([
      [0, 0],
      [0, 0],
    ]);
    // One whose estimate is still known is settled, whatever the provider's clock says.
    await settleAll(service.app, begun);
    await settleAll(service.app, fetched("fetch-2", old));
    expect(await ledger(service)).toEqual([
      [500, 0],
      [1, 0],
    ]);
  });

  test("leaves a record of nothing behind where the store tells what was replaced", async () => {
    const service = createBackgroundService(new TellingStore());
    await settleAll(service.app, begun);
    await settleAll(service.app, fetched("fetch"));
    const [truth] = (await recordsOf(service)).filter(({ tokens }) => tokens.total > 0);
    expect(await shown(service, "r-begin")).toEqual([["reported", `settled by ${truth?.id}`, 0]]);
    expect(await ledger(service)).toEqual([
      [500, 0],
      [1, 0],
    ]);
  });
});

/** Tells what a settlement replaced. */
class TellingStore extends MemoryStore {
  readonly #provisional = new Map<string, UsageRecord>();

  constructor() {
    super({ nowMs: () => START_MS });
  }

  override async settle(settlements: Settlement[]) {
    const results = await super.settle(settlements);
    return results.map((result, index) => {
      const { id, provisional, record } = settlements[index] as Settlement;
      if (result.duplicate) return result;
      const replaced = this.#provisional.get(id);
      if (provisional === true) this.#provisional.set(id, record);
      return replaced === undefined ? result : { ...result, replaced };
    });
  }
}
