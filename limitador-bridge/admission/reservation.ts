/** What a request reserves on the limits that it matched. Pure. */
import type { LlmRequest } from "../contract/filter.ts";
import { maxHoldMs } from "../ledger/request-check.ts";
import type { Amounts, LimitClaim } from "../ledger/store/store.ts";
import { type MatchedLimit, toClaim } from "../policy/policy-set.ts";
import {
  imagesByPiece,
  isImageByTokens,
  MOST_TOKENS_PER_IMAGE,
  TOKENS_PER_IMAGE,
} from "../usage/images.ts";
import { noTokens, type TokenKind, type Usage } from "../usage/normal-form.ts";
import { SERVICE_TIERS } from "../usage/service-tier.ts";
import { TEXTLESS_APIS } from "../usage/textless-apis.ts";
import type { Cost, Prices, Ratios } from "./ports.ts";

/** Output reserved where neither the request nor the price table has a maximum. */
const DEFAULT_MAX_OUTPUT_TOKENS = 4096;
/** An estimate from bytes is off by some percent; a worst case must not be under the truth. */
const INPUT_MARGIN_PERCENT = 110;

/**
 * What a form with a file has at least for a token: sound of 8 kbit/s, of which a second is some
 * ten tokens; a small picture, which is some thousand.
 */
const FORM_BYTES_PER_TOKEN: readonly (readonly [RegExp, number])[] = [
  [/\.audio\./, 100],
  [/\.images/, 20],
];

/** Tells tokens, and what was said: as much as the sound has. */
const BOUND_BY_INPUT = /\.(countTokens|audio\.(transcriptions|translations))$/;

/** What a request is expected to use, before it runs. */
export interface Estimate {
  inputTokens: number;
  /** As counted or learned, without the margin of `inputTokens`. */
  promptTokens: number;
  /** Of all choices together. */
  maxOutputTokens: number;
  /** What these tokens may be that costs most. */
  dearestOutput: TokenKind;
  /** How many are asked for of a model that is sold by the image; 0: none. */
  images: number;
  /** The model whose price counts; null: none is named, or it runs free. */
  priceModel: string | null;
  /** Who is expected to serve it; null: not known. */
  provider: string | null;
  /** As much as the model usually gives; the worst case where that is not known. */
  usualOutputTokens: number;
  usualOutput: TokenKind;
  /** As the request asks for; null: the usual one. */
  serviceTier: string | null;
  /** Cost of the input alone. */
  inputCost: Cost;
  worstCost: Cost;
}

/** What stands in for what the request itself does not say. */
export interface EstimatePresets {
  /** Of one choice; null: what the model can give. */
  maxOutputTokens?: number | null;
  /** The model whose price counts; null: it runs free. Not given: the request's own. */
  priceModel?: string | null;
  /** Who is expected to serve it. */
  provider?: string | null;
  /** As counted by the model's tokenizer; null: from the length and what was learned. */
  promptTokens?: number | null;
}

/** Estimates a request that begins at `nowMs`. Counts are clamped to 2^53 − 1. */
export function estimate(
  llm: LlmRequest,
  prices: Prices,
  ratios: Ratios,
  nowMs: number,
  presets: EstimatePresets = {},
): Estimate {
  const bytesPerToken = Math.max(ratios.inputBytesPerToken(llm.model), formBytesPerToken(llm));
  const tokens = presets.promptTokens ?? llm.inputBytes / bytesPerToken;
  const inputTokens = clamp(Math.ceil((tokens * INPUT_MARGIN_PERCENT) / 100));
  const choices = Math.max(1, llm.choices);
  const { perChoice, usual, usualOutput } = isImageByTokens(llm)
    ? IMAGE_OUTPUT
    : textOutput(llm, prices, ratios, nowMs, presets);
  const { priceModel = llm.model, provider = null } = presets;
  const dearestOutput =
    usualOutput === "outputText"
      ? prices.dearestOutput(priceModel, nowMs, provider, inputTokens)
      : usualOutput;
  const images = imagesByPiece(llm);
  const serviceTier = serviceTierOf(llm);
  const priced = { inputTokens, priceModel, provider, dearestOutput, images, serviceTier };
  const maxOutputTokens = clamp(perChoice * choices);
  return {
    ...priced,
    promptTokens: clamp(Math.ceil(tokens)),
    maxOutputTokens,
    usualOutput,
    usualOutputTokens: clamp(Math.min(usual, perChoice) * choices),
    inputCost: costWith(prices, { ...priced, images: 0 }, 0, nowMs),
    worstCost: costWith(prices, priced, maxOutputTokens, nowMs),
  };
}

