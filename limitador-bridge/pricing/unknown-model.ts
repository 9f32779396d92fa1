/** What the limits in USD that a request matched make of a model without a price. Pure. */
import type { MatchedLimit } from "../policy/policy-set.ts";

export type UnknownModelVerdict =
  /** This limit refuses it. */
  | { rule: "deny"; limit: MatchedLimit }
  /** It counts as much as this model would. */
  | { rule: "priceAs"; model: string }
  | { rule: "free" };

/**
 * The strictest rule counts: an enforced limit that denies, then the price of the dearest model.
 * @param costAs nano-USD as another model; null: that one has no price either, which denies
 */
export function judgeUnknownModel(
  limits: readonly MatchedLimit[],
  costAs: (model: string) => number | null,
): UnknownModelVerdict {
  let dearest: { model: string; costNanoUsd: number } | null = null;
  for (const limit of limits) {
    if (limit.unit !== "usd") continue;
    const unknownModel = limit.unknownModel ?? { rule: "deny" };
    if (unknownModel.rule === "free") continue;
    const { model = "" } = unknownModel.rule === "priceAs" ? unknownModel : {};
    const costNanoUsd = unknownModel.rule === "priceAs" ? costAs(model) : null;
    if (costNanoUsd === null) {
      if (limit.mode === "enforce") return { rule: "deny", limit };
    } else if (dearest === null || costNanoUsd > dearest.costNanoUsd) {
      dearest = { model, costNanoUsd };
    }
  }
  return dearest === null ? { rule: "free" } : { rule: "priceAs", model: dearest.model };
}
