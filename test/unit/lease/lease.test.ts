/** Leases through the service's API, on a memory store with a clock that stands still. */
import { describe, expect, test } from "vitest";
import type { AdmitAnswer, AdmitRequest } from "../../../limitador-bridge/contract/filter.ts";
import { MemoryStore } from "../../../limitador-bridge/ledger/store/memory.ts";
import { StoreError } from "../../../limitador-bridge/ledger/store/store-error.ts";
import {
  admitRequest,
  ask,
  createService,
  type Service,
  settlementRecord,
} from "../service/service-fixture.ts";

/** 1,024 bytes are at most 282 tokens, and the model can give 50. */
const WORST_CASE = 332;

const requestOf = (id: string, change: Partial<AdmitRequest> = {}): AdmitRequest => ({
  ...admitRequest(id),
  requestId: `r-${id}`,
  attributes: { "request.path": "/v1/chat/completions", "request.headers": { "x-user": "u1" } },
  ...change,
});

/** Asks eight times at once; the last answer is the one with a lease, where there is one. */
async function lastOfEight({ app }: Service, change: Partial<AdmitRequest> = {}) {
  let answer: AdmitAnswer | undefined;
  for (let n = 1; n <= 8; n += 1) {
    const { status, body } = await ask(app, requestOf(`worker-${n}`, change));
    expect(status).toBe(200);
    if (n < 8) expect(body.lease).toBeUndefined();
    answer = body;
  }
  return answer as AdmitAnswer;
}

const settle = ({ app }: Service, body: object) =>
  app.inject({ method: "POST", url: "/v1/settle", body });

async function counted({ store }: Service) {
  return (await store.counters("", 10)).map(({ used, held }) => ({ used, held }));
}

const roomy = { limits: [{ amount: 10_000_000 }] };