function serviceTierOf({ body }: LlmRequest): string | null {
  const tier = SERVICE_TIERS.map((pointer) => body?.[pointer]).find(
    (value) => typeof value === "string",
  );
  return tier ?? null;
}

/** What one choice may give at most, and usually does. */
interface Output {
  perChoice: number;
  usual: number;
  usualOutput: TokenKind;
}

const IMAGE_OUTPUT: Output = {
  perChoice: MOST_TOKENS_PER_IMAGE,
  usual: TOKENS_PER_IMAGE,
  usualOutput: "outputImage",
};

function textOutput(
  llm: LlmRequest,
  prices: Prices,
  ratios: Ratios,
  nowMs: number,
  presets: EstimatePresets,
): Output {
  const perChoice = maxOutputPerChoice(llm, prices, nowMs, presets);
  const usual = ratios.usualOutputTokens?.(llm.model) ?? perChoice;
  return { perChoice, usual, usualOutput: "outputText" };
}

function formBytesPerToken({ api, rewritable }: LlmRequest): number {
  if (rewritable !== false) return 0;
  return FORM_BYTES_PER_TOKEN.find(([pattern]) => pattern.test(api ?? ""))?.[1] ?? 0;
}

type Priced = Pick<
  Estimate,
  "inputTokens" | "priceModel" | "provider" | "dearestOutput" | "images" | "serviceTier"
>;

/**
 * What the estimated input and images cost with so many output tokens, of all choices together.
 * A service tier that is asked for counts where it is dearer: a cheaper one may not be given.
 * @param kind of these tokens; not given: the dearest
 */
export function costWith(
  prices: Prices,
  { inputTokens, priceModel, provider, dearestOutput, images, serviceTier }: Priced,
  outputTokens: number,
  nowMs: number,
  kind: TokenKind = dearestOutput,
): Cost {
  const usage = estimatedUsage({ model: priceModel }, inputTokens, 0);
  usage.tokens[kind] += outputTokens;
  usage.provider = provider;
  if (images > 0) usage.otherUnits.images = images;
  const cost = prices.cost(usage, nowMs);
  if (serviceTier === null) return cost;
  const inTier = prices.cost({ ...usage, serviceTier }, nowMs);
  return inTier.costNanoUsd > cost.costNanoUsd ? inTier : cost;
}

function maxOutputPerChoice(
  llm: LlmRequest,
  prices: Prices,
  nowMs: number,
  presets: EstimatePresets,
): number {
  const { api } = llm;
  if (api !== null && (TEXTLESS_APIS.has(api) || BOUND_BY_INPUT.test(api))) return 0;
  return (
    llm.maxOutputTokens ??
    presets.maxOutputTokens ??
    prices.maxOutputTokens(llm.model, nowMs, presets.provider) ??
    DEFAULT_MAX_OUTPUT_TOKENS
  );
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

/** Kuadrant's amount is one of tokens: it says nothing of requests, nor how much money it is. */
function reserveOf(limit: MatchedLimit, worst: Amounts): number {
  if (limit.unit === "requests") return 1;
  if (limit.reserveAmount !== undefined) {
    if (limit.unit === "usd") return limit.reserveAmount > 0 ? worst.usd : 0;
    return limit.reserveAmount;
  }
  return limit.reservation === "worst-case" ? worst[limit.unit] : 0;
}

/** The most that the request may use. */
export function worstAmounts({ inputTokens, maxOutputTokens, worstCost }: Estimate): Amounts {
  return {
    total: clamp(inputTokens + maxOutputTokens),
    input: inputTokens,
    output: maxOutputTokens,
    requests: 1,
    usd: clamp(worstCost.costNanoUsd),
  };
}

/** What is charged where a request is never settled: its input. */
export function inputAmounts({ inputTokens, inputCost }: Estimate): Amounts {
  return {
    total: inputTokens,
    input: inputTokens,
    output: 0,
    requests: 1,
    usd: clamp(inputCost.costNanoUsd),
  };
}

/** The usage that an estimate stands for: plain text in and out. */
export function estimatedUsage(
  { model }: Pick<LlmRequest, "model">,
  inputTokens: number,
  outputTokens: number,
): Usage {
  const tokens = noTokens();
  tokens.inputText = inputTokens;
  tokens.outputText = outputTokens;
  return {
    tokens,
    otherUnits: {},
    model,
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
