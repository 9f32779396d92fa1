/** A team with five cents a month: warned, moved to the cheaper model, refused, let on again. */
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Simulator, startSimulator } from "../../limitador-bridge/simulator/simulator.ts";
import { eventData, type Reply, send } from "./client.ts";
import { type Stack, startStack } from "./harness.ts";
import { TEAM_IDENTITY } from "./policies.ts";
import { metric, recordOf } from "./service-api.ts";
import { ask, PROMPT_TOKENS } from "./traffic.ts";

const USD = 1_000_000_000;
const OUTPUT_TOKENS = 1000;
/** nano-USD of one answer of 1000 tokens. */
const COST = { "gpt-4o": 10_012_500, "gpt-4o-mini": 600_750 };

const PRICES = `apiVersion: tollgate.dev/v1alpha1
kind: PriceTable
metadata: {name: document}
spec:
  models:
    - {match: gpt-4o, provider: openai, perMillionTokensUSD: {input: 2.5, output: 10}}
    - {match: gpt-4o-mini, provider: openai, perMillionTokensUSD: {input: 0.15, output: 0.6}}
`;
const budget = (team: string, usd: number) => `apiVersion: ai.systemhardening.com/v1
kind: LLMBudget
metadata: {name: ${team}, namespace: ml-platform}
spec:
  team: ${team}
  monthlyBudgetUSD: ${usd}
  alertThresholds:
    - {percent: 50, action: alert, notifyChannel: "#ml-team-costs"}
    - {percent: 80, action: alert_and_downgrade, notifyChannel: "#ml-team-costs"}
    - {percent: 100, action: reject, notifyChannel: "#ml-team-costs"}
  defaultModel: gpt-4o-mini
  essentialApps: [pager]
  contact: "#ml-costs"
`;

interface Received {
  name: string;
  channel: string;
  labels: Record<string, string>;
}

let simulator: Simulator;
let receiver: Server;
let stack: Stack;
const received: Received[] = [];

beforeAll(async () => {
  simulator = await startSimulator({ host: "127.0.0.1", port: 0 });
  receiver = createServer(async (req, res) => {
    const pieces: Buffer[] = [];
    for await (const piece of req) pieces.push(piece as Buffer);
    received.push(JSON.parse(Buffer.concat(pieces).toString()) as Received);
    res.end();
  });
  await new Promise<void>((done) => receiver.listen(0, "127.0.0.1", done));
  const { port } = receiver.address() as AddressInfo;
  stack = await startStack({
    upstream: `http://127.0.0.1:${simulator.port}`,
    policies: {
      "identity.yaml": TEAM_IDENTITY,
      "prices.yaml": PRICES,
      "ml-team.yaml": budget("ml-team", 0.05),
    },
    env: {
      ALERT_WEBHOOK_URL: `http://127.0.0.1:${port}/hook`,
      // Else a machine that is busy with other tests lets requests through by failureMode: allow.
      ADMIT_TIMEOUT_MS: "5000",
    },
  });
});
afterAll(async () => {
  await stack?.stop();
  await simulator?.close();
  receiver?.close();
});

interface Asking {
  headers?: Record<string, string>;
  stream?: boolean;
}

/** Asks for gpt-4o, 1000 tokens of output. */
async function askTeam({ headers = {}, stream = false }: Asking = {}) {
  return ask(stack.proxyUrl, {
    headers: {
      "x-team": "ml-team",
      "x-app": "chatbot",
      "x-sim-output-tokens": String(OUTPUT_TOKENS),
      ...headers,
    },
    body: {
      model: "gpt-4o",
      max_tokens: OUTPUT_TOKENS,
      stream,
      messages: [{ role: "user", content: "How many words is this?" }],
    },
  });
}

/** Asks, and waits until it is settled. */
async function askSettled(asking: Asking = {}) {
  const { requestId, reply } = await askTeam(asking);
  const record = await recordOf(stack.apiUrl, requestId);
  return { reply, record, error: errorOf(reply) };
}

function errorOf({ status, text }: Reply): { code?: string; message?: string } {
  if (status === 200) return {};
  return (JSON.parse(text) as { error: { code: string; message: string } }).error;
}

async function budgetOf(team: string) {
  const { text } = await send(`${stack.apiUrl}/v1/budgets/${team}`);
  return JSON.parse(text) as {
    spentNanoUsd: number;
    heldNanoUsd: number;
    byModel: { name: string; costNanoUsd: number }[];
  };
}

/** Waits until nothing of the team is in flight. */
async function untilSettled(team: string): Promise<void> {
  await expect.poll(async () => (await budgetOf(team)).heldNanoUsd, { timeout: 5_000 }).toBe(0);
}

