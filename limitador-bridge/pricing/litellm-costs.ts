/** One model's prices in LiteLLM's layout, as a PriceTable has them. Pure. */
import { isObject, type RawObject } from "../usage/figures.ts";
import { type Decimal, MAX_PRICE_USD, parseDecimal, usdText } from "./decimal.ts";
import { RATE_KEYS, type RateKey } from "./entry.ts";
import { providerName } from "./litellm-names.ts";

/** Prices in USD per 1M tokens, as decimals. */
export type RateTexts = Partial<Record<RateKey, string>>;

export interface ImportedCosts {
  rates: RateTexts;
  contextTiers: { aboveTokens: number; rates: RateTexts }[];
  serviceTiers: Record<string, string>;
  perUnit: Record<string, string>;
  /** Nothing in the above costs anything, but something that is not in it does. */
  isCostMissing: boolean;
  /** What is not in the above, or not as it was written, for people. */
  notes: string[];
}

const RATES: Record<string, RateKey> = {
  input_cost_per_token: "input",
  output_cost_per_token: "output",
  cache_read_input_token_cost: "cachedInput",
  cache_creation_input_token_cost: "cacheWrite5m",
  cache_creation_input_token_cost_above_1hr: "cacheWrite1h",
  input_cost_per_audio_token: "inputAudio",
  output_cost_per_audio_token: "outputAudio",
  input_cost_per_image_token: "inputImage",
  output_cost_per_image_token: "outputImage",
  output_cost_per_reasoning_token: "reasoning",
};
/** The longest name first: others begin like it. */
const NAMES = Object.keys(RATES).sort((a, b) => b.length - a.length);
const RATE = new RegExp(
  `^(${NAMES.join("|")})(?:_above_(\\d{1,6})k_tokens)?(?:_(flex|priority|batches))?$`,
);
const TIER_NAMES: Record<string, string> = { batches: "batch" };
const SEARCHES = "search_context_cost_per_query";
const QUERIES = "input_cost_per_query";
/** Whose answers tell what a query of reranking is billed by: the search units of Cohere's API. */
const TELLS_SEARCH_UNITS: ReadonlySet<string> = new Set(["cohere", "azure"]);
/** Everything else that says what something costs. */
const COST = /cost|pric|uplift|multiplier|provider_specific_entry/;
/** USD a token to nano-USD a million tokens: 6 digits and 9. */
const RATE_DIGITS = 15;
const FACTOR_DIGITS = 9;

interface TokenPrice {
  key: string;
  rate: RateKey;
  /** 0: the base. */
  aboveTokens: number;
  /** "": the standard tier. */
  tier: string;
  price: Decimal;
}

/** Reads the prices of one model, whose numbers are texts (see parseExactJson). */
export function readCosts(model: RawObject): ImportedCosts {
  const notes: string[] = [];
  const prices: TokenPrice[] = [];
  const perUnit: Record<string, string> = {};
  for (const [key, value] of Object.entries(model)) {
    const price = tokenPrice(key, value);
    const unit = unitPrice(key, value, model);
    if (price !== null) prices.push(price);
    else if (unit !== null) Object.assign(perUnit, unit);
    else if (COST.test(key) && saysSomething(value)) notes.push(`${key} not translated`);
  }
  // Up to here there are notes only of costs that are not translated.
  const isUntold = notes.length > 0;
  const isFree =
    prices.every(({ price }) => price.digits === 0n) &&
    Object.values(perUnit).every((price) => price === "0");
  const standard = prices.filter(({ tier }) => tier === "");
  const ratesAbove = (aboveTokens: number) => rateTexts(standard, aboveTokens, notes);
  const starts = new Set(standard.map(({ aboveTokens }) => aboveTokens));
  return {
    rates: ratesAbove(0),
    contextTiers: [...starts]
      .filter((start) => start > 0)
      .sort((a, b) => a - b)
      .map((aboveTokens) => ({ aboveTokens, rates: ratesAbove(aboveTokens) })),
    serviceTiers: tierFactors(prices, notes),
    perUnit,
    isCostMissing: isFree && isUntold,
    notes,
  };
}

