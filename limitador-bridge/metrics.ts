/**
 * The service's Prometheus metrics, in a registry of their own. Counters begin at zero with the
 * process, as Prometheus expects; the ledger is what lasts.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { type BoundedLabel, boundedLabel, MAX_SERIES, OTHER } from "./bounded-labels.ts";
import { type BudgetMetrics, createBudgetMetrics } from "./budget/budget-metrics.ts";
import type { UsageRecord } from "./contract/usage-record.ts";
import type { BytesPerToken, EstimateErrors } from "./estimate/ratios.ts";
import { createGenAiMetrics, type GenAiRecorder } from "./gen-ai-metrics.ts";
import type { FallibleLimit } from "./policy/fallible-limits.ts";
import { createLedgerMetrics, type LedgerMetrics } from "./reconcile/ledger-metrics.ts";
import { createTally } from "./tally.ts";
import { createTrafficMetrics } from "./traffic-metrics.ts";

const NANO_USD_PER_USD = 1e9;
const HANDLING_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1];
/** |estimated − reported| / reported. */
const ERROR_RATIOS = [0.02, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2, 5];
/** Ours and the provider's cost are each rounded up to a nano-USD. */
const COST_TOLERANCE_NANO_USD = 1;
const DIRECTIONS = ["input", "output"] as const;
const RELOADS = ["accepted", "rejected", "failed"];
const ALERT_SENDERS = ["slack", "webhook", "alertmanager"];

export interface Metrics {
  settlements: Counter<"result">;
  evaluationErrors: Counter<"policy" | "limit">;
  policyReloads: Counter<"result">;
  storeErrors: Counter;
  holdsExpired: Counter;
  droppedDenialRecords: Counter;
  alerts: Counter<"sender" | "result">;
  leases: Counter;
  leasesExpired: Counter;
  leaseParts: Counter<"result">;
  ledger: LedgerMetrics;
  budget: BudgetMetrics;
  admitSeconds: Histogram;
  settleSeconds: Histogram;
  /**
   * Says which limits are in force: `evaluationErrors` tells theirs from zero on, and forgets those
   * of limits that were in force before.
   */
  followLimits(limits: readonly FallibleLimit[]): void;
  /** Counts one answer to /v1/admit. `reason` is a code of ours, "" where allowed plainly. */
  countRequest(api: string | null, model: string | null, verdict: string, reason: string): void;
  /**
   * Adds a settled or denied record's tokens and cost.
   * @param expired the record that countExpired counted for the same exchange: tokens and cost
   * only grow to this one's, and the two are one record
   */
  countRecord(record: UsageRecord, expired?: UsageRecord): void;
  /** Adds what was charged where a hold expired unsettled. */
  countExpired(record: UsageRecord): void;
  /** Takes what was learned of a model, and how far its estimates had been off. */
  countLearned(model: string | null, ratios: BytesPerToken, errors: EstimateErrors): void;
  /** The exposition text. */
  text(): Promise<string>;
  contentType: string;
}

/**
 * Makes the metrics; `defaults` adds the process's own (CPU, memory, event loop), `genAi` usage by
 * OpenTelemetry's names.
 */
export function createMetrics(given: { defaults: boolean; genAi?: boolean }): Metrics {
  const { defaults, genAi = false } = given;
  const registry = new Registry();
  if (defaults) collectDefaultMetrics({ register: registry });
  const counters = createCounters(registry);
  startAtZero(counters);
  const model = boundedLabel();
  const traffic = createTrafficMetrics(registry, model);
  const learned = learning(createLearningMetrics(registry), model);
  const costs = costComparison(createCostMetrics(registry));
  const countGenAi: GenAiRecorder = genAi ? createGenAiMetrics(registry) : () => {};
  const budget = createBudgetMetrics(registry);
  const histogram = (name: string, help: string) =>
    new Histogram({ name, help, buckets: HANDLING_SECONDS, registers: [registry] });
  return {
    ...counters,
    ledger: createLedgerMetrics(registry),
    budget,
    admitSeconds: histogram("tollgate_admit_seconds", "Handling of one call of /v1/admit."),
    settleSeconds: histogram("tollgate_settle_seconds", "Handling of one call of /v1/settle."),
    followLimits: followedLimits(counters),
    countRequest: traffic.countRequest,
    countExpired: (record) => traffic.countRecord(record),
    countRecord(record, expired) {
      traffic.countRecord(record, expired);
      countGenAi(record);
      costs(record);
    },
    countLearned: learned.count,
    async text() {
      await budget.refresh();
      traffic.flush();
      learned.flush();
      return registry.metrics();
    },
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
    leases: counter("tollgate_leases_total", "Leases granted to filters."),
    leasesExpired: counter(
      "tollgate_leases_expired_total",
      "Leases that a filter never returned, e.g. because it was killed.",
    ),
    leaseParts: counter(
      "tollgate_lease_parts_total",
      "Requests that leases were granted for, and those of them that were settled.",
      ["result"],
    ),
    droppedDenialRecords: counter(
      "tollgate_denial_records_dropped_total",
      "Usage records of denials that were not written.",
    ),
    alerts: counter(
      "tollgate_alerts_total",
      "Attempts to send an alert (sent, failed), and alerts that were given up (dead).",
      ["sender", "result"],
    ),
  };
}

