/** A service made of real parts where they are ours and of plain stand-ins where they are not. */
import type { FastifyInstance } from "fastify";
import { createDenialRecords } from "../../../limitador-bridge/admission/denial-records.ts";
import { createLogThrottle } from "../../../limitador-bridge/admission/log-throttle.ts";
import type { Prices } from "../../../limitador-bridge/admission/ports.ts";
import { buildApp, type Parts } from "../../../limitador-bridge/app.ts";
import { BudgetIndex } from "../../../limitador-bridge/budget/budget-index.ts";
import { GrantBook } from "../../../limitador-bridge/budget/grants.ts";
import type { AdmitRequest, SettlementRecord } from "../../../limitador-bridge/contract/filter.ts";
import { MemoryStore } from "../../../limitador-bridge/ledger/store/memory.ts";
import type { Store } from "../../../limitador-bridge/ledger/store/store.ts";
import { createMetrics } from "../../../limitador-bridge/metrics.ts";
import { MemoryNotes } from "../../../limitador-bridge/notes/memory-notes.ts";
import { counterKey } from "../../../limitador-bridge/policy/counter-key.ts";
import type {
  EvaluationError,
  MatchedLimit,
  PolicySet,
  RequestContext,
} from "../../../limitador-bridge/policy/policy-set.ts";
import { noTokens, type Usage } from "../../../limitador-bridge/usage/normal-form.ts";

/** 2026-03-01T12:00:00Z */
export const START_MS = Date.UTC(2026, 2, 1, 12);

export interface Service {
  app: FastifyInstance;
  parts: Parts;
  store: Store;
  clock: { nowMs: number };
  logged: { level: string; fields: Record<string, unknown>; message: string }[];
}

export interface ServiceOptions {
  limits?: Partial<MatchedLimit>[];
  errors?: EvaluationError[];
  store?: (clock: { nowMs: number }) => Store;
  overrides?: Partial<Parts>;
}

function header(context: RequestContext, name: string): string | null {
  const { headers } = context.attributes.request as { headers: Map<string, string> };
  return headers.get(name) ?? null;
}

