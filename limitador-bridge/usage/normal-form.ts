/**
 * The one normal form that every provider's usage is turned into, and that prices apply to.
 * Every kind is counted once: kinds never include each other.
 */
export const TOKEN_KINDS = [
  "inputText",
  "inputAudio",
  "inputImage",
  "cacheRead",
  "cacheWrite5m",
  "cacheWrite1h",
  "outputText",
  "reasoning",
  "outputAudio",
  "outputImage",
] as const;
export type TokenKind = (typeof TOKEN_KINDS)[number];

/** Tokens by kind, integers ≥ 0. `inputText` is everything uncached that is not audio or image. */
export type TokenCounts = Record<TokenKind, number>;

/** What one exchange used, before pricing. */
export interface Usage {
  tokens: TokenCounts;
  /** Billed beside tokens, by unit: web_search, seconds, images, search_units, … */
  otherUnits: Record<string, number>;
  /** Model to price by: the response's, else the one sent, else the path's. */
  model: string | null;
  provider: string | null;
  serviceTier: string | null;
  /** What the provider itself charged, nano-USD. */
  providerCostNanoUsd: number | null;
  /** Billed on top at another model's price (Anthropic advisor). */
  extraLines: { model: string; tokens: TokenCounts }[];
  /** "none": nothing is charged, `reason` says why (error, uncharged endpoint, deferred). */
  source: "reported" | "estimated" | "none";
  reason: string | null;
  /**
   * Id of a background response. Its usage is seen again with each fetch: of all records with one
   * key only the last word counts, once.
   */
  settleKey?: string;
}

/** All kinds zero. */
export function noTokens(): TokenCounts {
  return {
    inputText: 0,
    inputAudio: 0,
    inputImage: 0,
    cacheRead: 0,
    cacheWrite5m: 0,
    cacheWrite1h: 0,
    outputText: 0,
    reasoning: 0,
    outputAudio: 0,
    outputImage: 0,
  };
}

/** Total input tokens: uncached, cached and cache writes. */
export function inputTotal(t: TokenCounts): number {
  return t.inputText + t.inputAudio + t.inputImage + t.cacheRead + t.cacheWrite5m + t.cacheWrite1h;
}

/** Total output tokens, reasoning included. */
export function outputTotal(t: TokenCounts): number {
  return t.outputText + t.reasoning + t.outputAudio + t.outputImage;
}