/**
 * Tells what alert rules look at before it happens: Prometheus sees no increase in a series that
 * begins with 1, so that the first broken policy, and the first lost alert, would go unseen.
 */
function startAtZero({ policyReloads, alerts }: ReturnType<typeof createCounters>): void {
  for (const result of RELOADS) policyReloads.inc({ result }, 0);
  for (const sender of ALERT_SENDERS) alerts.inc({ sender, result: "dead" }, 0);
}

/** As startAtZero, for what comes and goes with the policies. */
function followedLimits({
  evaluationErrors,
}: ReturnType<typeof createCounters>): Metrics["followLimits"] {
  let followed = new Map<string, FallibleLimit>();
  return (limits) => {
    const named = limits
      .slice(0, MAX_SERIES)
      .map(({ policy, limit }) => [JSON.stringify([policy, limit]), { policy, limit }] as const);
    const now = new Map(named);
    for (const [name, gone] of followed) if (!now.has(name)) evaluationErrors.remove(gone);
    for (const limit of now.values()) evaluationErrors.inc(limit, 0);
    followed = now;
  };
}

function createLearningMetrics(registry: Registry) {
  return {
    ratio: new Gauge({
      name: "tollgate_bytes_per_token",
      help: "Bytes per token that estimates rest on, as learned for a model.",
      labelNames: ["model", "direction"],
      registers: [registry],
    }),
    error: new Histogram({
      name: "tollgate_estimate_error_ratio",
      help: "|estimated - reported| / reported, of exchanges whose usage was reported.",
      labelNames: ["direction"],
      buckets: ERROR_RATIOS,
      registers: [registry],
    }),
  };
}

function learning(
  { ratio, error }: ReturnType<typeof createLearningMetrics>,
  label: BoundedLabel,
): { count: Metrics["countLearned"]; flush: () => void } {
  const newest = createTally(
    (): Partial<BytesPerToken> => ({}),
    ([modelName = null], ratios) => {
      const model = label(modelName);
      // One value for all other models would be that of whichever came last.
      if (model === OTHER) return;
      for (const direction of DIRECTIONS) {
        const value = ratios[direction];
        if (value !== undefined) ratio.set({ model, direction }, value);
      }
    },
  );
  return {
    count(modelName, ratios, errors) {
      const told = newest.of([modelName]);
      for (const direction of DIRECTIONS) {
        const off = errors[direction];
        if (off === null) continue;
        error.observe({ direction }, Math.abs(off));
        told[direction] = ratios[direction];
      }
    },
    flush: newest.flush,
  };
}

function createCostMetrics(registry: Registry) {
  const labelNames = ["provider" as const];
  const counter = (name: string, help: string) =>
    new Counter({ name, help, labelNames, registers: [registry] });
  return {
    difference: new Gauge({
      name: "tollgate_provider_cost_difference_usd",
      help: "Sum of our cost minus the cost that the provider reported, USD.",
      labelNames,
      registers: [registry],
    }),
    compared: counter(
      "tollgate_provider_cost_compared_total",
      "Usage records with a price and with a cost that the provider reported.",
    ),
    mismatches: counter(
      "tollgate_provider_cost_mismatches_total",
      "Compared records whose two costs differ by more than 1e-9 USD.",
    ),
    unpriced: new Counter({
      name: "tollgate_unpriced_records_total",
      help: "Usage records of exchanges that used something for which no price is known.",
      registers: [registry],
    }),
  };
}

/** Compares what we charged with what the provider says that it charged. */
function costComparison(metrics: ReturnType<typeof createCostMetrics>) {
  const label = boundedLabel();
  // Sums of nano-USD are exact; sums of USD in binary fractions are not.
  const sums = new Map<string, number>();
  return ({ provider: name, costNanoUsd, providerCostNanoUsd: theirs, priced }: UsageRecord) => {
    if (!priced) metrics.unpriced.inc();
    if (!priced || theirs === undefined) return;
    const provider = label(name);
    const difference = costNanoUsd - theirs;
    const sum = (sums.get(provider) ?? 0) + difference;
    sums.set(provider, sum);
    metrics.difference.set({ provider }, sum / NANO_USD_PER_USD);
    metrics.compared.inc({ provider });
    if (Math.abs(difference) > COST_TOLERANCE_NANO_USD) metrics.mismatches.inc({ provider });
  };
}
