/**
 * Many agents on one budget: what the provider bills is never over the budget and its allowance,
 * and bill, ledger, usage records and reports say the same to the nano-dollar.
 *
 *   BUDGET_SECONDS=60 npx vitest run test/e2e/budget-agents.test.ts
 */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { UsageRecord } from "../../limitador-bridge/contract/usage-record.ts";
import { type Simulator, startSimulator } from "../../limitador-bridge/simulator/simulator.ts";
import { send } from "./client.ts";
import { PROJECT_ROOT, type Stack, startStack } from "./harness.ts";
import { TEAM_IDENTITY } from "./policies.ts";
import { CHAT_PATH, MESSAGES_PATH } from "./traffic.ts";

const SECONDS = Number(process.env.BUDGET_SECONDS ?? 4);
const AGENTS = 64;
const NANO_USD = 1_000_000_000;
/** Lasts for a part of the time, also on a busy machine. */
const BUDGET_USD = 0.04 * SECONDS;
const ALLOWANCE_PERCENT = 5;
const FARTHEST_NANO_USD = Math.floor((BUDGET_USD * NANO_USD * (100 + ALLOWANCE_PERCENT)) / 100);
const APPS = ["chatbot", "batch", "search"];
/** nano-USD a token, input and output. */
const PRICES: Record<string, [number, number]> = {
  "gpt-4o": [2500, 10_000],
  "gpt-4o-mini": [150, 600],
  "claude-sonnet": [3000, 15_000],
};

const POLICIES = {
  "identity.yaml": TEAM_IDENTITY,
  "prices.yaml": `apiVersion: tollgate.dev/v1alpha1
kind: PriceTable
metadata: {name: document}
spec:
  models:
    - {match: gpt-4o, provider: openai, perMillionTokensUSD: {input: 2.5, output: 10}}
    - {match: gpt-4o-mini, provider: openai, perMillionTokensUSD: {input: 0.15, output: 0.6}}
    - {match: claude-sonnet, provider: anthropic, perMillionTokensUSD: {input: 3, output: 15}}
`,
  "agents.yaml": `apiVersion: ai.systemhardening.com/v1
kind: LLMBudget
metadata: {name: agents, namespace: ml-platform}
spec:
  team: agents
  monthlyBudgetUSD: ${BUDGET_USD}
  overshootPercent: ${ALLOWANCE_PERCENT}
  alertThresholds:
    - {percent: 80, action: alert_and_downgrade}
    - {percent: 100, action: reject}
  defaultModel: gpt-4o-mini
  # None passes unasked.
  failureMode: deny
`,
};

let simulator: Simulator;
let stack: Stack;
const statuses = new Map<number, number>();
let highestBill = 0;

beforeAll(async () => {
  simulator = await startSimulator({ host: "127.0.0.1", port: 0 });
  stack = await startStack({
    upstream: `http://127.0.0.1:${simulator.port}`,
    policies: POLICIES,
    env: { ADMIT_TIMEOUT_MS: "5000" },
  });
});
afterAll(async () => {
  await stack?.stop();
  await simulator?.close();
});

/** What the provider bills until now, nano-USD. */
function billNanoUsd(): number {
  return Object.entries(simulator.bill.view().byModel).reduce((sum, [model, line]) => {
    const [input, output] = PRICES[model] ?? [Number.NaN, Number.NaN];
    return sum + line.inputTokens * input + line.outputTokens * output;
  }, 0);
}

/** One agent: chat and messages in turn, streamed or not, answers of different lengths. */
async function agent(number: number, untilMs: number): Promise<void> {
  for (let turn = number; Date.now() < untilMs; turn++) {
    const isMessage = turn % 4 === 0;
    const outputTokens = 20 + (turn % 5) * 20;
    const { status } = await send(stack.proxyUrl + (isMessage ? MESSAGES_PATH : CHAT_PATH), {
      headers: {
        "x-team": "agents",
        "x-app": APPS[turn % APPS.length] as string,
        "x-user": `agent-${number % 8}`,
        "x-sim-output-tokens": String(outputTokens),
      },
      body: {
        model: isMessage ? "claude-sonnet" : "gpt-4o",
        // More than it will write: what is held is more than what is spent.
        max_tokens: 2 * outputTokens,
        stream: turn % 3 === 0,
        messages: [{ role: "user", content: "How many words is this?" }],
      },
    });
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  }
}

async function watchBill(untilMs: number): Promise<void> {
  while (Date.now() < untilMs) {
    highestBill = Math.max(highestBill, billNanoUsd());
    await sleep(20);
  }
}

interface Spend {
  rows: Record<string, unknown>[];
  total: { costNanoUsd: number };
}

async function json<T>(path: string): Promise<T> {
  const { status, text } = await send(stack.apiUrl + path, { timeoutMs: 60_000 });
  if (status !== 200) throw new Error(`${path} answered ${status}: ${text}`);
  return JSON.parse(text) as T;
}

const teamBudget = () =>
  json<{ spentNanoUsd: number; heldNanoUsd: number; budgetNanoUsd: number }>("/v1/budgets/agents");

/** All usage records of the team, page by page. */
async function allRecords(): Promise<UsageRecord[]> {
  const records: UsageRecord[] = [];
  let cursor: string | null = null;
  do {
    const at = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const page: { records: UsageRecord[]; next: string | null } = await json(
      `/v1/usage?team=agents&limit=1000${at}`,
    );
    records.push(...page.records);
    cursor = page.next;
  } while (cursor !== null);
  return records;
}

