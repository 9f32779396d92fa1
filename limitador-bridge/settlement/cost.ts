/** What an exchange that ran costs. Pure. */
import type { Cost, Prices } from "../admission/ports.ts";
import type { SettlementRecord } from "../contract/filter.ts";
import type { MatchedLimit } from "../policy/policy-set.ts";
import { judgeUnknownModel } from "../pricing/unknown-model.ts";
import { decodedModel } from "../usage/interpret.ts";
import type { Usage } from "../usage/normal-form.ts";

export interface ChargedCost extends Cost {
  /** The model whose price was taken, as a policy says of models without one. */
  pricedAs?: string;
}

/** What policies say of models without a price. */
export interface UnpricedRules {
  limits: readonly MatchedLimit[];
  /** The model at whose price the payer's budget counts them; null: it names none. */
  budgetModel: string | null;
}

/** Whose price depends on the inference profile that the request names, and no answer does. */
const BY_PROFILE = "bedrock";

/**
 * By the model that answered; where its name has no price, by the name that was asked for, and
 * then by the one that the budget or the limits name for such models. On Bedrock the name that was
 * asked for goes first.
 */
export function costOf(
  prices: Prices,
  record: SettlementRecord,
  usage: Usage,
  { limits, budgetModel }: UnpricedRules,
): ChargedCost {
  if (usage.source === "none") return { costNanoUsd: 0, priced: true };
  const costAs = (model: string | null) => prices.cost({ ...usage, model }, record.timeMs);
  const asked = decodedModel(record.modelSent ?? record.llm.model);
  const first = usage.provider === BY_PROFILE && asked !== null ? asked : usage.model;
  const second = first === usage.model ? asked : usage.model;
  const cost = costAs(first);
  if (cost.priced) return cost;
  const secondCost = second === first ? cost : costAs(second);
  if (secondCost.priced) return secondCost;
  const budgetCost = budgetModel === null ? null : costAs(budgetModel);
  if (budgetModel !== null && budgetCost?.priced) return { ...budgetCost, pricedAs: budgetModel };
  const verdict = judgeUnknownModel(limits, (model) => {
    const { priced, costNanoUsd } = costAs(model);
    return priced ? costNanoUsd : null;
  });
  if (verdict.rule !== "priceAs") return cost;
  return { ...costAs(verdict.model), pricedAs: verdict.model };
}
