/** Prometheus metrics of budgets, by the names that dashboards for them know. */
import { Counter, Gauge, type Registry } from "prom-client";
import { type BoundedLabel, boundedLabel, boundedSeries } from "../bounded-labels.ts";
import type { BudgetDenialCode } from "./denial.ts";
import type { RoutingReason } from "./routing.ts";

const NANO_USD_PER_USD = 1e9;
/** Shorter names under which dashboards know some of the codes. */
const REASONS: Partial<Record<BudgetDenialCode, string>> = {
  monthly_budget_exceeded: "budget_exceeded",
  model_budget_exceeded: "model_limit",
  app_not_allowed_for_model: "app_not_allowed",
};

/** Spending of one team, nano-USD. */
export interface TeamSpend {
  team: string | null;
  budgetNanoUsd: number;
  spentNanoUsd: number;
}

/** Who a request is for, as labels. */
export interface EstimateLabels {
  team: string | null;
  app: string | null;
  model: string | null;
}

export interface BudgetMetrics {
  countRejected(team: string | null, code: BudgetDenialCode): void;
  countEstimate(labels: EstimateLabels, costNanoUsd: number): void;
  countRouting(reason: RoutingReason): void;
  /** Says where the gauges read from; before, they tell of nothing. */
  watch(read: () => Promise<TeamSpend[]>): void;
  /**
   * Reads the gauges from the ledger, before every scrape: a month that ends needs no request to
   * begin anew. @throws what the reading throws
   */
  refresh(): Promise<void>;
}

export function createBudgetMetrics(registry: Registry): BudgetMetrics {
  const registers = [registry];
  const rejected = new Counter({
    name: "llm_requests_rejected_budget_total",
    help: "Requests rejected due to budget limits.",
    labelNames: ["team", "reason"],
    registers,
  });
  const estimates = new Counter({
    name: "llm_cost_estimate_usd_total",
    help:
      "Pre-request cost estimates in USD: the worst case of requests that asked and were " +
      "admitted. Requests under a lease are not in it.",
    labelNames: ["team", "app", "model"],
    registers,
  });
  const routing = new Counter({
    name: "llm_model_routing_total",
    help:
      "Models chosen for requests that asked and are under a budget, by why. Requests under a " +
      "lease are not in it.",
    labelNames: ["reason"],
    registers,
  });
  const [team, app, model] = [boundedLabel(), boundedLabel(), boundedLabel()];
  const estimateSeries = boundedSeries(["team"]);
  return {
    ...spendGauges(registry, team),
    countRejected: (of, code) => rejected.inc({ team: team(of), reason: REASONS[code] ?? code }),
    countEstimate(of, costNanoUsd) {
      const labels = { team: team(of.team), app: app(of.app), model: model(of.model) };
      estimates.inc(estimateSeries(labels), costNanoUsd / NANO_USD_PER_USD);
    },
    countRouting: (reason) => routing.inc({ reason }),
  };
}

function spendGauges(registry: Registry, team: BoundedLabel) {
  const gauge = (name: string, help: string) =>
    new Gauge({ name, help, labelNames: ["team"], registers: [registry] });
  const remaining = gauge("llm_budget_remaining_usd", "Remaining monthly budget in USD.");
  const utilization = gauge(
    "llm_budget_utilization_ratio",
    "Spent of the monthly budget, as a ratio: 1.0 is all of it, more where it was overshot.",
  );
  let read: () => Promise<TeamSpend[]> = async () => [];
  return {
    watch(from: () => Promise<TeamSpend[]>) {
      read = from;
    },
    async refresh() {
      const spends = await read();
      remaining.reset();
      utilization.reset();
      for (const { team: name, budgetNanoUsd, spentNanoUsd } of spends) {
        const labels = { team: team(name) };
        // One value for all other teams would be that of whichever came last.
        if (name !== null && labels.team !== name) continue;
        remaining.set(labels, (budgetNanoUsd - spentNanoUsd) / NANO_USD_PER_USD);
        utilization.set(labels, budgetNanoUsd === 0 ? 1 : spentNanoUsd / budgetNanoUsd);
      }
    },
  };
}
