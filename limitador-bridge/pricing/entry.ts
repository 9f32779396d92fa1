/** A price, compiled: whole nano-USD and exact fractions, nothing binary. */
import type { Decimal } from "./decimal.ts";

/** What tokens are priced by; the names are those of a PriceTable. */
export const RATE_KEYS = [
  "input",
  "output",
  "cachedInput",
  "cacheWrite5m",
  "cacheWrite1h",
  "inputAudio",
  "inputImage",
  "outputAudio",
  "outputImage",
  "reasoning",
] as const;
export type RateKey = (typeof RATE_KEYS)[number];

/** nano-USD per 1M tokens. */
export type Rates = Partial<Record<RateKey, bigint>>;

/** `nanoUsd` for every `per` units. */
export interface UnitPrice {
  nanoUsd: bigint;
  per: bigint;
}

/** Rates of one whole request whose input is above so many tokens. */
export interface ContextTier {
  aboveTokens: number;
  rates: Rates;
}

export interface PriceEntry {
  /** A glob, or a catalogue's model id. */
  match: string;
  provider: string | null;
  rates: Rates;
  /** Ascending; each has all rates, also those that it shares with the base. */
  contextTiers: ContextTier[];
  /** Factors on what the tokens cost, by service tier. */
  serviceTiers: Record<string, Decimal>;
  /** Prices by unit (see Usage.otherUnits); `requests` is charged once. */
  perUnit: Record<string, UnitPrice>;
  /** ms since 1970; null: no such bound. Valid from `validFromMs` up to before `validUntilMs`. */
  validFromMs: number | null;
  validUntilMs: number | null;
  /** Of one choice. An entry with nothing else is no price. */
  maxOutputTokens: number | null;
  /** Where the price was read, and when. */
  source: string | null;
  asOf: string | null;
}

/** Other names that people write for units. */
const UNIT_ALIASES: Record<string, string> = {
  web_search: "web_search_requests",
  web_fetch: "web_fetch_requests",
  seconds: "audio_seconds",
  image: "images",
  search_unit: "search_units",
  request: "requests",
};

/** The name under which usage counts a unit. */
export function unitName(name: string): string {
  return (Object.hasOwn(UNIT_ALIASES, name) ? UNIT_ALIASES[name] : undefined) ?? name;
}
