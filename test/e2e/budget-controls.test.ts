/** What budgets do to requests through Envoy: reasons, routing on the model, caps and cuts. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseDocument, type YAMLSeq } from "yaml";
import { type Simulator, startSimulator } from "../../limitador-bridge/simulator/simulator.ts";
import { eventData, send } from "./client.ts";
import { PROJECT_ROOT, type Stack, startStack } from "./harness.ts";
import { TEAM_IDENTITY } from "./policies.ts";
import { recordOf } from "./service-api.ts";
import { ask, CHAT_PATH, MESSAGES_PATH } from "./traffic.ts";

const PRICES = `apiVersion: tollgate.dev/v1alpha1
kind: PriceTable
metadata: {name: document}
spec:
  models:
    - {match: gpt-4o, provider: openai, perMillionTokensUSD: {input: 2.5, output: 10}}
    - {match: gpt-4o-mini, provider: openai, perMillionTokensUSD: {input: 0.15, output: 0.6}}
    - {match: claude-sonnet, provider: anthropic, perMillionTokensUSD: {input: 3, output: 15}}
`;
const budget = (team: string, spec: string) => `apiVersion: ai.systemhardening.com/v1
kind: LLMBudget
metadata: {name: ${team === "*" ? "others" : team}}
spec:
  team: "${team}"
  monthlyBudgetUSD: 1
  contact: "#ml-costs"
${spec}`;

const POLICIES = {
  "identity.yaml": TEAM_IDENTITY,
  "prices.yaml": PRICES,
  "others.yaml": budget("*", "  teamsWithoutBudget: deny\n"),
  "routed.yaml": budget(
    "routed",
    "  costRouting: {enabled: true, cheapModel: gpt-4o-mini, expensiveModel: gpt-4o, " +
      "complexityThreshold: 50}\n",
  ),
  "models.yaml": budget(
    "models",
    "  modelLimits: [{modelPattern: gpt-4o, maxMonthlyUSD: 0.0015, allowedApps: [chatbot]}]\n",
  ),
  "tasks.yaml": budget("tasks", "  tasks: {maxUSD: 0.0015}\n"),
  "unpriced.yaml": budget("unpriced", "  unknownModel: {priceAs: gpt-4o}\n"),
  "counted.yaml": budget("counted", "  inputEstimate: tokenizer\n"),
  "capped.yaml": budget("capped", "  capMaxOutputTokens: true\n  defaultMaxOutputTokens: 10\n"),
  "nearly-out.yaml":
    `${budget("nearly-out", "  onExhausted: cut\n")}  overshootPercent: 0\n`.replace(
      "monthlyBudgetUSD: 1",
      "monthlyBudgetUSD: 0.001",
    ),
  "cut.yaml": budget("cut", "  onExhausted: cut\n  defaultMaxOutputTokens: 10\n"),
};

let provider: Simulator;
/** Serves the cheap model alone. */
let cheap: Simulator;
let folder: string;
let stack: Stack;

/** The bootstrap of make up, and a route for the cheap model to a provider of its own. */
async function bootstrap(): Promise<string> {
  const document = parseDocument(
    await readFile(join(PROJECT_ROOT, "envoy/bootstrap.yaml"), "utf8"),
  );
  const resources = ["static_resources"];
  const manager = [...resources, "listeners", 0, "filter_chains", 0, "filters", 0, "typed_config"];
  const routes = document.getIn([
    ...manager,
    ...["route_config", "virtual_hosts", 0, "routes"],
  ]) as YAMLSeq;
  const header = { name: "x-tollgate-model", string_match: { exact: "gpt-4o-mini" } };
  const match = { prefix: "/", headers: [header] };
  routes.items.unshift(document.createNode({ match, route: { cluster: "cheap", timeout: "0s" } }));
  const address = { socket_address: { address: "127.0.0.1", port_value: cheap.port } };
  const endpoints = [{ lb_endpoints: [{ endpoint: { address } }] }];
  (document.getIn([...resources, "clusters"]) as YAMLSeq).add(
    document.createNode({
      ...{ name: "cheap", type: "STATIC", connect_timeout: "5s" },
      load_assignment: { cluster_name: "cheap", endpoints },
    }),
  );
  const file = join(folder, "bootstrap.yaml");
  await writeFile(file, String(document));
  return file;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tollgate-controls-"));
  provider = await startSimulator({ host: "127.0.0.1", port: 0 });
  cheap = await startSimulator({ host: "127.0.0.1", port: 0 });
  stack = await startStack({
    upstream: `http://127.0.0.1:${provider.port}`,
    policies: POLICIES,
    env: { ENVOY_BOOTSTRAP: await bootstrap(), ADMIT_TIMEOUT_MS: "5000" },
  });
});
afterAll(async () => {
  await stack?.stop();
  await Promise.all([provider?.close(), cheap?.close()]);
  await rm(folder, { recursive: true });
});

