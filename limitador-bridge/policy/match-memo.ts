/**
 * Who pays for a request and which limits count it, remembered for requests that look the same.
 * Evaluation depends on nothing but attributes and `llm`, and a policy set never changes, so that
 * what was found once holds for as long as the set is in force.
 */
import { toRequestContext } from "../cel/attributes.ts";
import type { LlmRequest } from "../contract/filter.ts";
import type { MatchResult, Payer, PolicySet, RequestContext } from "./policy-set.ts";

export interface MatchedRequest extends MatchResult {
  context: RequestContext;
  payer: Payer;
}

/** About 4 kB each. */
const MAX_REMEMBERED = 2_000;
/** Longer ones are hardly ever the same, and clients could fill the memory with them. */
const MAX_KEY_LENGTH = 4_096;

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
  const key = keyOf(policies, attributes, llm);
  if (key.length > MAX_KEY_LENGTH) return evaluate(policies, attributes, llm);
  let memo = memos.get(policies);
  if (memo === undefined) {
    memo = new Map();
    memos.set(policies, memo);
  }
  const known = memo.get(key);
  if (known !== undefined) return known;
  const found = evaluate(policies, attributes, llm);
  if (memo.size >= MAX_REMEMBERED) memo.clear();
  memo.set(key, found);
  return found;
}

function keyOf(
  { isLeasable }: PolicySet,
  attributes: Record<string, unknown>,
  { api, model, stream, choices, body, ...sizes }: LlmRequest,
): string {
  // Where no expression reads them, requests that differ in their sizes alone are the same.
  return JSON.stringify([attributes, api, model, stream, choices, body, isLeasable ? null : sizes]);
}

function evaluate(
  policies: PolicySet,
  attributes: Record<string, unknown>,
  llm: LlmRequest,
): MatchedRequest {
  const context = toRequestContext(attributes, llm);
  return { context, payer: policies.payer(context), ...policies.match(context) };
}