function tokenPrice(key: string, value: unknown): TokenPrice | null {
  const [, name = "", thousands = "0", suffix = ""] = RATE.exec(key) ?? [];
  const rate = RATES[name];
  const price = typeof value === "string" ? parseDecimal(value) : null;
  if (rate === undefined || price === null) return null;
  const tier = TIER_NAMES[suffix] ?? suffix;
  return { key, rate, aboveTokens: Number(thousands) * 1000, tier, price };
}

/** What is billed by the piece, by its unit; null where it is not, or not at one price. */
function unitPrice(key: string, value: unknown, model: RawObject): Record<string, string> | null {
  if (key === SEARCHES) {
    const price = oneSearchPrice(value);
    return price === null ? null : { web_search_requests: price };
  }
  const { mode, litellm_provider: provider } = model;
  if (key !== QUERIES || mode !== "rerank" || typeof provider !== "string") return null;
  const price = TELLS_SEARCH_UNITS.has(providerName(provider)) ? exactUsd(value) : null;
  return price === null ? null : { search_units: price };
}

/** The price of one search, where it does not depend on how much is searched. */
function oneSearchPrice(value: unknown): string | null {
  const [first, ...others] = isObject(value) ? Object.values(value) : [];
  return others.some((each) => each !== first) ? null : exactUsd(first);
}

/** A price in USD that is whole in nano-USD, as a table has it; null for all else. */
function exactUsd(value: unknown): string | null {
  const price = typeof value === "string" ? parseDecimal(value) : null;
  const nanoUsd = price === null ? null : scaled(price, FACTOR_DIGITS);
  return nanoUsd?.isExact ? usdText(nanoUsd.value) : null;
}

function saysSomething(value: unknown): boolean {
  if (typeof value === "string") return parseDecimal(value)?.digits !== 0n;
  if (Array.isArray(value)) return value.some(saysSomething);
  return isObject(value) && Object.values(value).some(saysSomething);
}

function rateTexts(prices: TokenPrice[], aboveTokens: number, notes: string[]): RateTexts {
  const rates: RateTexts = {};
  for (const key of RATE_KEYS) {
    const found = prices.find((each) => each.rate === key && each.aboveTokens === aboveTokens);
    if (found === undefined) continue;
    const { value, isExact } = scaled(found.price, RATE_DIGITS);
    if (value > MAX_PRICE_USD * 10n ** BigInt(FACTOR_DIGITS)) {
      notes.push(`${found.key} not translated: above ${MAX_PRICE_USD} USD for 1M tokens`);
      continue;
    }
    if (!isExact) notes.push(`${found.key} rounded to nano-USD for 1M tokens`);
    rates[key] = usdText(value);
  }
  return rates;
}

/** A decimal in units of 10^-digits, to the nearest. */
function scaled({ digits, scale }: Decimal, places: number): { value: bigint; isExact: boolean } {
  const raised = digits * 10n ** BigInt(places);
  const divisor = 10n ** BigInt(scale);
  const value = (2n * raised + divisor) / (2n * divisor);
  return { value, isExact: raised % divisor === 0n };
}

/** A tier is one factor on what tokens cost; where its prices differ in theirs, the highest. */
function tierFactors(prices: TokenPrice[], notes: string[]): Record<string, string> {
  const factors: Record<string, string> = {};
  for (const tier of new Set(prices.map((each) => each.tier))) {
    if (tier === "") continue;
    const found = prices
      .filter((each) => each.tier === tier)
      .flatMap((each) => factorOf(each, prices) ?? []);
    const highest = found.reduce((a, b) => (b > a ? b : a), -1n);
    if (highest < 0n) {
      notes.push(`${tier} prices not translated: no standard prices to compare them with`);
      continue;
    }
    if (found.some((factor) => factor !== highest)) {
      notes.push(`${tier} prices are not one factor: the highest, ${usdText(highest)}, is taken`);
    }
    factors[tier] = usdText(highest);
  }
  return factors;
}

/** A tier's price over the standard one, in 10^-9, rounded up. */
function factorOf({ rate, aboveTokens, price }: TokenPrice, prices: TokenPrice[]): bigint | null {
  const base = prices.find(
    (each) => each.tier === "" && each.rate === rate && each.aboveTokens === aboveTokens,
  );
  if (base === undefined || base.price.digits === 0n) return null;
  const numerator = price.digits * 10n ** BigInt(base.price.scale + FACTOR_DIGITS);
  const denominator = base.price.digits * 10n ** BigInt(price.scale);
  return (numerator + denominator - 1n) / denominator;
}
