/** What tokens and units cost: exact fractions up to the end, rounded up once. */
import { inputTotal, TOKEN_KINDS, type TokenCounts, type TokenKind } from "../usage/normal-form.ts";
import { ceilDivide, parseDecimal } from "./decimal.ts";
import type { PriceEntry, RateKey, Rates, UnitPrice } from "./entry.ts";

const TOKENS_PER_RATE = 1_000_000n;
const REQUESTS = "requests";
/** Units that are counted, and that are charged by those alone who publish a price of them. */
const FREE_UNITS = new Set(["web_fetch_requests", "sources", "search_queries", "citation_tokens"]);

/** By kind the rates that apply, the first that there is. */
const RATES_OF: Record<TokenKind, RateKey[]> = {
  inputText: ["input"],
  inputAudio: ["inputAudio", "input"],
  inputImage: ["inputImage", "input"],
  cacheRead: ["cachedInput", "input"],
  cacheWrite5m: ["cacheWrite5m", "input"],
  cacheWrite1h: ["cacheWrite1h", "cacheWrite5m", "input"],
  outputText: ["output"],
  reasoning: ["reasoning", "output"],
  outputAudio: ["outputAudio", "output"],
  outputImage: ["outputImage", "output"],
};
/** Anthropic's cache writes by the rate that is known: they cost 1.25 and 2 times the input. */
const CLAUDE_WRITES: Partial<Record<TokenKind, Partial<Record<RateKey, Fraction>>>> = {
  cacheWrite5m: { input: { n: 5n, d: 4n } },
  cacheWrite1h: { input: { n: 2n, d: 1n }, cacheWrite5m: { n: 8n, d: 5n } },
};

/** An exact amount of nano-USD: n / d, d > 0. */
export interface Fraction {
  n: bigint;
  d: bigint;
}

export interface ExactCost {
  nanoUsd: Fraction;
  /** Kinds and units that were used and have no price. */
  unpriced: string[];
}

export const ZERO: Fraction = { n: 0n, d: 1n };

export function add(a: Fraction, b: Fraction): Fraction {
  return a.d === b.d ? { n: a.n + b.n, d: a.d } : { n: a.n * b.d + b.n * a.d, d: a.d * b.d };
}

/** Rounded up to whole nano-USD, at most 2^53 − 1. */
export function roundUp({ n, d }: Fraction): number {
  const nano = ceilDivide(n, d);
  return nano > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(nano);
}

/**
 * What tokens cost at an entry's rates.
 * @param serviceTier as the provider named it; tiers that the entry does not know cost the same
 * @param isClaude whether Anthropic's rules for cache writes stand in for rates that are missing
 */
export function tokenCost(
  entry: PriceEntry,
  tokens: TokenCounts,
  serviceTier: string | null,
  isClaude: boolean,
): ExactCost {
  const rates = ratesFor(entry, inputTotal(tokens));
  const unpriced: string[] = [];
  let nanoUsd: Fraction = ZERO;
  for (const kind of TOKEN_KINDS) {
    const count = tokens[kind];
    if (count === 0) continue;
    const rate = rateOf(rates, kind, isClaude);
    if (rate === null) unpriced.push(kind);
    else nanoUsd = add(nanoUsd, { n: BigInt(count) * rate.n, d: rate.d * TOKENS_PER_RATE });
  }
  const tier = serviceTier?.toLowerCase() ?? "";
  const factor = Object.hasOwn(entry.serviceTiers, tier) ? entry.serviceTiers[tier] : undefined;
  if (factor === undefined) return { nanoUsd, unpriced };
  const scaled = { n: nanoUsd.n * factor.digits, d: nanoUsd.d * 10n ** BigInt(factor.scale) };
  return { nanoUsd: scaled, unpriced };
}

/** The rates of the highest context tier that the whole input is above. */
function ratesFor(entry: PriceEntry, inputTokens: number): Rates {
  const tier = entry.contextTiers.findLast(({ aboveTokens }) => inputTokens > aboveTokens);
  return tier?.rates ?? entry.rates;
}

function rateOf(rates: Rates, kind: TokenKind, isClaude: boolean): Fraction | null {
  const key = RATES_OF[kind].find((each) => rates[each] !== undefined);
  const rate = key === undefined ? undefined : rates[key];
  if (key === undefined || rate === undefined) return null;
  const factor = isClaude ? CLAUDE_WRITES[kind]?.[key] : undefined;
  return factor === undefined ? { n: rate, d: 1n } : { n: rate * factor.n, d: factor.d };
}

const OUTPUT_KINDS = ["outputText", "reasoning", "outputAudio", "outputImage"] as const;

/** The kind of output whose token costs most with so much input; text where none costs more. */
export function dearestOutput(entry: PriceEntry, inputTokens: number): TokenKind {
  const rates = ratesFor(entry, inputTokens);
  const rate = (kind: TokenKind) => rates[RATES_OF[kind][0] as RateKey] ?? rates.output ?? 0n;
  return OUTPUT_KINDS.reduce((most, kind) => (rate(kind) > rate(most) ? kind : most));
}

/** What units cost; a price per request is charged once. */
export function unitCost(entry: PriceEntry, units: Readonly<Record<string, number>>): ExactCost {
  const unpriced: string[] = [];
  const request = priceOf(entry, REQUESTS);
  let nanoUsd = request === undefined ? ZERO : { n: request.nanoUsd, d: request.per };
  for (const [unit, count] of Object.entries(units)) {
    if (unit === REQUESTS) continue;
    const price = priceOf(entry, unit);
    const amount = parseDecimal(count);
    if (price !== undefined && amount !== null) {
      const n = amount.digits * price.nanoUsd;
      nanoUsd = add(nanoUsd, { n, d: price.per * 10n ** BigInt(amount.scale) });
    } else if (count > 0 && !FREE_UNITS.has(unit)) {
      unpriced.push(unit);
    }
  }
  return { nanoUsd, unpriced };
}

function priceOf({ perUnit }: PriceEntry, unit: string): UnitPrice | undefined {
  return Object.hasOwn(perUnit, unit) ? perUnit[unit] : undefined;
}
