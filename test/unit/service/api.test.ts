import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { MemoryStore } from "../../../limitador-bridge/ledger/store/memory.ts";
import {
  admitRequest,
  ask,
  createService,
  policySet,
  settleAll,
  settlementRecord,
} from "./service-fixture.ts";

describe("errors", () => {
  const { app } = createService();
  const post = (url: string, payload: string | object, contentType = "application/json") =>
    app.inject({ method: "POST", url, headers: { "content-type": contentType }, payload });

  test("an unknown path is 404", async () => {
    const response = await app.inject("/v2/admit?x=1");
    expect(response.statusCode).toBe(404);
    expect(response.headers["content-type"]).toBe("application/json; charset=utf-8");
    expect(response.json()).toEqual({
      error: { code: "not_found", message: "nothing at /v2/admit" },
    });
  });

  test("a known path with another method is 405 with Allow", async () => {
    const response = await app.inject({ method: "DELETE", url: "/v1/usage" });
    expect(response.statusCode).toBe(405);
    expect(response.headers.allow).toBe("GET, HEAD");
    expect(response.json()).toEqual({
      error: {
        code: "method_not_allowed",
        message: "/v1/usage takes GET, HEAD, not DELETE",
      },
    });
  });

  test.each([
    ["DELETE", "/v1/budgets/ml-team", "GET, HEAD"],
    ["PUT", "/v1/budgets/a%2Fb/grants", "GET, HEAD, POST"],
  ] as const)("and so is %s %s, a path with a name in it", async (method, url, allow) => {
    const response = await app.inject({ method, url });
    expect([response.statusCode, response.headers.allow]).toEqual([405, allow]);
    expect(response.json().error.message).toBe(`${url} takes ${allow}, not ${method}`);
  });

  test.each([["/v1/budgets/a/b"], ["/v1/budgets/a/grants/b"]])("%s is 404", async (url) => {
    expect((await app.inject({ method: "DELETE", url })).statusCode).toBe(404);
  });

  test("10 MB are 413", async () => {
    const response = await post("/v1/settle", `{"records":["${"x".repeat(10_000_000)}"]}`);
    expect(response.statusCode).toBe(413);
    expect(response.json().error.code).toBe("body_too_large");
  });

  test.each([
    ["/v1/admit", "{", 400, "invalid_json"],
    ["/v1/admit", "", 400, "invalid_json"],
    ["/v1/admit", "[".repeat(100_000), 400, "invalid_json"],
    ["/v1/admit", "[]", 400, "invalid_request"],
    ["/v1/settle", '{"records":7}', 400, "invalid_request"],
    ["/v1/settle", JSON.stringify({ records: new Array(1001).fill(1) }), 400, "invalid_request"],
  ])("%s with %.20s is %i %s", async (url, payload, status, code) => {
    const response = await post(url, payload);
    expect([response.statusCode, response.json().error.code]).toEqual([status, code]);
  });

  test.each(["application/x-www-form-urlencoded", "text/plain"])(
    "a body that says it is %s is 415",
    async (contentType) => {
      const response = await post("/v1/admit", "a=b", contentType);
      expect([response.statusCode, response.json().error.code]).toEqual([
        415,
        "unsupported_media_type",
      ]);
    },
  );

  test("the message says where a body is wrong", async () => {
    const wrong = admitRequest("a");
    const response = await post("/v1/admit", { ...wrong, llm: { ...wrong.llm, choices: -1 } });
    expect(response.json()).toEqual({
      error: { code: "invalid_request", message: "body: /llm/choices must be >= 0" },
    });
  });

  test("hostile names in attributes change nothing", async () => {
    const body = JSON.stringify(admitRequest("hostile")).replace(
      '"headers":{',
      '"headers":{"__proto__":{"x-user":"evil"},"constructor":{"prototype":{"y":1}},',
    );
    const response = await post("/v1/admit", body);
    expect(response.json().verdict).toBe("allow");
    expect(({} as Record<string, unknown>).y).toBeUndefined();
  });
});

describe("GET /v1/filter-config", () => {
  test("has what the policies need, and 304 until that changes", async () => {
    let set = policySet([{}], []);
    const { app, parts } = createService({ overrides: { policies: () => set } });
    const first = await app.inject("/v1/filter-config");
    const config = first.json();
    expect(config).toEqual({
      version: config.version,
      failureMode: "allow",
      admitTimeoutMs: 200,
      apis: parts.capture.apis,
      sniff: true,
      attributes: { headers: ["x-user"], properties: [], metadata: [] },
      request: { ...parts.capture.request, body: ["/user"] },
      response: { ...parts.capture.response, facts: ["/model", "/meter/tokens"] },
      errors: parts.capture.errors,
      errorTypes: parts.capture.errorTypes,
    });
    expect(first.headers.etag).toBe(`"${config.version}"`);
    const again = (tag: string) =>
      app.inject({ url: "/v1/filter-config", headers: { "if-none-match": tag } });
    const same = await again(`"other", W/"${config.version}"`);
    expect([same.statusCode, same.body, same.headers.etag]).toEqual([304, "", first.headers.etag]);
    set = { ...set, failureMode: "deny" };
    const changed = await again(`"${config.version}"`);
    expect(changed.statusCode).toBe(200);
    expect(changed.json().failureMode).toBe("deny");
    expect(changed.json().version).not.toBe(config.version);
  });
});

