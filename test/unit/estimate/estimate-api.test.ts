import { describe, expect, test } from "vitest";
import { estimate } from "../../../limitador-bridge/cli/estimate.ts";
import type { TokenCounter } from "../../../limitador-bridge/estimate/token-worker-pool.ts";
import { MemoryStore } from "../../../limitador-bridge/ledger/store/memory.ts";
import type { MatchedLimit } from "../../../limitador-bridge/policy/policy-set.ts";
import {
  admitRequest,
  ask,
  createService,
  type ServiceOptions,
  settleAll,
  settlementRecord,
} from "../service/service-fixture.ts";

/** A token for each word. */
const tokens: TokenCounter = {
  count: async (_, texts) => texts.flatMap((text) => text.split(" ")).length,
  close: async () => {},
};
const BODY = { model: "gpt-4o-mini", messages: [{ role: "user", content: "say hello" }] };
const REQUEST = { path: "/v1/chat/completions", body: BODY, headers: { "x-user": "u1" } };

function service(limits: Partial<MatchedLimit>[] = [{}], more: Partial<ServiceOptions> = {}) {
  return createService({ ...more, limits, overrides: { tokens, ...more.overrides } });
}

async function post(app: ReturnType<typeof service>["app"], body: object = REQUEST) {
  const response = await app.inject({ method: "POST", url: "/v1/estimate", body });
  return { status: response.statusCode, body: response.json() };
}

describe("POST /v1/estimate", () => {
  test("tokens, costs, verdict and limits; nothing is reserved, recorded, counted", async () => {
    const { app, store, parts } = service([{ reservation: "worst-case" }]);
    await ask(app, admitRequest("a"));
    await settleAll(app, settlementRecord("a", [10, 15]));
    const [countersBefore, recordsBefore, metricsBefore] = await Promise.all([
      store.counters("", 100),
      store.records({ limit: 100 }),
      parts.metrics.text(),
    ]);
    const { status, body } = await post(app);
    expect(status).toBe(200);
    // 3 words, 3 for the message, 3 before the answer; at most 50 from the price table.
    expect(body).toEqual({
      metered: true,
      api: "openai.chat",
      requestedModel: "gpt-4o-mini",
      model: "gpt-4o-mini",
      tokens: {
        input: 9,
        inputSource: "tokenizer",
        inputIsPartial: false,
        expectedOutput: 9,
        maxOutput: 50,
      },
      cost: {
        lowNanoUsd: 9,
        expectedNanoUsd: 27,
        worstNanoUsd: 109,
        lowUsd: "0.000000009",
        expectedUsd: "0.000000027",
        worstUsd: "0.000000109",
      },
      verdict: "allow",
      status: null,
      code: null,
      why: "All limits have room for it.",
      cutAfterOutputBytes: null,
      headers: {
        "x-ratelimit-limit": "100",
        "x-ratelimit-limit-tokens": "100",
        "x-ratelimit-remaining": "4",
        "x-ratelimit-remaining-tokens": "4",
        "x-ratelimit-reset": "60",
        "x-ratelimit-reset-tokens": "60",
      },
      limits: [
        {
          counter: "default/llm/free/total/rate-0|u1",
          unit: "total",
          limit: 100,
          used: 25,
          held: 0,
          remaining: 75,
          // 74 bytes at 4 a token with 10 %, and the output: what admission holds.
          reserve: 71,
          enforced: true,
          fits: true,
          resetsAt: "2026-03-01T12:01:00.000Z",
        },
      ],
    });
    expect(await store.counters("", 100)).toEqual(countersBefore);
    expect(await store.records({ limit: 100 })).toEqual(recordsBefore);
    expect(await parts.metrics.text()).toBe(metricsBefore);
  });

  test("a request that would be refused says why, as admission does", async () => {
    const { app } = service([{ reservation: "worst-case", amount: 60 }]);
    const { body } = await post(app);
    expect([body.verdict, body.status, body.code]).toEqual(["deny", 429, "rate_limit_exceeded"]);
    expect(body.why).toBe(
      'Limit "free" of policy "default/llm" reached: 0 of 60 tokens used in 1m; ' +
        "this request needs 71. Resets at 2026-03-01T12:01:00.000Z.",
    );
    expect(body.headers["retry-after"]).toBe("60");
    expect(body.limits.map(({ fits }: { fits: boolean }) => fits)).toEqual([false]);
    const admitted = admitRequest("b");
    const same = { ...admitted, llm: { ...admitted.llm, inputBytes: JSON.stringify(BODY).length } };
    const answer = await ask(app, same);
    expect(JSON.parse(answer.body.deny.body).error.message).toBe(body.why);
  });

  test("what is held by others counts", async () => {
    const { app } = service([{ unit: "requests", amount: 1 }]);
    await ask(app, admitRequest("a"));
    const { body } = await post(app);
    const [{ held, fits }] = body.limits;
    expect([body.verdict, held, fits]).toEqual(["deny", 1, false]);
    const other = await post(app, { ...REQUEST, headers: { "x-user": "u2" } });
    expect([other.body.verdict, other.body.limits[0].held]).toEqual(["allow", 0]);
  });

  test("a limit in shadow mode is shown and refuses nothing", async () => {
    const { app } = service([{ mode: "shadow", amount: 0 }]);
    const { body } = await post(app);
    const [{ enforced, fits }] = body.limits;
    expect([body.verdict, enforced, fits]).toEqual(["allow", false, false]);
  });

  test("without a tokenizer the length counts, with a margin", async () => {
    const { app } = service([]);
    const { body } = await post(app, {
      api: "anthropic.messages",
      body: JSON.stringify({ model: "claude-opus-4", max_tokens: 5, messages: [] }),
    });
    // 54 bytes at 4 a token, and 10 %.
    expect(body.tokens).toEqual({
      input: 15,
      inputSource: "bytes",
      inputIsPartial: false,
      expectedOutput: 5,
      maxOutput: 5,
    });
    expect(body.why).toBe("No limit counts this request.");
  });

  test("a model without a price has no cost", async () => {
    const { app } = service([{ unit: "usd" }]);
    const { body } = await post(app, { ...REQUEST, body: { ...BODY, model: "mystery" } });
    expect([body.cost, body.verdict, body.code]).toEqual([null, "deny", "price_unknown"]);
  });

  test("a policy that cannot be evaluated is why", async () => {
    const error = {
      policy: "default/llm",
      limit: "free",
      expression: "auth.x",
      message: "m",
      failureMode: "deny" as const,
    };
    const { body } = await post(service([], { errors: [error] }).app);
    expect([body.verdict, body.code]).toEqual(["deny", "policy_evaluation_failed"]);
    expect(body.why).toBe(
      'Policy "default/llm", limit "free" could not be evaluated for this request: auth.x',
    );
  });

  test.each([
    [{}, /^body: .*body/],
    [{ body: "{" }, /^body: \/body is not JSON: /],
    [{ body: "[1]" }, /^body: \/body must be a JSON object$/],
    [{ body: [] }, /^body: \/body must/],
    [{ body: {}, colour: 1 }, /^body: unknown name "colour"$/],
  ])("%j is refused", async (body, message) => {
    const answer = await post(service().app, body);
    expect([answer.status, answer.body.error.code]).toEqual([400, "invalid_request"]);
    expect(answer.body.error.message).toMatch(message);
  });

  test("a store that is away is 503", async () => {
    const store = () =>
      Object.assign(new MemoryStore(), { counters: () => Promise.reject(new Error("gone")) });
    const answer = await post(service([{}], { store }).app);
    expect([answer.status, answer.body.error.code]).toEqual([503, "store_unavailable"]);
  });
});

