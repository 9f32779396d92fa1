/**
 * The service's Prometheus metrics, in a registry of their own. Counters begin at zero with the
 * process, as Prometheus expects; the ledger is what lasts.
 */
import { Counter, collectDefaultMetrics, Histogram, Registry } from "prom-client";
import type { UsageRecord } from "./contract/usage-record.ts";

/** Distinct values of one label; clients choose models and teams, so there has to be an end. */
const MAX_LABEL_VALUES = 500;
const NANO_USD_PER_USD = 1e9;
const HANDLING_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1];

export interface Metrics {
  requests: Counter<"api" | "model" | "verdict" | "reason">;
  settlements: Counter<"result">;
  evaluationErrors: Counter<"policy" | "limit">;
  policyReloads: Counter<"result">;
  storeErrors: Counter;
  holdsExpired: Counter;
  droppedDenialRecords: Counter;
  admitSeconds: Histogram;
  settleSeconds: Histogram;
  /** Counts one answer to /v1/admit. `reason` is a code of ours, "" where allowed plainly. */
  countRequest(api: string | null, model: string | null, verdict: string, reason: string): void;
  /** Adds a settled or denied record's tokens and cost. */
  countRecord(record: UsageRecord): void;
  /** The exposition text. */
  text(): Promise<string>;
  contentType: string;
}

/** Makes the metrics; `defaults` adds the process's own (CPU, memory, event loop). */
export function createMetrics({ defaults }: { defaults: boolean }): Metrics {
  const registry = new Registry();
  if (defaults) collectDefaultMetrics({ register: registry });
  const counters = createCounters(registry);
  const traffic = createTrafficCounters(registry);
  const histogram = (name: string, help: string) =>
    new Histogram({ name, help, buckets: HANDLING_SECONDS, registers: [registry] });
  return {
    ...counters,
    admitSeconds: histogram("tollgate_admit_seconds", "Handling of one call of /v1/admit."),
    settleSeconds: histogram("tollgate_settle_seconds", "Handling of one call of /v1/settle."),
    ...recorders(traffic),
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}

function createCounters(registry: Registry) {
  const counter = <L extends string = never>(name: string, help: string, labelNames: L[] = []) =>
    new Counter({ name, help, labelNames, registers: [registry] });
  return {
    settlements: counter("tollgate_settlements_total", "Settlements received.", ["result"]),
    evaluationErrors: counter(
      "tollgate_evaluation_errors_total",
      "Policy expressions that failed on a request.",
      ["policy", "limit"],
    ),
    policyReloads: counter("tollgate_policy_reloads_total", "Reloads of policies.", ["result"]),
    storeErrors: counter("tollgate_store_errors_total", "Calls of the store that failed."),
    holdsExpired: counter(
      "tollgate_holds_expired_total",
      "Holds that ended with no settlement and were charged their input estimate.",
    ),
    droppedDenialRecords: counter(
      "tollgate_denial_records_dropped_total",
      "Usage records of denials that were not written.",
    ),
  };
}

function createTrafficCounters(registry: Registry) {
  const counter = <L extends string>(name: string, help: string, labelNames: L[]) =>
    new Counter({ name, help, labelNames, registers: [registry] });
  return {
    requests: counter("tollgate_requests_total", "Metered requests decided on.", [
      "api",
      "model",
      "verdict",
      "reason",
    ]),
    tokens: counter("tollgate_tokens_total", "Tokens charged.", ["model", "kind", "team"]),
    cost: counter("llm_cost_usd_total", "Total LLM cost in USD.", ["team", "app", "model"]),
    records: counter("tollgate_usage_records_total", "Usage records written.", [
      "source",
      "outcome",
    ]),
  };
}

function recorders(traffic: ReturnType<typeof createTrafficCounters>) {
  const api = boundedLabel();
  const model = boundedLabel();
  const team = boundedLabel();
  const app = boundedLabel();
  const { requests, tokens, cost, records } = traffic;
  return {
    requests,
    countRequest(
      apiName: string | null,
      modelName: string | null,
      verdict: string,
      reason: string,
    ) {
      requests.inc({ api: api(apiName), model: model(modelName), verdict, reason });
    },
    countRecord(record: UsageRecord) {
      records.inc({ source: record.source, outcome: record.outcome });
      if (record.outcome === "denied") return;
      const labels = { model: model(record.model), team: team(record.team) };
      for (const [kind, count] of tokenKinds(record)) {
        if (count > 0) tokens.inc({ ...labels, kind }, count);
      }
      if (record.costNanoUsd > 0) {
        cost.inc({ ...labels, app: app(record.app) }, record.costNanoUsd / NANO_USD_PER_USD);
      }
    },
  };
}

function tokenKinds({ tokens }: UsageRecord): [string, number][] {
  return [
    ["input", tokens.input],
    ["output", tokens.output],
    ["cache_read", tokens.cacheRead],
    ["cache_write", tokens.cacheWrite],
    ["reasoning", tokens.reasoning],
    ["total", tokens.total],
  ];
}

/** Keeps the first values of a label as they are and calls all later ones "other". */
function boundedLabel(): (value: string | null) => string {
  const known = new Set<string>();
  return (value) => {
    if (value === null) return "unknown";
    if (known.has(value)) return value;
    if (known.size >= MAX_LABEL_VALUES) return "other";
    known.add(value);
    return value;
  };
}