describe("readers", () => {
  test("GET /v1/policies", async () => {
    const { app } = createService();
    expect((await app.inject("/v1/policies")).json()).toEqual({
      version: "v1",
      failureMode: "allow",
      policies: [
        {
          kind: "TokenRateLimitPolicy",
          namespace: "default",
          name: "llm",
          file: "llm.yaml",
          accepted: true,
          problems: [],
          limits: ["free"],
        },
      ],
    });
  });

  test("GET /v1/limits shows counters and finds them", async () => {
    const { app } = createService({ limits: [{ reservation: "worst-case" }] });
    for (const [id, user] of [
      ["a", "an/n|a%2F"],
      ["b", "bob"],
      ["c", "annika"],
    ] as const) {
      const attributes = { "request.headers": { "x-user": user } };
      await ask(app, admitRequest(id, { attributes }));
    }
    await settleAll(app, settlementRecord("b", [30, 10]));
    const users = async (query: string) => {
      const { limits } = (await app.inject(`/v1/limits${query}`)).json();
      return limits.map((limit: { counters: string[] }) => limit.counters[0]);
    };
    expect((await app.inject("/v1/limits?counter=bob")).json()).toEqual({
      limits: [
        {
          policy: "default/llm",
          limitName: "free",
          counters: ["bob"],
          unit: "total",
          window: "rate-0",
          limit: 100,
          used: 40,
          held: 0,
          remaining: 60,
          resetsAt: "2026-03-01T12:01:00.000Z",
        },
      ],
      truncated: false,
    });
    expect(await users("")).toEqual(["an/n|a%2F", "annika", "bob"]);
    expect(await users("?counter=ni")).toEqual(["annika"]);
    expect(await users("?counterPrefix=nn")).toEqual([]);
    expect(await users("?counterPrefix=an&policy=default/llm&limit=free")).toHaveLength(2);
    expect(await users("?policy=llm")).toHaveLength(3);
    expect(await users("?policy=lm")).toEqual([]);
    expect(await users("?limit=gold")).toEqual([]);
    expect((await app.inject("/v1/limits?max=2")).json()).toMatchObject({ truncated: true });
  });

  test("GET /v1/usage pages, filters, and speaks NDJSON", async () => {
    const { app, clock } = createService();
    for (const id of ["a", "b", "c"]) {
      clock.nowMs += 1000;
      await settleAll(app, settlementRecord(id, [1, 2], { timeMs: clock.nowMs }));
    }
    const ids = (answer: { records: { id: string }[] }) => answer.records.map(({ id }) => id);
    const first = (await app.inject("/v1/usage?limit=2")).json();
    expect(ids(first)).toEqual(["c", "b"]);
    const second = (await app.inject(`/v1/usage?limit=2&cursor=${first.next}`)).json();
    expect([ids(second), second.next]).toEqual([["a"], null]);
    const since = "since=2026-03-01T12:00:02Z&until=2026-03-01T13:00:03%2B01:00";
    expect(ids((await app.inject(`/v1/usage?${since}`)).json())).toEqual(["b"]);
    expect(ids((await app.inject("/v1/usage?user=u1&team=blue&requestId=r-a")).json())).toEqual([
      "a",
    ]);
    expect(ids((await app.inject("/v1/usage?user=nobody")).json())).toEqual([]);
    const lines = await app.inject({
      url: "/v1/usage?limit=2",
      headers: { accept: "application/x-ndjson" },
    });
    expect(lines.headers["content-type"]).toBe("application/x-ndjson; charset=utf-8");
    expect(lines.headers["x-next-cursor"]).toBe(first.next);
    expect(lines.body.split("\n").map((line) => line && JSON.parse(line).id)).toEqual([
      "c",
      "b",
      "",
    ]);
    expect((await app.inject("/v1/usage?format=ndjson")).body).toHaveLength(
      first.records
        .concat(second.records)
        .map((record: object) => JSON.stringify(record))
        .join("\n").length + 1,
    );
  });

  test.each([
    ["/v1/usage?limit=0", "querystring: /limit must be >= 1"],
    ["/v1/usage?limit=many", "querystring: /limit must be integer"],
    ["/v1/usage?limit=1.5", "querystring: /limit must be integer"],
    ["/v1/usage?limit=true", "querystring: /limit must be integer"],
    ["/v1/usage?limit=", "querystring: /limit must be integer"],
    ["/v1/usage?format=xml", "querystring: /format must be json or ndjson"],
    ["/v1/usage?usr=x", 'querystring: unknown name "usr"'],
    ["/v1/usage?cursor=x", "cursor: not one that a page gave"],
    [
      "/v1/usage?since=yesterday",
      "querystring: since must be a date or a time since 1970 as in RFC 3339, " +
        "e.g. 2026-01-31T12:00:00Z",
    ],
    [
      "/v1/usage?until=1969-12-31",
      "querystring: until must be a date or a time since 1970 as in RFC 3339, " +
        "e.g. 2026-01-31T12:00:00Z",
    ],
  ])("%s is 400: %s", async (url, message) => {
    const response = await createService().app.inject(url);
    expect(response.statusCode).toBe(400);
    expect(response.json()).toEqual({ error: { code: "invalid_request", message } });
  });

  test("GET /v1/prices", async () => {
    const { app } = createService();
    expect((await app.inject("/v1/prices")).json()).toEqual({ source: "test", version: "1" });
  });

  test("GET / is a page that may run its own script and style and nothing else", async () => {
    const response = await createService().app.inject("/");
    expect(response.headers["content-type"]).toBe("text/html; charset=utf-8");
    for (const tag of ["script", "style"]) {
      const [, source] = new RegExp(`<${tag}>([^]*)</${tag}>`).exec(response.body) ?? [];
      const hash = createHash("sha256")
        .update(source as string)
        .digest("base64");
      expect(response.headers["content-security-policy"]).toContain(`${tag}-src 'sha256-${hash}'`);
    }
  });
});

