/** What a provider itself says that an exchange cost. */
import { nanoUsdUp } from "../../pricing/decimal.ts";
import { type RawObject, valueAt } from "../figures.ts";

/** xAI: one tick is 1e-10 USD. */
const TICKS_PER_NANO_USD = 10n;

/** nano-USD, rounded up; null where nothing is said or it makes no sense. */
export function reportedCostNanoUsd(usage: RawObject): number | null {
  const ticks = valueAt(usage, "cost_in_usd_ticks");
  if (typeof ticks === "number" && Number.isSafeInteger(ticks) && ticks >= 0) {
    return Number((BigInt(ticks) + TICKS_PER_NANO_USD - 1n) / TICKS_PER_NANO_USD);
  }
  const cost = usd(valueAt(usage, "cost")) ?? usd(valueAt(usage, "cost.total_cost"));
  if (cost === null) return null;
  // OpenRouter with the caller's own key: `cost` is its fee, the model's bill comes on top.
  if (valueAt(usage, "is_byok") !== true) return cost;
  const sum = cost + (usd(valueAt(usage, "cost_details.upstream_inference_cost")) ?? 0);
  return Number.isSafeInteger(sum) ? sum : null;
}

function usd(value: unknown): number | null {
  if (typeof value !== "number" && typeof value !== "string") return null;
  return nanoUsdUp(value);
}
