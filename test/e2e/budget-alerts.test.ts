/**
 * Two budget services on one Redis: each threshold is told once to each receiver, a receiver that
 * is away is tried again, and one that refuses for good leaves a dead letter.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Simulator, startSimulator } from "../../limitador-bridge/simulator/simulator.ts";
import { type RedisServer, startRedis } from "../store/redis/redis-server.ts";
import { type Stack, startStack } from "./harness.ts";
import { metric } from "./service-api.ts";
import { ask } from "./traffic.ts";

const REQUESTS = 40;
const POLICIES = {
  "identity.yaml": `apiVersion: tollgate.dev/v1alpha1
kind: Identity
metadata: {name: default}
spec:
  team: request.headers["x-team"]
  trustedHeaders: [x-team]
`,
  "prices.yaml": `apiVersion: tollgate.dev/v1alpha1
kind: PriceTable
metadata: {name: document}
spec:
  models:
    - {match: gpt-4o-mini, provider: openai, perMillionTokensUSD: {input: 0.15, output: 0.6}}
`,
  "ml-team.yaml": `apiVersion: ai.systemhardening.com/v1
kind: LLMBudget
metadata: {name: ml-team, namespace: ml-platform}
spec:
  team: ml-team
  monthlyBudgetUSD: 0.0005
  overshootPercent: 0
  alertThresholds:
    - {percent: 50, action: alert, notifyChannel: "#ml-team-costs"}
    - {percent: 80, action: alert, notifyChannel: "#ml-team-costs"}
    - {percent: 100, action: reject, notifyChannel: "#platform"}
`,
};

interface Received {
  path: string;
  status: number;
  body: Record<string, unknown>;
}

const received: Received[] = [];
/** Statuses of the next answers, by path; 200 when there are none. */
const failures: Record<string, number[]> = { "/services/T/B/secret": [503], "/refuses": [] };
let receiver: Server;
let redis: RedisServer;
let simulator: Simulator;
let folder: string;
let stack: Stack;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tollgate-alerts-"));
  receiver = createServer(async (req, res) => {
    const pieces: Buffer[] = [];
    for await (const piece of req) pieces.push(piece as Buffer);
    const path = req.url ?? "";
    const status = path === "/refuses" ? 400 : (failures[path]?.shift() ?? 200);
    received.push({ path, status, body: JSON.parse(Buffer.concat(pieces).toString()) });
    res.statusCode = status;
    res.end();
  });
  await new Promise<void>((done) => receiver.listen(0, "127.0.0.1", done));
  const base = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
  const secret = join(folder, "slack-webhook");
  await writeFile(secret, `${base}/services/T/B/secret\n`);
  redis = await startRedis();
  simulator = await startSimulator({ host: "127.0.0.1", port: 0 });
  stack = await startStack({
    upstream: `http://127.0.0.1:${simulator.port}`,
    policies: POLICIES,
    store: `redis://127.0.0.1:${redis.port}`,
    env: {
      REPLICAS: "2",
      JOURNAL: join(folder, "journal"),
      ALERT_SLACK_WEBHOOK_FILE: secret,
      ALERT_WEBHOOK_URL: `${base}/refuses`,
      ALERTMANAGER_URL: base,
      ALERT_DEAD_LETTER_FILE: join(folder, "dead-letters.jsonl"),
      ADMIT_TIMEOUT_MS: "5000",
      STORE_TIMEOUT_MS: "2000",
    },
  });
});
afterAll(async () => {
  await stack?.stop();
  await simulator?.close();
  await redis?.stop();
  receiver?.close();
  await rm(folder, { recursive: true });
});

const told = (path: string) => received.filter((each) => each.path === path && each.status === 200);

const percentIn = (text: unknown) => Number(/(\d+) %/.exec(String(text))?.[1]);

test("two replicas tell each threshold once, to each receiver in its own form", async () => {
  const statuses: number[] = [];
  for (let i = 0; i < REQUESTS; i++) {
    const { reply } = await ask(stack.proxyUrl, {
      headers: { "x-team": "ml-team", "x-sim-output-tokens": "50" },
      body: {
        model: "gpt-4o-mini",
        max_tokens: 50,
        messages: [{ role: "user", content: "How many words is this?" }],
      },
    });
    statuses.push(reply.status);
  }
  expect([...new Set(statuses)].sort()).toEqual([200, 429]);
  await expect.poll(() => told("/services/T/B/secret").length, { timeout: 15_000 }).toBe(3);
  // The first attempt is answered 503, and made again while others are sent.
  const texts = told("/services/T/B/secret").map(({ body }) => body);
  expect(texts.sort((a, b) => percentIn(a.text) - percentIn(b.text))).toEqual([
    {
      text: expect.stringMatching(
        /^Team ml-team has reached 50 % of the budget of \d{4}-\d\d[:,] /,
      ),
      channel: "#ml-team-costs",
    },
    { text: expect.stringContaining("80 %"), channel: "#ml-team-costs" },
    { text: expect.stringContaining("100 %"), channel: "#platform" },
  ]);
  const alerts = told("/api/v2/alerts").map(({ body }) => body as unknown as Received["body"][]);
  const labels = alerts.map(([alert]) => alert?.labels as Record<string, string>);
  const sorted = labels.sort((a, b) => Number(a.percent) - Number(b.percent));
  expect(sorted.map(({ alertname, team, percent }) => [alertname, team, percent])).toEqual([
    ["LLMBudgetThreshold", "ml-team", "50"],
    ["LLMBudgetThreshold", "ml-team", "80"],
    ["LLMBudgetThreshold", "ml-team", "100"],
  ]);
  // The first attempt at Slack was answered 503.
  expect(
    received.filter(({ path, status }) => path.startsWith("/services") && status === 503),
  ).toHaveLength(1);
});

test("what is refused for good is a dead letter, without the receiver's address", async () => {
  const path = join(folder, "dead-letters.jsonl");
  const lines = async () => (await readFile(path, "utf8").catch(() => "")).trimEnd().split("\n");
  await expect.poll(async () => (await lines()).length).toBe(3);
  const letters = (await lines()).map((line) => JSON.parse(line));
  expect(letters.map(({ sender, attempts, error }) => [sender, attempts, error])).toEqual(
    Array.from({ length: 3 }, () => ["webhook", 1, "answered 400"]),
  );
  expect(letters.map(({ alert }) => alert.labels.percent).sort()).toEqual(["100", "50", "80"]);
  expect(await readFile(path, "utf8")).not.toContain("127.0.0.1");
});

test("attempts are counted", async () => {
  const [first] = [stack.apiUrl];
  const second = first.replace(/\d+$/, (port) => String(Number(port) + 1));
  const count = async (sender: string, result: string) => {
    const of = (url: string) => metric(url, "tollgate_alerts_total", { sender, result });
    return (await of(first)) + (await of(second));
  };
  expect(await count("slack", "sent")).toBe(3);
  expect(await count("slack", "failed")).toBe(1);
  expect(await count("alertmanager", "sent")).toBe(3);
  expect(await count("webhook", "dead")).toBe(3);
});
