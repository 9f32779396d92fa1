/** What one family of providers makes of a capture. */
import { noTokens, type TokenCounts } from "./normal-form.ts";

export interface Reading {
  tokens: TokenCounts;
  otherUnits: Record<string, number>;
  serviceTier: string | null;
  providerCostNanoUsd: number | null;
  extraLines: { model: string; tokens: TokenCounts }[];
  /** The model, where only the usage tells it. */
  model: string | null;
  /** What to know of it, where it is the last word; null: nothing. */
  remark: string | null;
  /** The last word: nothing is missing and nothing malformed. */
  final: boolean;
  /** The input is right, even where the reading is not final. */
  inputKnown: boolean;
}

/** A final reading of nothing, to be filled. */
export function emptyReading(): Reading {
  return {
    tokens: noTokens(),
    otherUnits: {},
    serviceTier: null,
    providerCostNanoUsd: null,
    extraLines: [],
    model: null,
    remark: null,
    final: true,
    inputKnown: true,
  };
}

/** Totals and what they are made of; parts that exceed the rest of their total are cut. */
export interface Split {
  input: number;
  cacheRead?: number;
  cacheWrite5m?: number;
  cacheWrite1h?: number;
  inputAudio?: number;
  inputImage?: number;
  output: number;
  reasoning?: number;
  outputAudio?: number;
  outputImage?: number;
}

/** Tokens by kind from totals that include their parts: text is what is left. */
export function tokensOf(split: Split): TokenCounts {
  let input = split.input;
  let output = split.output;
  const fromInput = (part = 0) => {
    const taken = Math.min(part, input);
    input -= taken;
    return taken;
  };
  const fromOutput = (part = 0) => {
    const taken = Math.min(part, output);
    output -= taken;
    return taken;
  };
  const tokens = {
    ...noTokens(),
    cacheRead: fromInput(split.cacheRead),
    cacheWrite1h: fromInput(split.cacheWrite1h),
    cacheWrite5m: fromInput(split.cacheWrite5m),
    inputAudio: fromInput(split.inputAudio),
    inputImage: fromInput(split.inputImage),
    reasoning: fromOutput(split.reasoning),
    outputAudio: fromOutput(split.outputAudio),
    outputImage: fromOutput(split.outputImage),
  };
  return { ...tokens, inputText: input, outputText: output };
}
