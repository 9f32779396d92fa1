/** Asks the budgets what they make of a request. */
import { type MatchOutcome, REQUIRE_MODEL_HEADER } from "../budget/budget-index.ts";
import type { BudgetDenial } from "../budget/denial.ts";
import { type BudgetPlan, planRequest } from "../budget/plan.ts";
import type { ModelCost } from "../budget/routing.ts";
import { countedFor } from "../estimate/counted-input.ts";
import type { LlmBudget } from "../policy/kinds/llm-budget.ts";
import { isUnbilled } from "../usage/unbilled.ts";
import { type AdmissionParts, headerOf, providerFor, type RecordedCase } from "./case.ts";
import { canCut } from "./output-terms.ts";
import type { Prices } from "./ports.ts";
import { costWith, type Estimate, estimate } from "./reservation.ts";
import { isModelInPath, servable } from "./servable.ts";

export type BudgetOutcome =
  /** No budget limits the request. */
  { kind: "none" } | { kind: "plan"; plan: BudgetPlan } | { kind: "deny"; denial: BudgetDenial };

/** Plans a request under the budget of its payer. */
export function planCase(
  parts: AdmissionParts,
  found: RecordedCase,
  matched: MatchOutcome,
): BudgetOutcome {
  const { llm } = found.request;
  const { model } = llm;
  if (isUnbilled(llm) || matched.kind === "none") return { kind: "none" };
  if (matched.kind === "deny") return matched;
  const { match } = matched;
  const estimates = new Estimates(parts, found, match.budget);
  const asked = estimates.of(model);
  return planRequest(match, {
    payer: found.payer,
    model,
    requiredModel: requiredModel(parts, found),
    promptTokens: asked.promptTokens,
    costOf: (name) => estimates.costOf(name),
    canCut: canCut(found),
    servable: model === null ? () => false : servableBy(parts, found, model),
    grants: parts.grants.of(match, found.nowMs),
  });
}

/**
 * What X-Require-Model names. Where the model cannot be replaced, since the request names none or
 * has it in the path or in a form, it asks for that one and no other.
 */
function requiredModel({ shapes }: AdmissionParts, found: RecordedCase): string | null {
  const required = headerOf(found.context, REQUIRE_MODEL_HEADER);
  const { model, rewritable } = found.request.llm;
  const isFixed =
    model === null || rewritable === false || isModelInPath(pathOf(found), shapes.apis);
  return required !== null && isFixed ? model : required;
}

function servableBy(
  { shapes, prices }: AdmissionParts,
  found: RecordedCase,
  model: string,
): (other: string) => boolean {
  const { api, rewritable } = found.request.llm;
  if (rewritable === false) return (other) => other === model;
  return servable({ api, model, path: pathOf(found) }, shapes.apis, prices(), found.nowMs);
}

function pathOf({ context }: RecordedCase): string {
  return String((context.attributes.request as { path?: unknown }).path ?? "");
}

/** What a request would use and cost on each model that comes into question. */
class Estimates {
  readonly #parts: AdmissionParts;
  readonly #found: RecordedCase;
  readonly #maxOutputTokens: number | null;
  readonly #prices: Prices;
  readonly #known = new Map<string | null, Estimate>();

  constructor(parts: AdmissionParts, found: RecordedCase, budget: LlmBudget) {
    this.#parts = parts;
    this.#found = found;
    this.#maxOutputTokens = budget.defaultMaxOutputTokens;
    this.#prices = parts.prices();
  }

  of(model: string | null): Estimate {
    const known = this.#known.get(model);
    if (known !== undefined) return known;
    const { request, nowMs } = this.#found;
    const promptTokens = countedFor(this.#found.counted, model);
    const provider = providerFor(this.#found.context, model);
    const presets = { maxOutputTokens: this.#maxOutputTokens, promptTokens, provider };
    const llm = { ...request.llm, model };
    const made = estimate(llm, this.#prices, this.#parts.ratios, nowMs, presets);
    this.#known.set(model, made);
    return made;
  }

  /**
   * Null: no price is known. Where only a part of the price can be told before it has run
   * (pictures, seconds of sound), it is that part.
   */
  costOf(model: string): ModelCost | null {
    const made = this.of(model);
    const { inputCost, usualOutputTokens, usualOutput, worstCost, provider } = made;
    const { nowMs } = this.#found;
    if (!worstCost.priced && this.#prices.priceOf(model, nowMs, provider) === null) return null;
    const usualCost = costWith(this.#prices, made, usualOutputTokens, nowMs, usualOutput);
    return {
      inputNanoUsd: inputCost.costNanoUsd,
      expectedNanoUsd: usualCost.costNanoUsd,
      worstCaseNanoUsd: worstCost.costNanoUsd,
    };
  }
}