describe("health", () => {
  test("ready while the store answers", async () => {
    const { app } = createService();
    expect((await app.inject("/healthz")).json()).toEqual({ status: "ok" });
    const ready = await app.inject("/readyz");
    expect([ready.statusCode, ready.json()]).toEqual([
      200,
      { status: "ready", reasons: [], policies: { version: "v1", accepted: 1, rejected: 0 } },
    ]);
  });

  test("not ready, with the reason, while it does not", async () => {
    class Away extends MemoryStore {
      override ping(): Promise<void> {
        return Promise.reject(new Error("connection refused"));
      }
      override records(): Promise<never> {
        return Promise.reject(new Error("connection refused"));
      }
    }
    const { app } = createService({ store: () => new Away() });
    expect((await app.inject("/healthz")).statusCode).toBe(200);
    const ready = await app.inject("/readyz");
    expect([ready.statusCode, ready.json().reasons]).toEqual([503, ["store: connection refused"]]);
    const usage = await app.inject("/v1/usage");
    expect([usage.statusCode, usage.headers["retry-after"], usage.json()]).toEqual([
      503,
      "1",
      { error: { code: "store_unavailable", message: "the store is not available" } },
    ]);
  });

  test("metrics count decisions, with a bound on models", async () => {
    const { app, parts } = createService({ limits: [] });
    for (let i = 0; i <= 500; i += 1) parts.metrics.countRequest("api", `model-${i}`, "allow", "");
    const response = await app.inject("/metrics");
    expect(response.headers["content-type"]).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(response.body).toContain(
      'tollgate_requests_total{api="api",model="model-499",verdict="allow",reason=""} 1',
    );
    expect(response.body).not.toContain('model="model-500"');
    expect(response.body).toContain(
      'tollgate_requests_total{api="api",model="other",verdict="allow",reason=""} 1',
    );
  });
});

describe("GET /openapi.json", () => {
  test("lists every route, and every reference in it leads somewhere", async () => {
    const { app } = createService({ overrides: { apiToken: "t" } });
    const document = (await app.inject("/openapi.json")).json();
    expect(document.openapi).toBe("3.1.0");
    const operations = Object.entries(document.paths as Record<string, object>).flatMap(
      ([path, methods]) => Object.keys(methods).map((method) => `${method} ${path}`),
    );
    expect(operations.sort()).toEqual([
      "get /",
      "get /healthz",
      "get /metrics",
      "get /openapi.json",
      "get /readyz",
      "get /v1/budgets",
      "get /v1/budgets/{team}",
      "get /v1/budgets/{team}/grants",
      "get /v1/filter-config",
      "get /v1/limits",
      "get /v1/policies",
      "get /v1/prices",
      "get /v1/spend",
      "get /v1/usage",
      "post /v1/admit",
      "post /v1/budgets/{team}/grants",
      "post /v1/estimate",
      "post /v1/settle",
    ]);
    const { admit } = { admit: document.paths["/v1/admit"].post };
    expect(admit.operationId).toBe("postV1Admit");
    expect(admit.security).toEqual([{ bearer: [] }, {}]);
    const { anyOf } = admit.requestBody.content["application/json"].schema;
    expect(anyOf.map(({ required }: { required: string[] }) => required)).toEqual([
      ["id", "attributes", "llm"],
      ["requests"],
    ]);
    expect(admit.responses.default.content["application/json"].schema).toEqual({
      $ref: "#/components/schemas/Error",
    });
    expect(document.components.schemas.Error.required).toEqual(["error"]);
    const ids = Object.values(
      document.paths as Record<string, Record<string, { operationId: string }>>,
    )
      .flatMap((methods) => Object.values(methods))
      .map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    expect(document.paths["/v1/usage"].get.parameters[0]).toEqual({
      name: "requestId",
      in: "query",
      required: false,
      schema: { type: "string" },
    });
  });
});
