/**
 * How much output a request may give, and where its stream is cut. Two things bound it: the
 * provider's own limit (the request's, one that is sent in its place, or the model's), and what the
 * reservation covers. A cut is needed only where the second is less. Pure.
 */
import type { AdmitAnswer } from "../contract/filter.ts";
import type { LimitClaim } from "../ledger/store/store.ts";
import type { MatchedLimit } from "../policy/policy-set.ts";
import { isOfPath } from "../usage/api-path.ts";
import type { Case, CaseOption, RecordedCase } from "./case.ts";
import { largestWithin } from "./largest-within.ts";
import type { ErrorShapes, Prices, Ratios } from "./ports.ts";
import { costWith, type Estimate, worstAmounts } from "./reservation.ts";
import { canClose, streamClosing } from "./stream-closing.ts";

/** Learned before anything is; see ratios.ts. */
const OUTPUT_BYTES_PER_TOKEN = 4.5;
/** Bytes per token are learned, and off by some percent; a cut must not come too late. */
const MARGIN_PERCENT = 110;
/** Where no limit of the provider is known. */
const UNBOUNDED_TOKENS = 100_000_000;

export interface OutputParts {
  prices: () => Prices;
  ratios: Ratios;
  shapes: ErrorShapes;
}

/** Whether the filter can send the provider another output limit than the client did. */
export function canLimitOutput({ shapes }: OutputParts, { request, context }: Case): boolean {
  const { api, maxOutputTokens, rewritable } = request.llm;
  if (rewritable === false) return false;
  if (maxOutputTokens !== null) return true;
  const { path = "" } = context.attributes.request as { path?: string };
  const route = shapes.apis.find((each) => each.api === api && isOfPath(each, path));
  return route?.maxOutputPointer !== undefined;
}

/** Whether the response is a stream that can be ended early. */
export function canCut({ request: { llm }, context }: RecordedCase): boolean {
  const { query = "" } = context.attributes.request as { query?: string };
  return llm.stream && canClose(llm.api, query);
}

/** The claims whose policies want a stream cut, with what each holds for it. */
function cuttingClaims({ limits, plan }: Case, { claims }: CaseOption): LimitClaim[] {
  const budgetCuts = plan?.match.budget.onExhausted === "cut";
  return claims.filter(({ enforced }, i) => {
    const limit: MatchedLimit | undefined = limits[i];
    return enforced && (limit === undefined ? budgetCuts : limit.onExhausted === "cut");
  });
}

/** The option's estimate with so many output tokens a choice. */
export function estimateWith(
  { prices }: OutputParts,
  { request: { llm }, nowMs }: Case,
  { expected }: CaseOption,
  perChoice: number,
): Estimate {
  const output = Math.min(perChoice * Math.max(1, llm.choices), Number.MAX_SAFE_INTEGER);
  const worstCost = costWith(prices(), expected, output, nowMs);
  return { ...expected, maxOutputTokens: output, worstCost };
}

/** What an admitted request's answer says of its output. */
export function outputTerms(
  parts: OutputParts,
  found: Case,
  option: CaseOption,
): Pick<AdmitAnswer, "maxOutputTokens" | "cut"> {
  const maxOutputTokens = option.cap ?? insertedLimit(parts, found, option);
  const terms = maxOutputTokens === null ? {} : { maxOutputTokens };
  const claims = canCut(found) ? cuttingClaims(found, option) : [];
  if (claims.length === 0) return terms;
  const most = maxOutputTokens ?? providersLimit(parts, found, option);
  const covered = coveredTokens(parts, found, option, claims, most);
  return covered === null ? terms : { ...terms, cut: cutAt(parts, found, option, covered) };
}

/**
 * A request that tells no limit of its own is sent one with a budget that caps output: else the
 * provider could give more than was held. Null: the model's own limit is as low, or none fits in.
 */
function insertedLimit(parts: OutputParts, found: Case, option: CaseOption): number | null {
  const { plan, request } = found;
  const { llm } = request;
  if (plan === null || plan.match.budget.mode !== "enforce") return null;
  const { capMaxOutputTokens, reservation } = plan.match.budget;
  if (!capMaxOutputTokens || reservation !== "worst-case") return null;
  if (llm.maxOutputTokens !== null || !canLimitOutput(parts, found)) return null;
  const held = Math.floor(option.expected.maxOutputTokens / Math.max(1, llm.choices));
  return held > 0 && held < providersLimit(parts, found, option) ? held : null;
}

/** The most that the provider gives for one choice. */
function providersLimit(
  { prices }: OutputParts,
  found: Case,
  { budget, expected }: CaseOption,
): number {
  const { llm } = found.request;
  const model = budget === null ? llm.model : budget.model;
  const own = prices().maxOutputTokens(model, found.nowMs, expected.provider) ?? UNBOUNDED_TOKENS;
  return llm.maxOutputTokens ?? own;
}

/** Output tokens a choice that all these claims hold enough for; null: `most` of them. */
function coveredTokens(
  parts: OutputParts,
  found: Case,
  option: CaseOption,
  claims: readonly LimitClaim[],
  most: number,
): number | null {
  const fits = (perChoice: number) => {
    const worst = worstAmounts(estimateWith(parts, found, option, perChoice));
    return claims.every(({ unit, reserve }) => worst[unit] <= reserve);
  };
  return fits(most) ? null : largestWithin(0, most, fits);
}

function cutAt(parts: OutputParts, { request, nowMs }: Case, option: CaseOption, covered: number) {
  const { id, llm } = request;
  const model = option.budget === null ? llm.model : option.budget.model;
  const outputTokens = Math.min(covered * Math.max(1, llm.choices), Number.MAX_SAFE_INTEGER);
  const bytesPerToken = parts.ratios.outputBytesPerToken?.(model) ?? OUTPUT_BYTES_PER_TOKEN;
  const bytes = Math.floor((outputTokens * bytesPerToken * 100) / MARGIN_PERCENT);
  const { choices } = llm;
  return {
    afterOutputBytes: Math.min(bytes, Number.MAX_SAFE_INTEGER),
    closing: streamClosing(llm.api, { id, model, choices, outputTokens, nowMs }),
  };
}
