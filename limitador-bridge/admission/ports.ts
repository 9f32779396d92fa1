/** What admission and settlement ask of the parts beside the ledger and the policies. */
import type { ApiRoute } from "../contract/filter.ts";
import type { TokenKind, Usage } from "../usage/normal-form.ts";

/** A cost. `priced` is false where no price is known, and the cost then says nothing. */
export interface Cost {
  costNanoUsd: number;
  /** The price that was found is that of the model, though not all may have one that was used. */
  priced: boolean;
  /** What was used and has no price; not given: nothing. */
  unpriced?: readonly string[];
}

export interface Prices {
  /** Cost of one exchange that began at `timeMs`, rounded up to a nano-USD. */
  cost(usage: Usage, timeMs: number): Cost;
  /** The most output tokens that the model can give for one choice; null: not known. */
  maxOutputTokens(model: string | null, timeMs: number, provider?: string | null): number | null;
  /** Who serves the model at a known price; null: no price is known. */
  priceOf(
    model: string,
    timeMs: number,
    provider?: string | null,
  ): { provider: string | null } | null;
  /** The kind of output that costs the model most; text where no price is known. */
  dearestOutput(
    model: string | null,
    timeMs: number,
    provider: string | null,
    inputTokens: number,
  ): TokenKind;
  /** The prices in force at a time, as /v1/prices answers them. */
  describe(timeMs: number): Record<string, unknown>;
}

export interface Ratios {
  /** Input bytes per token, learned for this model. */
  inputBytesPerToken(model: string | null): number;
  /** Output tokens of one choice of this model, as learned; null: nothing is learned yet. */
  usualOutputTokens?(model: string | null): number | null;
  /** Bytes of output text per token, learned for this model. */
  outputBytesPerToken?(model: string | null): number;
}

/** The error bodies that each LLM API's clients understand. */
export interface ErrorShapes {
  apis: Pick<ApiRoute, "api" | "errorShape" | "path" | "maxOutputPointer">[];
  /** See FilterConfig.errors. */
  errors: Record<string, string>;
}

/** The log calls that these parts make; pino's loggers fit. */
export interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
