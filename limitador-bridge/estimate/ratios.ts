/**
 * Bytes per token, learned for each model from answers that reported their usage. What a client
 * can influence is bounded: the ratios, how fast they move, and how many models are remembered.
 */

import { dropOldest } from "../drop-oldest.ts";

/** Bytes of a request body that are JSON around the prompt and no tokens. */
const REQUEST_OVERHEAD_BYTES = 90;
/** Start values: English text has between 4 and 5 bytes a token, and requests are JSON. */
const START: BytesPerToken = { input: 5, output: 4.5 };
const MIN_BYTES_PER_TOKEN = 1;
const MAX_BYTES_PER_TOKEN = 12;
/** Weight of a new observation. */
const WEIGHT = 0.1;
/** Below this many tokens an observation says more of the JSON than of the model. */
const MIN_OBSERVED_TOKENS = 20;
const MAX_MODELS = 2000;

export interface BytesPerToken {
  input: number;
  output: number;
}

/** How far an estimate would have been off: estimated / reported − 1; null: nothing compared. */
export interface EstimateErrors {
  input: number | null;
  output: number | null;
}

export interface Ratios {
  /** The ratios in force for a model. */
  get(model: string | null): BytesPerToken;
  /** As `get().input`; what admission asks for. */
  inputBytesPerToken(model: string | null): number;
  /** Estimated input tokens of a request body of so many bytes, at least 1. */
  inputTokens(model: string | null, inputBytes: number): number;
  /** Estimated tokens of so many bytes of output text; 0 for none. */
  outputTokens(model: string | null, outputBytes: number): number;
  /** Learns from an answer; bytes or tokens of 0 say nothing. Returns the errors before. */
  observe(
    model: string | null,
    inputBytes: number,
    inputTokens: number,
    outputBytes: number,
    outputTokens: number,
  ): EstimateErrors;
  /** All that was learned, by model. */
  entries(): [model: string, ratios: BytesPerToken][];
}

/** An empty memory of ratios. */
export function createRatios(): Ratios {
  const learned = new Map<string, BytesPerToken>();
  const get = (model: string | null) => learned.get(model ?? "") ?? START;
  const inputTokens = (model: string | null, inputBytes: number) =>
    Math.max(1, Math.ceil(promptBytes(inputBytes) / get(model).input));
  const outputTokens = (model: string | null, outputBytes: number) =>
    Math.ceil(Math.max(0, outputBytes) / get(model).output);
  return {
    get,
    inputBytesPerToken: (model) => get(model).input,
    inputTokens,
    outputTokens,
    observe(model, inputBytes, inputs, outputBytes, outputs) {
      const former = get(model);
      const prompt = promptBytes(inputBytes);
      const learnsInput = prompt > 0 && inputs >= MIN_OBSERVED_TOKENS;
      const learnsOutput = outputBytes > 0 && outputs >= MIN_OBSERVED_TOKENS;
      const errors = {
        input: learnsInput ? inputTokens(model, inputBytes) / inputs - 1 : null,
        output: learnsOutput ? outputTokens(model, outputBytes) / outputs - 1 : null,
      };
      if (!learnsInput && !learnsOutput) return errors;
      // Set anew, so that the map stays in the order of use.
      learned.delete(model ?? "");
      learned.set(model ?? "", {
        input: learnsInput ? moved(former.input, prompt / inputs) : former.input,
        output: learnsOutput ? moved(former.output, outputBytes / outputs) : former.output,
      });
      dropOldest(learned, MAX_MODELS);
      return errors;
    },
    entries: () => [...learned].map(([model, ratios]) => [model, { ...ratios }]),
  };
}

function promptBytes(inputBytes: number): number {
  return Math.max(0, inputBytes - REQUEST_OVERHEAD_BYTES);
}

function moved(former: number, observed: number): number {
  const bounded = Math.min(MAX_BYTES_PER_TOKEN, Math.max(MIN_BYTES_PER_TOKEN, observed));
  return former + WEIGHT * (bounded - former);
}