interface Asking {
  team?: string;
  app?: string;
  headers?: Record<string, string>;
  body?: Record<string, unknown>;
  path?: string;
  outputTokens?: number;
}

/** Asks for gpt-4o: a prompt of 5 words, 100 tokens of output. */
async function askAs(given: Asking) {
  const { team, app = "chatbot", headers = {}, body = {}, path, outputTokens = 100 } = given;
  return ask(stack.proxyUrl, {
    ...(path === undefined ? {} : { path }),
    headers: {
      ...(team === undefined ? {} : { "x-team": team }),
      ...{ "x-app": app, "x-sim-output-tokens": String(outputTokens) },
      ...headers,
    },
    body: {
      ...{ model: "gpt-4o", max_tokens: 100 },
      messages: [{ role: "user", content: "How many words is this?" }],
      ...body,
    },
  });
}

async function refusal(given: Asking) {
  const { requestId, reply } = await askAs(given);
  const { error } = JSON.parse(reply.text);
  const record = await recordOf(stack.apiUrl, requestId);
  expect([record.outcome, record.reason]).toEqual(["denied", error.code]);
  expect(reply.headers["x-tollgate-reason"]).toBe(error.code);
  return [reply.status, error.code, error.message];
}

async function settled(given: Asking) {
  const { requestId, reply } = await askAs(given);
  return { reply, record: await recordOf(stack.apiUrl, requestId) };
}

describe("reasons", () => {
  test("app_not_allowed_for_model", async () => {
    expect(await refusal({ team: "models", app: "batch" })).toEqual([
      403,
      "app_not_allowed_for_model",
      'App "batch" may not use model "gpt-4o": it is for "chatbot" (LLMBudget default/models). ' +
        "Ask #ml-costs for access.",
    ]);
  });

  test("model_budget_exceeded, and another model still runs", async () => {
    expect((await settled({ team: "models" })).record.costNanoUsd).toBe(1_012_500);
    expect(await refusal({ team: "models" })).toEqual([
      429,
      "model_budget_exceeded",
      expect.stringMatching(
        /^Team "models" on model "gpt-4o" used 0\.0010125 of 0\.0015 USD a month; this request/,
      ),
    ]);
    const other = await settled({ team: "models", body: { model: "gpt-4o-mini" } });
    expect([other.reply.status, other.record.model]).toEqual([200, "gpt-4o-mini"]);
  });

  test("task_budget_exceeded, and another task still runs", async () => {
    const task = (id: string) => ({ team: "tasks", headers: { "x-task-id": id } });
    expect((await settled(task("t1"))).record).toMatchObject({ task: "t1", outcome: "ok" });
    expect(await refusal(task("t1"))).toEqual([
      429,
      "task_budget_exceeded",
      expect.stringMatching(
        /^Team "tasks", task "t1", used 0\.0010125 of 0\.0015 USD for the task; /,
      ),
    ]);
    expect((await settled(task("t2"))).reply.status).toBe(200);
  });

  test.each([
    ["a team without one", { team: "stranger" }, 'Team "stranger" has no budget'],
    ["a payer that nobody knows", {}, "The payer's team is not known"],
  ])("no_budget_defined: %s", async (_, given, who) => {
    expect(await refusal(given)).toEqual([
      429,
      "no_budget_defined",
      `${who}, and requests without a budget are refused (LLMBudget default/others). ` +
        "Ask #ml-costs for one.",
    ]);
  });
});

test("a model without a price is held and charged at the one that the budget names", async () => {
  const body = { model: "house-model-1" };
  expect(await refusal({ team: "models", body })).toEqual([
    403,
    "price_unknown",
    'Model "house-model-1" has no known price, and LLMBudget default/models counts money. ' +
      "Ask #ml-costs to add a price.",
  ]);
  const { record } = await settled({ team: "unpriced", body });
  expect(record).toMatchObject({
    model: "house-model-1",
    pricedAs: "gpt-4o",
    costNanoUsd: 1_012_500,
    priced: true,
  });
});

describe("routing", () => {
  test("a short prompt goes to the cheap model, and Envoy routes on it", async () => {
    const { reply, record } = await settled({ team: "routed" });
    expect([reply.status, record.model]).toEqual([200, "gpt-4o-mini"]);
    expect(reply.headers["x-model-downgraded"]).toBe("true");
    expect(cheap.bill.view().byModel["gpt-4o-mini"]?.requests).toBe(1);
  });

  test("a long prompt stays with the capable one", async () => {
    const content = "word ".repeat(200);
    const { record } = await settled({
      team: "routed",
      body: { messages: [{ role: "user", content }] },
    });
    expect([record.model, record.tokens.input]).toEqual(["gpt-4o", 200]);
    expect(cheap.bill.view().requests).toBe(1);
  });

  test("X-Require-Model goes round it; what a client writes for Envoy does not", async () => {
    const required = { "x-require-model": "gpt-4o", "x-tollgate-model": "gpt-4o-mini" };
    const { record } = await settled({ team: "routed", headers: required });
    expect(record.model).toBe("gpt-4o");
    expect(cheap.bill.view().requests).toBe(1);
  });
});

