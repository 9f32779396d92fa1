/** Which model a request should run on, by what it needs and what is left. Pure. */
import type { LlmBudget, ModelLimit } from "../policy/kinds/llm-budget.ts";
import { matchesModel } from "./model-pattern.ts";

const ROUTING_REASONS = [
  "as_requested",
  "simple_query",
  "complex_query",
  "budget_pressure",
  "required",
] as const;
export type RoutingReason = (typeof ROUTING_REASONS)[number];

/** What one request would cost on a model, nano-USD. */
export interface ModelCost {
  inputNanoUsd: number;
  expectedNanoUsd: number;
  worstCaseNanoUsd: number;
}

/** A cost with the model whose price it is; null: it runs free. */
export interface PricedModel {
  cost: ModelCost;
  priceModel: string | null;
}

export interface RoutingRequest {
  app: string | null;
  model: string;
  promptTokens: number;
  /** Null: no price is known for the model. */
  costOf: (model: string) => ModelCost | null;
  /** Whether the API that is called can serve the model. */
  servable: (model: string) => boolean;
}

/** What runs on no price. */
export const FREE: PricedModel = {
  cost: { inputNanoUsd: 0, expectedNanoUsd: 0, worstCaseNanoUsd: 0 },
  priceModel: null,
};

/** The price of a model, or what the budget says of models without one; null: refused. */
export function pricedModel(
  budget: LlmBudget,
  model: string | null,
  costOf: RoutingRequest["costOf"],
): PricedModel | null {
  const cost = model === null ? null : costOf(model);
  if (cost !== null) return { cost, priceModel: model };
  const { unknownModel } = budget;
  if (unknownModel.rule === "free") return FREE;
  if (unknownModel.rule === "deny") return null;
  const other = costOf(unknownModel.model);
  return other === null ? null : { cost: other, priceModel: unknownModel.model };
}

/** The limit that keeps the app from the model; undefined where it may use it. */
export function refusingLimit(
  budget: LlmBudget,
  app: string | null,
  model: string,
): (ModelLimit & { allowedApps: readonly string[] }) | undefined {
  for (const limit of budget.modelLimits) {
    const { pattern, allowedApps } = limit;
    if (allowedApps === null || !matchesModel(pattern, model)) continue;
    if (app === null || !allowedApps.includes(app)) return { ...limit, allowedApps };
  }
  return undefined;
}

/** Where complexity routing sends the request; with routing off, where it wanted to go. */
export function routed(
  budget: LlmBudget,
  request: RoutingRequest,
): { model: string; why: RoutingReason } {
  const { costRouting } = budget;
  const { model } = request;
  if (costRouting === null) return { model, why: "as_requested" };
  const { cheapModel, expensiveModel, complexityThreshold } = costRouting;
  if (request.promptTokens < complexityThreshold) {
    const goes = matchesModel(cheapModel, model) || isCheaper(budget, request, cheapModel);
    return goes ? routeTo(cheapModel, "simple_query", model) : { model, why: "as_requested" };
  }
  return matchesModel(expensiveModel, model) || isUsable(budget, request, expensiveModel)
    ? routeTo(expensiveModel, "complex_query", model)
    : { model, why: "as_requested" };
}

/** A dated snapshot of the target is kept as it was asked for. */
function routeTo(target: string, why: RoutingReason, requested: string) {
  return { model: matchesModel(target, requested) ? requested : target, why };
}

/** The model to run instead of `model` when the budget runs low; null: there is none cheaper. */
export function downgradeOf(budget: LlmBudget, request: RoutingRequest): string | null {
  const { costRouting, defaultModel, cheapModel } = budget;
  const candidates = [costRouting?.cheapModel ?? null, defaultModel, cheapModel];
  return (
    candidates.find((candidate) => candidate !== null && isCheaper(budget, request, candidate)) ??
    null
  );
}

function isUsable(budget: LlmBudget, request: RoutingRequest, model: string): boolean {
  return (
    request.servable(model) &&
    refusingLimit(budget, request.app, model) === undefined &&
    request.costOf(model) !== null
  );
}

function isCheaper(budget: LlmBudget, request: RoutingRequest, model: string): boolean {
  if (!isUsable(budget, request, model)) return false;
  const target = request.costOf(model)?.worstCaseNanoUsd ?? 0;
  const asked = pricedModel(budget, request.model, request.costOf);
  return asked === null || target < asked.cost.worstCaseNanoUsd;
}