/** Every limit given applies to every request, with one counter for each x-user. */
export function policySet(limits: Partial<MatchedLimit>[], errors: EvaluationError[]): PolicySet {
  return {
    version: "v1",
    failureMode: "allow",
    needs: { headers: ["x-user"], properties: [], metadata: [], bodyPointers: ["/user"] },
    totalTokensPointers: ["/meter/tokens"],
    isLeasable: true,
    budgets: new BudgetIndex([]),
    predicateEvaluations: 0,
    match: (context) => ({
      limits: limits.map((limit, index) => ({
        policy: "default/llm",
        limit: "free",
        key: counterKey("default/llm", "free", `total/rate-${index}`, [
          String(header(context, "x-user")),
        ]),
        unit: "total",
        amount: 100,
        window: { kind: "fixed", lengthMs: 60_000 },
        reservation: "none",
        mode: "enforce",
        failureMode: "allow",
        ...limit,
      })),
      errors,
    }),
    payer: (context) => ({
      team: header(context, "x-team"),
      app: null,
      user: header(context, "x-user"),
      task: null,
    }),
    status: () => [
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
  };
}

/** 1 nano-USD for an input token, 2 for an output token; "mystery" has no price. */
export const prices: Prices = {
  cost: ({ model, tokens }) =>
    model === "mystery"
      ? { costNanoUsd: 0, priced: false }
      : { costNanoUsd: tokens.inputText + 2 * tokens.outputText, priced: true },
  maxOutputTokens: (model) => (model === "gpt-4o-mini" ? 50 : null),
  priceOf: (model) => (model === "mystery" ? null : { provider: null }),
  dearestOutput: () => "outputText",
  describe: () => ({ source: "test", version: "1" }),
};

/** OpenAI's usage object; nothing seen is an estimate of 1 token for 4 bytes. */
export function interpret(record: SettlementRecord): Usage {
  const usage = record.usage[0] as { prompt_tokens: number; completion_tokens: number } | undefined;
  const base = {
    otherUnits: {},
    model: record.modelSent ?? record.llm.model,
    provider: "openai",
    serviceTier: null,
    providerCostNanoUsd: null,
    extraLines: [],
  };
  const tokens = (inputText: number, outputText: number) => ({
    ...noTokens(),
    inputText,
    outputText,
  });
  if (usage !== undefined) {
    const counts = tokens(usage.prompt_tokens, usage.completion_tokens);
    return { ...base, tokens: counts, source: "reported", reason: null };
  }
  if (record.status >= 400) {
    return { ...base, tokens: noTokens(), source: "none", reason: "provider_error" };
  }
  const counts = tokens(Math.ceil(record.llm.inputBytes / 4), Math.ceil(record.outputBytes / 4));
  return { ...base, tokens: counts, source: "estimated", reason: "no_usage" };
}

const capture: Parts["capture"] = {
  apis: [
    { api: "openai.chat", path: "/v1/chat/completions", errorShape: "openai", includeUsage: true },
    {
      api: "anthropic.messages",
      path: "/v1/messages",
      errorShape: "anthropic",
      includeUsage: false,
    },
    { api: "gemini", path: "/{model}:generateContent", errorShape: "gemini", includeUsage: false },
  ],
  sniff: true,
  request: {
    model: ["/model"],
    stream: ["/stream"],
    maxOutputTokens: ["/max_tokens"],
    choices: ["/n"],
    prompt: ["/messages"],
  },
  response: { usage: ["/usage"], facts: ["/model"], text: [], base64: [], headers: [] },
  errorTypes: { openai: { 503: "server_error" } },
  errors: {
    openai: '{"error":{"message":"$message","type":"$type","param":null,"code":"$code"}}',
    anthropic: '{"type":"error","error":{"type":"$type","message":"$message"}}',
    gemini: '{"error":{"code":$status,"message":"$message","status":"$type"}}',
  },
};

function recordingLog(logged: Service["logged"]) {
  const at = (level: string) => (fields: Record<string, unknown>, message: string) => {
    logged.push({ level, fields, message });
  };
  const log = {
    level: "info",
    silent: () => {},
    trace: at("trace"),
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    fatal: at("fatal"),
    child: () => log,
  };
  return log as unknown as Parts["log"];
}

/** Builds a service on a memory store with a clock that stands still. */
export function createService(options: ServiceOptions = {}): Service {
  const clock = { nowMs: START_MS };
  const logged: Service["logged"] = [];
  const log = recordingLog(logged);
  const store = options.store?.(clock) ?? new MemoryStore({ nowMs: () => clock.nowMs });
  const metrics = createMetrics({ defaults: false });
  const set = policySet(options.limits ?? [{}], options.errors ?? []);
  const parts: Parts = {
    store,
    policies: () => set,
    prices: () => prices,
    ratios: { inputBytesPerToken: () => 4 },
    interpret,
    learn: () => {},
    capture,
    metrics,
    log,
    throttle: createLogThrottle(() => clock.nowMs),
    denialRecords: createDenialRecords(store, metrics, log),
    grants: new GrantBook(new MemoryNotes(() => clock.nowMs)),
    audit: { append: async () => {} },
    onBudgetAlert: () => {},
    onCharged: () => {},
    holdMs: 600_000,
    apiToken: null,
    admitTimeoutMs: 200,
    nowMs: () => clock.nowMs,
    ...options.overrides,
  };
  return { app: buildApp(parts), parts, store, clock, logged };
}

/** A request of user u1 with 40 bytes of input. */
export function admitRequest(id: string, change: Partial<AdmitRequest> = {}): AdmitRequest {
  return {
    id,
    attributes: {
      request: {
        path: "/v1/chat/completions",
        headers: { "x-user": "u1", "x-team": "blue", "x-request-id": `r-${id}` },
      },
    },
    llm: {
      api: "openai.chat",
      model: "gpt-4o-mini",
      stream: false,
      maxOutputTokens: null,
      choices: 1,
      inputBytes: 40,
    },
    ...change,
  };
}

/** What the filter says of an admitted request that used `input` and `output` tokens. */
export function settlementRecord(
  id: string,
  [input, output]: [number, number],
  change: Partial<SettlementRecord> = {},
): SettlementRecord {
  const { attributes, llm } = admitRequest(id);
  return {
    id,
    reservation: id,
    requestId: `r-${id}`,
    timeMs: START_MS,
    durationMs: 1500,
    attributes,
    llm,
    status: 200,
    outcome: "ok",
    framing: "json",
    usage: [{ prompt_tokens: input, completion_tokens: output }],
    outputBytes: 80,
    ...change,
  };
}

/** Asks as the filter does; returns the parsed answer. */
export async function ask(app: FastifyInstance, request: unknown) {
  const response = await app.inject({ method: "POST", url: "/v1/admit", body: request as object });
  return { status: response.statusCode, body: response.json() };
}

/** Settles as the filter does; returns the parsed answer. */
export async function settleAll(app: FastifyInstance, ...records: unknown[]) {
  const response = await app.inject({ method: "POST", url: "/v1/settle", body: { records } });
  return { status: response.statusCode, body: response.json() };
}