test("input is counted by the tokenizer where a budget asks for it", async () => {
  const held = async () => {
    const { text } = await send(`${stack.apiUrl}/v1/budgets/counted`);
    return (JSON.parse(text) as { heldNanoUsd: number }).heldNanoUsd;
  };
  // 7 tokens of text and role and 6 of the chat's form: 15 with the margin; 100 of output.
  const counted = 15 * 2500 + 100 * 10_000;
  // The first to ask lets the tokenizer be loaded, and does not wait for it.
  await expect
    .poll(
      async () => {
        const slow = askAs({ team: "counted", headers: { "x-sim-delay-ms": "400" } });
        await expect.poll(held, { timeout: 5_000 }).toBeGreaterThan(0);
        const during = await held();
        await slow;
        await expect.poll(held, { timeout: 5_000 }).toBe(0);
        return during;
      },
      { timeout: 20_000 },
    )
    .toBe(counted);
});

describe("output", () => {
  test("a request without a limit is sent the budget's", async () => {
    const body = { max_tokens: undefined };
    const { reply, record } = await settled({ team: "capped", body, outputTokens: 500 });
    expect(reply.status).toBe(200);
    const [choice] = JSON.parse(reply.text).choices;
    expect([choice.finish_reason, record.tokens.output]).toEqual(["length", 10]);
  });

  const slow = { "x-sim-chunk-delay-ms": "5" };

  test("a stream is cut where its reservation ends, as OpenAI would end it", async () => {
    const { reply, record } = await settled({
      team: "cut",
      headers: slow,
      body: { max_tokens: undefined, stream: true },
      outputTokens: 500,
    });
    const events = eventData(reply.text) as { choices: { finish_reason: string | null }[] }[];
    expect(events.at(-1)).toBe("[DONE]");
    expect(events.at(-2)?.choices[0]?.finish_reason).toBe("length");
    expect(events.filter((event) => event.choices?.[0]?.finish_reason === "stop")).toEqual([]);
    expect(record.tokens.output).toBeGreaterThan(0);
    expect(record.tokens.output).toBeLessThan(20);
    expect([record.source, record.outcome]).toEqual(["estimated", "truncated"]);
    // The provider was stopped too.
    const { outputTokens = 0, aborted } = provider.bill.view();
    expect(aborted).toBeGreaterThan(0);
    expect(outputTokens).toBeLessThan(1500);
  });

  test("…and as Anthropic would, where the budget is nearly out", async () => {
    const { reply, record } = await settled({
      team: "nearly-out",
      path: MESSAGES_PATH,
      headers: slow,
      body: { model: "claude-sonnet", max_tokens: 500, stream: true },
      outputTokens: 500,
    });
    const types = (eventData(reply.text) as { type: string; delta?: object }[]).map(
      ({ type }) => type,
    );
    expect(types[0]).toBe("message_start");
    expect(types.slice(-3)).toEqual(["content_block_stop", "message_delta", "message_stop"]);
    expect(reply.text).toContain('"stop_reason":"max_tokens"');
    // Of 7,500,000 nano-USD that it might have cost.
    expect(record.costNanoUsd).toBeGreaterThan(500_000);
    expect(record.costNanoUsd).toBeLessThanOrEqual(1_000_000);
  });

  test("the response that is no stream is left whole", async () => {
    const body = { max_tokens: undefined };
    const { reply, record } = await settled({ team: "cut", body, outputTokens: 50 });
    expect([reply.status, record.tokens.output]).toEqual([200, 50]);
  });

  test("estimates tell of it before", async () => {
    const body = { model: "gpt-4o", stream: true, messages: [{ role: "user", content: "Hi" }] };
    const estimate = async (team: string) => {
      const { text } = await send(`${stack.apiUrl}/v1/estimate`, {
        body: { path: CHAT_PATH, body, headers: { "x-team": team } },
      });
      return JSON.parse(text) as Record<string, unknown>;
    };
    const cut = await estimate("cut");
    // 10 tokens of about 4.5 bytes, less 10 %.
    expect(cut.cutAfterOutputBytes).toBeGreaterThan(35);
    expect(cut.cutAfterOutputBytes).toBeLessThan(50);
    expect([cut.verdict, cut.why]).toEqual([
      "allow",
      "All limits have room for it. " +
        `Its stream would be cut after ${cut.cutAfterOutputBytes} bytes of text.`,
    ]);
    expect(await estimate("capped")).toMatchObject({
      verdict: "allow",
      tokens: { maxOutput: 10 },
      cutAfterOutputBytes: null,
      why: "All limits have room for it. Its output would be limited to 10 tokens.",
    });
  });
});