/** Each test goes on where the one before it left the budget. */
describe("as the month goes on", () => {
  test("under 80 %: the model asked for, with the utilization", async () => {
    const used: unknown[] = [];
    for (let i = 0; i < 3; i++) {
      const { reply, record } = await askSettled();
      expect([reply.status, record.model, record.costNanoUsd]).toEqual([
        200,
        "gpt-4o",
        COST["gpt-4o"],
      ]);
      expect(reply.headers["x-model-downgraded"]).toBeUndefined();
      used.push(reply.headers["x-budget-utilization"]);
    }
    expect(used).toEqual(["0.20", "0.40", "0.60"]);
    expect((await budgetOf("ml-team")).spentNanoUsd).toBe(3 * COST["gpt-4o"]);
  });

  test("50 %: the alert is received", async () => {
    await expect
      .poll(() => received.filter(({ labels }) => labels.team === "ml-team"))
      .toMatchObject([
        { name: "LLMBudgetThreshold", channel: "#ml-team-costs", labels: { percent: "50" } },
      ]);
  });

  test.each([false, true])(
    "80 %%: the cheaper model, told in the headers, at its price; stream: %s",
    async (stream) => {
      const { reply, record } = await askSettled({ stream });
      expect(reply.status).toBe(200);
      expect(reply.headers["x-model-downgraded"]).toBe("true");
      expect(reply.headers["x-model-requested"]).toBe("gpt-4o");
      expect(reply.headers["x-budget-utilization"]).toMatch(/^0\.6\d$/);
      const answers = stream ? eventData(reply.text) : [JSON.parse(reply.text)];
      expect(answers[0]).toMatchObject({ model: "gpt-4o-mini" });
      expect(record).toMatchObject({
        requestedModel: "gpt-4o",
        model: "gpt-4o-mini",
        tokens: { input: PROMPT_TOKENS, output: OUTPUT_TOKENS },
        costNanoUsd: COST["gpt-4o-mini"],
        source: "reported",
      });
      expect(simulator.bill.view().byModel["gpt-4o-mini"]?.requests).toBe(stream ? 2 : 1);
    },
  );

  test("X-Require-Model is honoured until the budget is out, then 429", async () => {
    const required = { "x-require-model": "gpt-4o" };
    for (let i = 0; i < 2; i++) {
      const { reply, record } = await askSettled({ headers: required });
      expect([reply.status, record.model]).toEqual([200, "gpt-4o"]);
      expect(reply.headers["x-model-downgraded"]).toBeUndefined();
    }
    const { reply, record, error } = await askSettled({ headers: required });
    expect(reply.status).toBe(429);
    expect(error.code).toBe("monthly_budget_exceeded");
    expect(reply.headers["x-tollgate-reason"]).toBe("monthly_budget_exceeded");
    expect(record).toMatchObject({
      outcome: "denied",
      status: 429,
      reason: "monthly_budget_exceeded",
      costNanoUsd: 0,
    });
  });

  test("100 %: every model is refused, with who, what, when and whom to ask", async () => {
    const { reply, error } = await askSettled();
    expect(reply.status).toBe(429);
    expect(error.message).toMatch(
      /^Team "ml-team" used 0\.051264 of 0\.05 USD a month; .*Z\. Ask #ml-costs for more\.$/,
    );
    expect(Number(reply.headers["retry-after"])).toBeGreaterThan(0);
    expect(reply.headers["x-budget-utilization"]).toBe("1.02");
    const other = { headers: { "x-app": "batch" } };
    expect((await askSettled(other)).error.code).toBe("monthly_budget_exceeded");
  });

  test("an essential app passes on its buffer", async () => {
    const { reply, record } = await askSettled({ headers: { "x-app": "pager" } });
    expect([reply.status, record.model]).toEqual([200, "gpt-4o-mini"]);
  });

  test("a grant lets the team on at once", async () => {
    const expiresAt = new Date(Date.now() + 2_000).toISOString();
    const body = { amountUSD: 0.01, expiresAt, reason: "launch", author: "finance" };
    const granted = await send(`${stack.apiUrl}/v1/budgets/ml-team/grants`, { body });
    expect(granted.status).toBe(201);
    expect((await askSettled()).reply.status).toBe(200);
    await sleep(Date.parse(expiresAt) - Date.now() + 10);
    expect((await askSettled()).reply.status).toBe(429);
  });

  test("the budget raised in the file is in force within 5 s", async () => {
    await stack.writePolicy("ml-team.yaml", budget("ml-team", 0.2));
    const writtenAt = Date.now();
    let status = 0;
    while (status !== 200 && Date.now() - writtenAt < 5_000) {
      status = (await askTeam()).reply.status;
    }
    expect(status).toBe(200);
    expect(Date.now() - writtenAt).toBeLessThan(5_000);
  });

  test("each threshold was told once, and metrics have it all", async () => {
    await expect
      .poll(() => received.map(({ labels }) => labels.percent).sort())
      .toEqual(["100", "50", "80"]);
    const rejected = await metric(stack.apiUrl, "llm_requests_rejected_budget_total", {
      team: "ml-team",
      reason: "budget_exceeded",
    });
    expect(rejected).toBeGreaterThanOrEqual(4);
    const reason = { reason: "required" };
    expect(await metric(stack.apiUrl, "llm_model_routing_total", reason)).toBe(2);
    await untilSettled("ml-team");
    const { spentNanoUsd } = await budgetOf("ml-team");
    const team = { team: "ml-team" };
    const ratio = await metric(stack.apiUrl, "llm_budget_utilization_ratio", team);
    expect(ratio).toBeCloseTo(spentNanoUsd / (0.2 * USD), 12);
    const remaining = await metric(stack.apiUrl, "llm_budget_remaining_usd", team);
    expect(remaining).toBeCloseTo(0.2 - spentNanoUsd / USD, 12);
  });
});

test("the audit log has the grant, and what was written in the file", async () => {
  const text = await readFile(join(stack.folder, "store/state/audit.jsonl"), "utf8");
  const entries = text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  const grants = entries.filter(({ action }) => action === "grant");
  expect(grants).toMatchObject([{ team: "ml-team", amountNanoUsd: 0.01 * USD, author: "finance" }]);
  const changes = entries.filter(({ action }) => action === "policy_changed");
  expect(
    changes.map(({ name, before, after }) => [
      name,
      before.spec.monthlyBudgetUSD,
      after.spec.monthlyBudgetUSD,
    ]),
  ).toEqual([["ml-team", 0.05, 0.2]]);
});
