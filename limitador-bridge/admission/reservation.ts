/** What a request reserves on the limits that it matched. Pure. */
import type { LlmRequest } from "../contract/filter.ts";
import { maxHoldMs } from "../ledger/request-check.ts";
import type { Amounts, LimitClaim } from "../ledger/store/store.ts";
import { type MatchedLimit, toClaim } from "../policy/policy-set.ts";
import { noTokens, type Usage } from "../usage/normal-form.ts";
import type { Cost, Prices, Ratios } from "./ports.ts";

/** Output reserved where neither the request nor the price table has a maximum. */
const DEFAULT_MAX_OUTPUT_TOKENS = 4096;
/** An estimate from bytes is off by some percent; a worst case must not be under the truth. */
const INPUT_MARGIN_PERCENT = 110;

/** What a request is expected to use, before it runs. */
export interface Estimate {
  inputTokens: number;
  /** Of all choices together. */
  maxOutputTokens: number;
  /** Cost of the input alone. */
  inputCost: Cost;
  worstCost: Cost;
}

/** Estimates a request that begins at `nowMs`. Counts are clamped to 2^53 − 1. */
export function estimate(llm: LlmRequest, prices: Prices, ratios: Ratios, nowMs: number): Estimate {
  const bytesPerToken = ratios.inputBytesPerToken(llm.model);
  const inputTokens = clamp(
    Math.ceil(((llm.inputBytes / bytesPerToken) * INPUT_MARGIN_PERCENT) / 100),
  );
  const perChoice =
    llm.maxOutputTokens ?? prices.maxOutputTokens(llm.model, nowMs) ?? DEFAULT_MAX_OUTPUT_TOKENS;
  const maxOutputTokens = clamp(perChoice * Math.max(1, llm.choices));
  return {
    inputTokens,
    maxOutputTokens,
    inputCost: prices.cost(estimatedUsage(llm, inputTokens, 0), nowMs),
    worstCost: prices.cost(estimatedUsage(llm, inputTokens, maxOutputTokens), nowMs),
  };
}

/** The claims that the request makes: what is held, and what is charged if it is never settled. */
export function claimsOf(limits: MatchedLimit[], expected: Estimate): LimitClaim[] {
  const worst = worstAmounts(expected);
  const input = inputAmounts(expected);
  return limits.map((limit) => {
    const reserve = reserveOf(limit, worst);
    return toClaim(limit, {
      // A shadow claim is never refused, so that nothing else would bound what it adds up to.
      reserve: limit.mode === "shadow" ? Math.min(reserve, limit.amount) : reserve,
      onExpiry: input[limit.unit],
    });
  });
}

/** How long the request is held: as long as the limit that asks for the longest, in ms. */
export function holdMsOf(limits: MatchedLimit[], presetMs: number): number {
  if (limits.length === 0) return presetMs;
  const longestMs = Math.max(...limits.map(({ reserveTtlMs }) => reserveTtlMs ?? presetMs));
  return Math.min(longestMs, maxHoldMs);
}

function reserveOf(limit: MatchedLimit, worst: Amounts): number {
  if (limit.reserveAmount !== undefined) return limit.reserveAmount;
  if (limit.unit === "requests") return 1;
  return limit.reservation === "worst-case" ? worst[limit.unit] : 0;
}

function worstAmounts({ inputTokens, maxOutputTokens, worstCost }: Estimate): Amounts {
  return {
    total: clamp(inputTokens + maxOutputTokens),
    input: inputTokens,
    output: maxOutputTokens,
    requests: 1,
    usd: clamp(worstCost.costNanoUsd),
  };
}

function inputAmounts({ inputTokens, inputCost }: Estimate): Amounts {
  return {
    total: inputTokens,
    input: inputTokens,
    output: 0,
    requests: 1,
    usd: clamp(inputCost.costNanoUsd),
  };
}

/** The usage that an estimate stands for: plain text in and out. */
export function estimatedUsage(llm: LlmRequest, inputTokens: number, outputTokens: number): Usage {
  return {
    tokens: { ...noTokens(), inputText: inputTokens, outputText: outputTokens },
    otherUnits: {},
    model: llm.model,
    provider: null,
    serviceTier: null,
    providerCostNanoUsd: null,
    extraLines: [],
    source: "estimated",
    reason: null,
  };
}

function clamp(amount: number): number {
  return Math.min(amount, Number.MAX_SAFE_INTEGER);
}
