/** One model's prices in LiteLLM's layout, as a PriceTable has them. Pure. */
import { isObject, type RawObject } from "../usage/figures.ts";
import { type Decimal, MAX_PRICE_USD, parseDecimal, usdText } from "./decimal.ts";
import { RATE_KEYS, type RateKey } from "./entry.ts";

/** Prices in USD per 1M tokens, as decimals. */
export type RateTexts = Partial<Record<RateKey, string>>;

export interface ImportedCosts {
  rates: RateTexts;
  contextTiers: { aboveTokens: number; rates: RateTexts }[];
  serviceTiers: Record<string, string>;
  perUnit: Record<string, string>;
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
    if (price !== null) prices.push(price);
    else if (key === SEARCHES && oneSearchPrice(value) !== null) {
      perUnit.web_search_requests = oneSearchPrice(value) as string;
    } else if (COST.test(key) && saysSomething(value)) notes.push(`${key} not translated`);
  }
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

/** The price of one search, where it does not depend on how much is searched. */
function oneSearchPrice(value: unknown): string | null {
  const [first, ...others] = isObject(value) ? Object.values(value) : [];
  if (typeof first !== "string" || others.some((each) => each !== first)) return null;
  const price = parseDecimal(first);
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