describe("tollgate estimate", () => {
  async function run(args: string[], limits: Partial<MatchedLimit>[], text = JSON.stringify(BODY)) {
    const { app } = service(limits);
    const api = await app.listen({ port: 0 });
    const out = { stdout: "", stderr: "" };
    const io = {
      env: {},
      stdout: (part: string) => {
        out.stdout += part;
      },
      stderr: (part: string) => {
        out.stderr += part;
      },
      read: async () => text,
    };
    try {
      return { code: await estimate([...args, "--api", api], io), ...out };
    } finally {
      await app.close();
    }
  }

  test("prints what is to be known", async () => {
    const args = ["-", "--header", "X-User: u1"];
    expect(await run(args, [{ unit: "usd", amount: 2_500_000_000 }])).toEqual({
      code: 0,
      stdout: `model    gpt-4o-mini
input    9 tokens, counted
output   9 tokens expected, 50 at most
cost     0.000000009 to 0.000000109 USD, 0.000000027 expected
verdict  allowed
why      All limits have room for it.

limit                             unit  limit  used  held  left  needed  resets at
--------------------------------  ----  -----  ----  ----  ----  ------  ------------------------
default/llm/free/total/rate-0|u1  usd     2.5     0     0   2.5       0  2026-03-01T12:01:00.000Z
`,
      stderr: "",
    });
  });

  test("exit code 3 where it would be refused; --json is the answer", async () => {
    const { code, stdout } = await run(["request.json", "--json"], [{ amount: 0 }]);
    expect(code).toBe(3);
    expect(JSON.parse(stdout).code).toBe("rate_limit_exceeded");
    const text = await run(["request.json"], [{ amount: 0 }, { amount: 0, mode: "shadow" }]);
    expect(text.stdout).toMatch(/^verdict {2}refused with 429 rate_limit_exceeded$/m);
    expect(text.stdout).toMatch(/rate-0\|null .* FULL$/m);
    expect(text.stdout).toMatch(/rate-1\|null .* full \(shadow mode\)$/m);
  });

  test.each([
    [[], /^usage: tollgate estimate/],
    [["f", "--header", "nonsense"], /^--header: expected "name: value", found "nonsense"$/],
    [["f", "--attributes", "{"], /^--attributes: not JSON: /],
    [["f", "--colour"], /^Unknown option '--colour'/],
  ])("%j is refused", async (args, message) => {
    await expect(run(args, [])).rejects.toThrow(message);
  });
});