describe("a limit that is far away", () => {
  test("gives a lease with the eighth ask, reserved at the worst case of each part", async () => {
    const service = createService(roomy);
    const answer = await lastOfEight(service);
    expect(answer.lease).toEqual({
      id: expect.stringMatching(/^worker-8\.[0-9a-f]{12}\.lease$/),
      parts: 16,
      validMs: 2_000,
      maxInputBytes: 1_024,
      maxOutputTokens: null,
    });
    expect(answer.reservation).toBe("worker-8");
    expect(await counted(service)).toEqual([{ used: 0, held: 16 * WORST_CASE }]);
  });

  test("a settlement replaces one part, once; a return gives the others back", async () => {
    const service = createService(roomy);
    const lease = (await lastOfEight(service)).lease?.id as string;
    const change = { reservation: null, lease };
    const records = ["worker-9", "worker-10"].map((id) => settlementRecord(id, [10, 20], change));
    expect((await settle(service, { records })).json()).toEqual({ accepted: 2, duplicate: 0 });
    expect((await settle(service, { records })).json()).toEqual({ accepted: 0, duplicate: 2 });
    expect(await counted(service)).toEqual([{ used: 60, held: 14 * WORST_CASE }]);
    const leases = [{ id: lease, inFlight: 1 }];
    expect((await settle(service, { records: [], leases })).json()).toEqual({
      accepted: 0,
      duplicate: 0,
    });
    await settle(service, { records: [], leases });
    expect(await counted(service)).toEqual([{ used: 60, held: WORST_CASE }]);
    const mixed = [
      settlementRecord("worker-11", [1, 1], change),
      settlementRecord("worker-12", [1, 2]),
    ];
    await settle(service, { records: mixed });
    expect(await counted(service)).toEqual([{ used: 65, held: 0 }]);
    const metrics = await service.parts.metrics.text();
    expect(metrics).toContain("tollgate_leases_total 1");
    expect(metrics).toContain('tollgate_lease_parts_total{result="granted"} 16');
    expect(metrics).toContain('tollgate_lease_parts_total{result="settled"} 3');
    expect(metrics).toContain('model="gpt-4o-mini",verdict="allow",reason="lease"} 3');
  });

  test("a malformed return does not keep the records of its batch from counting", async () => {
    const service = createService(roomy);
    const { lease } = await lastOfEight(service);
    const records = [settlementRecord("worker-9", [10, 20], { reservation: null })];
    const leases = [{ id: 7 }, { id: lease?.id, inFlight: 2 }];
    expect((await settle(service, { records, leases })).json().accepted).toBe(1);
    expect(await counted(service)).toEqual([{ used: 30, held: 2 * WORST_CASE }]);
    expect(service.logged.filter(({ level }) => level === "error")).toHaveLength(1);
  });

  test("records stand before the returns of their batch", async () => {
    const service = createService(roomy);
    const lease = (await lastOfEight(service)).lease?.id as string;
    const records = [settlementRecord("worker-9", [10, 20], { reservation: null, lease })];
    await settle(service, { records, leases: [{ id: lease, inFlight: 0 }] });
    expect(await counted(service)).toEqual([{ used: 30, held: 0 }]);
  });

  test("a renewal reserves the next lease and nothing for a request", async () => {
    const service = createService(roomy);
    const { lease } = await lastOfEight(service);
    const { body } = await ask(service.app, requestOf("worker-9", { renew: lease?.id as string }));
    expect(body.reservation).toBeNull();
    expect(body.lease).toMatchObject({ id: expect.stringMatching(/^worker-9\./), parts: 32 });
    expect(body.responseHeaders["x-ratelimit-limit"]).toBe("10000000");
    expect(await counted(service)).toEqual([{ used: 0, held: 48 * WORST_CASE }]);
  });

  test("every lease that is told is reserved, also where one ask comes again", async () => {
    const service = createService(roomy);
    const { lease } = await lastOfEight(service);
    service.clock.nowMs += 30;
    const { body } = await ask(service.app, requestOf("worker-8"));
    expect([lease?.parts, body.lease?.parts]).toEqual([16, 32]);
    expect(body.lease?.id).not.toBe(lease?.id);
    expect(await counted(service)).toEqual([{ used: 0, held: 48 * WORST_CASE }]);
  });

  test("requests of another user, worker, model or output limit need others", async () => {
    const service = createService(roomy);
    const others: Partial<AdmitRequest>[] = [
      { attributes: { "request.headers": { "x-user": "u2" } } },
      { llm: { ...admitRequest("x").llm, model: "gpt-4o" } },
      { llm: { ...admitRequest("x").llm, maxOutputTokens: 10 } },
    ];
    for (const [i, change] of others.entries()) {
      for (let n = 0; n < 2; n += 1) {
        const { body } = await ask(service.app, requestOf(`worker-${i}${n}`, change));
        expect(body.lease).toBeUndefined();
      }
    }
    expect((await lastOfEight(service)).lease?.parts).toBe(16);
    const { body } = await ask(service.app, requestOf("other-1"));
    expect(body.lease).toBeUndefined();
  });

  test("ends with the window", async () => {
    const service = createService(roomy);
    await service.app.inject({
      method: "POST",
      url: "/v1/settle",
      body: { records: [settlementRecord("first", [1, 1])] },
    });
    service.clock.nowMs += 58_500;
    expect((await lastOfEight(service)).lease?.validMs).toBe(1_500);
    const late = createService(roomy);
    await settle(late, { records: [settlementRecord("first", [1, 1])] });
    late.clock.nowMs += 59_900;
    expect((await lastOfEight(late)).lease).toBeUndefined();
    expect(await counted(late)).toEqual([{ used: 2, held: 0 }]);
  });
});

