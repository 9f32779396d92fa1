/**
 * Who pays for a request and which limits count it, remembered for requests that look the same.
 * Evaluation depends on nothing but attributes and `llm`, and a policy set never changes, so that
 * what was found once holds for as long as the set is in force.
 */
import { remembered } from "../bounded-memo.ts";
import { toRequestContext } from "../cel/attributes.ts";
import type { LlmRequest } from "../contract/filter.ts";
import type { MatchResult, Payer, PolicySet, RequestContext } from "./policy-set.ts";

export interface MatchedRequest extends MatchResult {
  context: RequestContext;
  payer: Payer;
  /** The same for all requests that look the same; null: too much to compare. */
  likeness: string | null;
}

/** About 4 kB each. */
const MAX_REMEMBERED = 2_000;
/** Longer ones are hardly ever the same, and clients could fill the memory with them. */
const MAX_LIKENESS_LENGTH = 4_096;

const memos = new WeakMap<PolicySet, Map<string, MatchedRequest>>();

/**
 * Matches a request against the policies in force.
 * @param attributes as in the contract
 */
export function matchRequest(
  policies: PolicySet,
  attributes: Record<string, unknown>,
  llm: LlmRequest,
): MatchedRequest {
  const likeness = likenessOf(policies, attributes, llm);
  if (likeness === null) return { ...evaluate(policies, attributes, llm), likeness };
  let memo = memos.get(policies);
  if (memo === undefined) {
    memo = new Map();
    memos.set(policies, memo);
  }
  return remembered(memo, MAX_REMEMBERED, likeness, () => {
    return { ...evaluate(policies, attributes, llm), likeness };
  });
}

function likenessOf(
  { isLeasable }: PolicySet,
  attributes: Record<string, unknown>,
  { api, model, stream, choices, body, rewritable, inputBytes, maxOutputTokens }: LlmRequest,
): string | null {
  const compared = [attributes, api, model, stream, choices, body, rewritable];
  // Where no expression reads them, requests that differ in their sizes alone are the same.
  if (!isLeasable) compared.push(inputBytes, maxOutputTokens);
  let text: string;
  try {
    text = JSON.stringify(compared);
  } catch (error) {
    // Nested deeper than the stack is: evaluation cuts it off, and nothing else reads it.
    if (error instanceof RangeError) return null;
    throw error;
  }
  return text.length > MAX_LIKENESS_LENGTH ? null : text;
}

function evaluate(
  policies: PolicySet,
  attributes: Record<string, unknown>,
  llm: LlmRequest,
): Omit<MatchedRequest, "likeness"> {
  const context = toRequestContext(attributes, llm);
  return { context, payer: policies.payer(context), ...policies.match(context) };
}
