/** What was decided, and what was charged for it, as Prometheus' counters. */
import { Counter, type Registry } from "prom-client";
import { type BoundedLabel, boundedLabel, boundedSeries } from "./bounded-labels.ts";
import type { RecordTokens, UsageRecord } from "./contract/usage-record.ts";
import { createTally } from "./tally.ts";

const NANO_USD_PER_USD = 1e9;

export interface TrafficMetrics {
  /** Counts one decision, see Metrics. */
  countRequest(api: string | null, model: string | null, verdict: string, reason: string): void;
  /**
   * Adds a record's tokens and cost.
   * @param counted an earlier record of the same exchange, which was added: only what this one
   * has more is, since counters cannot go down
   */
  countRecord(record: UsageRecord, counted?: UsageRecord): void;
  /** Brings the counters up to date. */
  flush(): void;
}

/** Makes them. Models share `model` with other metrics, so that the same ones are told. */
export function createTrafficMetrics(registry: Registry, model: BoundedLabel): TrafficMetrics {
  const decisions = decisionTally(registry, model);
  const charges = chargeTally(registry, model);
  return {
    countRequest(api, model, verdict, reason) {
      decisions.of([api, model, verdict, reason]).count += 1;
    },
    countRecord({ source, outcome, model, team, app, tokens, costNanoUsd }, counted) {
      const sums = charges.of([source, outcome, model, team, app]);
      if (counted === undefined) sums.records += 1;
      const before = counted ?? NOTHING;
      const more = (kind: keyof RecordTokens) => Math.max(0, tokens[kind] - before.tokens[kind]);
      sums.input += more("input");
      sums.output += more("output");
      sums.cacheRead += more("cacheRead");
      sums.cacheWrite += more("cacheWrite");
      sums.reasoning += more("reasoning");
      sums.total += more("total");
      sums.costNanoUsd += Math.max(0, costNanoUsd - before.costNanoUsd);
    },
    flush() {
      decisions.flush();
      charges.flush();
    },
  };
}

function decisionTally(registry: Registry, model: BoundedLabel) {
  const requests = new Counter({
    name: "tollgate_requests_total",
    help: "Metered requests decided on.",
    labelNames: ["api", "model", "verdict", "reason"],
    registers: [registry],
  });
  const api = boundedLabel();
  const bounded = boundedSeries(["api", "verdict", "reason"]);
  return createTally(
    () => ({ count: 0 }),
    ([apiName = null, modelName = null, verdict, reason], { count }) => {
      const labels = { api: api(apiName), model: model(modelName) };
      requests.inc(bounded({ ...labels, verdict: verdict ?? "", reason: reason ?? "" }), count);
    },
  );
}

const NO_TOKENS = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, reasoning: 0, total: 0 };
const NOTHING = { tokens: NO_TOKENS, costNanoUsd: 0 };

function noCharges() {
  return { ...NO_TOKENS, records: 0, costNanoUsd: 0 };
}

type Charges = ReturnType<typeof noCharges>;

function chargeTally(registry: Registry, model: BoundedLabel) {
  const { tokens, cost, records } = chargeCounters(registry);
  const team = boundedLabel();
  const app = boundedLabel();
  const tokenSeries = boundedSeries(["kind", "team"]);
  const costSeries = boundedSeries(["team"]);
  return createTally(noCharges, (names, sums) => {
    const [source, outcome, modelName = null, teamName = null, appName = null] = names;
    records.inc({ source: source ?? "", outcome: outcome ?? "" }, sums.records);
    if (outcome === "denied") return;
    const labels = { model: model(modelName), team: team(teamName) };
    for (const [kind, count] of tokenKinds(sums)) {
      if (count > 0) tokens.inc(tokenSeries({ ...labels, kind }), count);
    }
    if (sums.costNanoUsd > 0) {
      const series = costSeries({ ...labels, app: app(appName) });
      cost.inc(series, sums.costNanoUsd / NANO_USD_PER_USD);
    }
  });
}

function chargeCounters(registry: Registry) {
  const counter = <L extends string>(name: string, help: string, labelNames: L[]) =>
    new Counter({ name, help, labelNames, registers: [registry] });
  return {
    tokens: counter("tollgate_tokens_total", "Tokens charged.", ["model", "kind", "team"]),
    cost: counter("llm_cost_usd_total", "Total LLM cost in USD.", ["team", "app", "model"]),
    records: counter("tollgate_usage_records_total", "Usage records written.", [
      "source",
      "outcome",
    ]),
  };
}

function tokenKinds(sums: Charges): [string, number][] {
  return [
    ["input", sums.input],
    ["output", sums.output],
    ["cache_read", sums.cacheRead],
    ["cache_write", sums.cacheWrite],
    ["reasoning", sums.reasoning],
    ["total", sums.total],
  ];
}