/** `tollgate report`, as finance runs it. */
function report(...args: string[]): string {
  const cli = join(PROJECT_ROOT, "dist/cli/tollgate.js");
  const options = ["--api", stack.apiUrl, "--month", new Date().toISOString().slice(0, 7)];
  return execFileSync(process.execPath, [cli, "report", ...options, ...args], { encoding: "utf8" });
}

test(
  `${AGENTS} agents for ${SECONDS} s: never over budget and allowance`,
  async () => {
    const untilMs = Date.now() + SECONDS * 1000;
    const agents = Array.from({ length: AGENTS }, (_, i) => agent(i, untilMs));
    await Promise.all([watchBill(untilMs), ...agents]);
    await expect.poll(async () => (await teamBudget()).heldNanoUsd, { timeout: 15_000 }).toBe(0);
    const bill = billNanoUsd();
    highestBill = Math.max(highestBill, bill);
    const usd = (nanoUsd: number) => (nanoUsd / NANO_USD).toFixed(6);
    console.log(
      `${AGENTS} agents, ${SECONDS} s: ${JSON.stringify(Object.fromEntries(statuses))}, ` +
        `budget ${BUDGET_USD} USD, billed ${usd(bill)} USD`,
    );
    expect([...statuses.keys()].sort()).toEqual([200, 429]);
    expect(highestBill).toBeLessThanOrEqual(FARTHEST_NANO_USD);
    // And not refused long before.
    expect(bill).toBeGreaterThan(BUDGET_USD * NANO_USD * 0.95);
  },
  SECONDS * 1000 + 60_000,
);

describe("the sums of bill, ledger, usage records and reports", () => {
  test("are equal to the nano-dollar", async () => {
    const bill = billNanoUsd();
    expect((await teamBudget()).spentNanoUsd).toBe(bill);
    const records = await allRecords();
    expect(records.reduce((sum, { costNanoUsd }) => sum + costNanoUsd, 0)).toBe(bill);
    const ran = records.filter(({ outcome }) => outcome !== "denied");
    expect(ran.length).toBe(simulator.bill.view().requests);
    expect(ran.length).toBe(statuses.get(200));
    expect(records.length - ran.length).toBe(statuses.get(429));
    expect(ran.filter(({ source }) => source !== "reported")).toEqual([]);
    const spend = await json<Spend>("/v1/spend");
    expect(spend.total.costNanoUsd).toBe(bill);
  }, 60_000);

  test.each(["team", "app", "model", "user"])("by %s", async (group) => {
    const month = new Date().toISOString().slice(0, 7);
    const answer = await json<Spend>(`/v1/spend?month=${month}&groupBy=${group}`);
    const { rows } = answer;
    const bill = billNanoUsd();
    expect(answer.total.costNanoUsd).toBe(bill);
    expect(rows.reduce((sum, row) => sum + Number(row.costNanoUsd), 0)).toBe(bill);
    const spent = rows.filter((row) => row.costNanoUsd !== 0).map((row) => row[group]);
    const names: Record<string, string[]> = {
      team: ["agents"],
      app: APPS,
      model: Object.keys(simulator.bill.view().byModel),
      user: Array.from({ length: 8 }, (_, i) => `agent-${i}`),
    };
    expect(spent.sort()).toEqual(names[group]?.toSorted());
  });

  test("CSV and FOCUS columns add up to the same", () => {
    const sumOf = (text: string, column: string) => {
      const [head = "", ...lines] = text.trimEnd().split(/\r?\n/);
      const at = head.split(",").indexOf(column);
      // No field before the costs has a comma.
      return lines.reduce((sum, line) => sum + usdToNanoUsd(line.split(",")[at] ?? ""), 0);
    };
    expect(sumOf(report("--format", "csv"), "cost_usd")).toBe(billNanoUsd());
    expect(sumOf(report("--format", "focus"), "BilledCost")).toBe(billNanoUsd());
  });

  test("an invoice of the provider has no drift; one that is 12 % higher is flagged", async () => {
    const lines = Object.entries(simulator.bill.view().byModel).map(([model, line]) => {
      const [input, output] = PRICES[model] ?? [0, 0];
      return [model, line.inputTokens * input + line.outputTokens * output] as const;
    });
    const invoice = (factor: number) =>
      [
        "model,cost",
        ...lines.map(([model, cost]) => `${model},${(cost * factor) / NANO_USD}`),
      ].join("\n");
    const run = (text: string) => {
      try {
        const cli = join(PROJECT_ROOT, "dist/cli/tollgate.js");
        const options = ["report", "--api", stack.apiUrl, "--invoice", "-", "--format", "json"];
        return {
          code: 0,
          out: execFileSync(process.execPath, [cli, ...options], { input: text, encoding: "utf8" }),
        };
      } catch (error) {
        const { status, stdout } = error as { status: number; stdout: string };
        return { code: status, out: stdout };
      }
    };
    const same = run(invoice(1));
    expect([same.code, JSON.parse(same.out).flagged]).toEqual([0, false]);
    const higher = run(invoice(1.12));
    expect([higher.code, JSON.parse(higher.out).flagged]).toEqual([3, true]);
  });
});

/** Exact for the decimals that reports write. */
function usdToNanoUsd(text: string): number {
  const [whole = "0", fraction = ""] = text.split(".");
  return Number(whole) * NANO_USD + Number(fraction.padEnd(9, "0"));
}
