/** Totals that policies say where to find, for APIs whose usage nobody else understands. Pure. */
import type { SettlementRecord } from "../contract/filter.ts";
import { inputTotal, noTokens, type Usage } from "../usage/normal-form.ts";

/**
 * Takes the total at the first of the pointers that has one, where the usage is a mere estimate.
 * Of the total, the estimated input stays input and the rest is output.
 * @param pointers of `dataExtraction.response.totalTokens` of the policies in force
 */
export function withExtractedTotal(
  usage: Usage,
  record: SettlementRecord,
  pointers: string[],
): Usage {
  if (usage.source !== "estimated") return usage;
  const total = pointers.map((pointer) => record.facts?.[pointer]).find(isCount);
  if (total === undefined) return usage;
  const inputText = Math.min(inputTotal(usage.tokens), total);
  const tokens = { ...noTokens(), inputText, outputText: total - inputText };
  return { ...usage, tokens, source: "reported", reason: "total_tokens_extracted" };
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
