/** What a client is told of its budget in the headers of an answer. Pure. */
import type { CounterView } from "../ledger/store/store.ts";
import { sumOf, utilizationText } from "./amount.ts";
import type { BudgetPlan, PlanOption } from "./plan.ts";

const MAX_HEADER_CHARS = 256;

/**
 * X-Budget-Utilization: used and held of the team's budget, this request's own hold included
 * where it was admitted. X-Model-Requested where another model runs, X-Model-Downgraded where
 * that one is cheaper.
 * @param taken the option that the store took; null: the request was refused
 */
export function budgetHeaders(
  plan: BudgetPlan,
  taken: PlanOption | null,
  counters: readonly CounterView[],
): Record<string, string> {
  const headers: Record<string, string> = {};
  const team = plan.options[0]?.limits.find(({ level }) => level === "team");
  const view = counters.find(({ key }) => key === team?.key);
  if (team !== undefined && view !== undefined) {
    const takenNanoUsd = sumOf(view.used, view.held);
    headers["x-budget-utilization"] = utilizationText(takenNanoUsd, team.budgetNanoUsd);
  }
  if (taken?.downgraded) headers["x-model-downgraded"] = "true";
  if (taken?.changed && plan.requestedModel !== null) {
    headers["x-model-requested"] = headerText(plan.requestedModel);
  }
  return headers;
}

/** Clients choose the model's name, so that nothing of it may end a header or begin another. */
export function headerText(text: string): string {
  return text.slice(0, MAX_HEADER_CHARS).replace(/[^\x20-\x7e]/g, "?");
}
