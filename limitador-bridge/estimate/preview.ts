/** What a request would cost and be told, without anything being reserved, charged or counted. */
import { randomUUID } from "node:crypto";
import { admit } from "../admission/admit.ts";
import { type AdmissionParts, providerFor } from "../admission/case.ts";
import { costWith, type Estimate, estimate } from "../admission/reservation.ts";
import { toRequestContext } from "../cel/attributes.ts";
import type { AdmitAnswer, LlmRequest } from "../contract/filter.ts";
import type { Store } from "../ledger/store/store.ts";
import { createMetrics } from "../metrics.ts";
import { isUnbilled } from "../usage/unbilled.ts";
import type { PromptText } from "./preview-prompt.ts";
import { type PreviewedLimit, PreviewStore } from "./preview-store.ts";
import { encodingOf } from "./token-worker-models.ts";
import type { TokenCounter } from "./token-worker-pool.ts";

/** As the document on cost controls has it: as much output as input, at most so much. */
const USUAL_MAX_OUTPUT_TOKENS = 4096;

export interface PreviewParts extends Omit<AdmissionParts, "store" | "leases"> {
  store: Pick<Store, "counters">;
  tokens: TokenCounter;
}

export interface PreviewRequest {
  attributes: Record<string, unknown>;
  llm: LlmRequest;
  prompt: PromptText;
}

export interface PreviewCost {
  /** The input alone. */
  lowNanoUsd: number;
  /** With the output that the model usually gives. */
  expectedNanoUsd: number;
  /** With as much output as the request allows. */
  worstNanoUsd: number;
}

export interface Preview {
  tokens: {
    input: number;
    /** "tokenizer": counted; "bytes": from the body's length, with a margin of 10 %. */
    inputSource: "tokenizer" | "bytes";
    /** Media or tools are in the request, and cost what only the provider knows. */
    inputIsPartial: boolean;
    expectedOutput: number;
    maxOutput: number;
  };
  /** null: the model has no known price. */
  cost: PreviewCost | null;
  /** The provider charges nothing for this API. */
  isFree: boolean;
  answer: AdmitAnswer;
  /** The model that would run. */
  model: string | null;
  limits: PreviewedLimit[];
}

/** A preview that the store could not be asked for. */
export class PreviewUnavailable extends Error {}

/**
 * Decides on the request as admission does, with the same code, on a copy of its counters.
 * @throws PreviewUnavailable
 */
export async function preview(parts: PreviewParts, request: PreviewRequest): Promise<Preview> {
  const store = new PreviewStore(parts.store, parts.nowMs);
  const { attributes, llm } = request;
  const answer = await admit(
    { ...parts, ...SILENT, shapes: { apis: parts.shapes.apis, errors: {} }, store },
    { id: `preview-${randomUUID()}`, attributes, llm },
  );
  if (store.failure !== null) {
    throw new PreviewUnavailable("counters not read", { cause: store.failure.error });
  }
  const running = { ...llm, model: answer.model ?? llm.model };
  const expected = expectedOf(parts, request, running, answer.maxOutputTokens ?? null);
  const tokens = await tokensOf(parts, request.prompt, running, expected);
  const isFree = isUnbilled(llm);
  return {
    tokens,
    cost: isFree ? NO_COST : costOf(parts, expected, tokens),
    isFree,
    answer,
    model: running.model,
    limits: store.limits,
  };
}

/** What costs nothing. */
export const NO_COST: PreviewCost = { lowNanoUsd: 0, expectedNanoUsd: 0, worstNanoUsd: 0 };

/** Nothing of a preview is logged, recorded, alerted or counted where anyone sees it. */
const SILENT = {
  metrics: createMetrics({ defaults: false }),
  log: { info: () => {}, warn: () => {}, error: () => {} },
  throttle: () => null,
  denialRecords: { write: () => {}, flush: async () => {} },
  onBudgetAlert: () => {},
  leases: null,
};

/** As admission estimates it, with the output that the budget, or a cap, allows. */
function expectedOf(
  parts: PreviewParts,
  { attributes, llm }: PreviewRequest,
  running: LlmRequest,
  cap: number | null,
): Estimate {
  const context = toRequestContext(attributes, llm);
  const matched = parts.policies().budgets.match(parts.policies().payer(context));
  const maxOutputTokens =
    matched.kind === "budget" ? matched.match.budget.defaultMaxOutputTokens : null;
  const provider = providerFor(toRequestContext(attributes, running), running.model);
  const bounded = cap === null ? running : { ...running, maxOutputTokens: cap };
  const presets = { maxOutputTokens, provider };
  return estimate(bounded, parts.prices(), parts.ratios, parts.nowMs(), presets);
}

async function tokensOf(
  parts: PreviewParts,
  prompt: PromptText,
  { model, choices }: LlmRequest,
  expected: Estimate,
): Promise<Preview["tokens"]> {
  const encoding = encodingOf(model);
  const counted = encoding === null ? null : await parts.tokens.count(encoding, prompt.texts);
  const input = counted === null ? expected.inputTokens : counted + prompt.overheadTokens;
  const maxOutput = expected.maxOutputTokens;
  const learned = parts.ratios.usualOutputTokens?.(model);
  const usual = Math.ceil(learned ?? Math.min(input, USUAL_MAX_OUTPUT_TOKENS));
  const isText = expected.usualOutput === "outputText";
  const expectedOutput = isText ? usual * Math.max(1, choices) : expected.usualOutputTokens;
  return {
    input,
    inputSource: counted === null ? "bytes" : "tokenizer",
    inputIsPartial: prompt.isPartial,
    expectedOutput: Math.min(expectedOutput, maxOutput),
    maxOutput,
  };
}

function costOf(
  parts: PreviewParts,
  expected: Estimate,
  { input, expectedOutput, maxOutput }: Preview["tokens"],
): PreviewCost | null {
  const prices = parts.prices();
  const nowMs = parts.nowMs();
  const priced = { ...expected, inputTokens: input };
  const worst = costWith(prices, priced, maxOutput, nowMs);
  if (!worst.priced) return null;
  const inputAlone = costWith(prices, { ...priced, images: 0 }, 0, nowMs);
  const usual = costWith(prices, priced, expectedOutput, nowMs, expected.usualOutput);
  return {
    lowNanoUsd: inputAlone.costNanoUsd,
    expectedNanoUsd: usual.costNanoUsd,
    worstNanoUsd: worst.costNanoUsd,
  };
}