describe("no lease", () => {
  const none = async (options: Parameters<typeof createService>[0], held: number) => {
    const service = createService(options);
    expect((await lastOfEight(service)).lease).toBeUndefined();
    expect(await counted(service)).toEqual([{ used: 0, held }]);
  };

  test("where the limit has room for less than 512 such requests", async () => {
    await none({ limits: [{ amount: 512 * WORST_CASE - 1 }] }, 0);
    const service = createService({ limits: [{ amount: 512 * WORST_CASE }] });
    expect((await lastOfEight(service)).lease?.parts).toBe(8);
  });

  test("where the limit wants every request to ask", async () => {
    await none({ limits: [{ amount: 10_000_000, enforcement: "ask" }] }, 0);
  });

  test("where policies look at sizes", async () => {
    const service = createService(roomy);
    const set = service.parts.policies();
    const sized = createService({
      ...roomy,
      overrides: { policies: () => ({ ...set, isLeasable: false }) },
    });
    expect((await lastOfEight(sized)).lease).toBeUndefined();
  });

  test("where what they read is too long to compare", async () => {
    const service = createService(roomy);
    const headers = { "x-user": "u1", "x-long": "x".repeat(4_096) };
    const answer = await lastOfEight(service, { attributes: { "request.headers": headers } });
    expect(answer).toMatchObject({ verdict: "allow", reservation: "worker-8" });
    expect(answer.lease).toBeUndefined();
  });

  test("where the store does not answer for it", async () => {
    class Failing extends MemoryStore {
      override reserve: MemoryStore["reserve"] = (request) =>
        request.parts === undefined
          ? super.reserve(request)
          : Promise.reject(new StoreError("unavailable", "gone"));
    }
    await none({ ...roomy, store: ({ nowMs }) => new Failing({ nowMs: () => nowMs }) }, 0);
  });

  test("where the renewal meets a limit that is used up", async () => {
    const service = createService(roomy);
    await lastOfEight(service);
    await settle(service, { records: [settlementRecord("big", [9_999_000, 0])] });
    const { status, body } = await ask(service.app, requestOf("worker-9", { renew: "x" }));
    expect(status).toBe(200);
    expect(body).toEqual({
      verdict: "allow",
      reservation: null,
      requestHeaders: {},
      responseHeaders: {},
    });
    expect(await counted(service)).toEqual([{ used: 9_999_000, held: 16 * WORST_CASE }]);
  });
});

describe("several asks in one call", () => {
  test("are answered in their order, a bad one by itself", async () => {
    const service = createService({ limits: [{ amount: 1, unit: "requests" }] });
    const { status, body } = await ask(service.app, {
      requests: [requestOf("w-1"), { id: "w-2" }, requestOf("w-3")],
    });
    expect(status).toBe(200);
    expect(body.answers.map((one: { verdict?: string }) => one.verdict)).toEqual([
      "allow",
      undefined,
      "deny",
    ]);
    expect(body.answers[1].error.code).toBe("invalid_request");
  });

  test("are at least one and at most 100", async () => {
    const { app } = createService();
    const many = Array.from({ length: 101 }, (_, n) => requestOf(`w-${n}`));
    for (const requests of [[], many]) expect((await ask(app, { requests })).status).toBe(400);
  });
});

describe("a value nested deeper than the stack", () => {
  const depth = 20_000;
  const deep = `${"[".repeat(depth)}1${"]".repeat(depth)}`;
  const withDeep = (message: object) =>
    JSON.stringify(message).replace('"body":{"/x":0}', `"body":{"/x":${deep}}`);
  const llm = { ...admitRequest("x").llm, body: { "/x": 0 } };
  const post = ({ app }: Service, url: string, message: object) =>
    app.inject({
      method: "POST",
      url,
      headers: { "content-type": "application/json" },
      payload: withDeep(message),
    });

  test("is decided on and settled like any other", async () => {
    const service = createService(roomy);
    const asked = await post(service, "/v1/admit", requestOf("worker-1", { llm }));
    expect([asked.statusCode, asked.json().reservation]).toEqual([200, "worker-1"]);
    const records = [settlementRecord("worker-2", [10, 20], { reservation: null, llm })];
    const settled = await post(service, "/v1/settle", { records });
    expect(settled.json()).toEqual({ accepted: 1, duplicate: 0 });
    expect(await counted(service)).toEqual([{ used: 30, held: 0 }]);
    expect(service.logged).toEqual([]);
  });
});
