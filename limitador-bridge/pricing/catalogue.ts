/** The default prices: the data of @pydantic/genai-prices, compiled into entries of ours. */
import { createHash } from "node:crypto";
import {
  type ConditionalPrice,
  type ModelPrice,
  type Provider,
  waitForUpdate,
} from "@pydantic/genai-prices";
import { remembered } from "../bounded-memo.ts";
import { type CatalogueHit, findInCatalogue } from "./catalogue-match.ts";
import { nearestNanoUsd, parseDecimal } from "./decimal.ts";
import type { PriceEntry, RateKey, Rates, UnitPrice } from "./entry.ts";

const SOURCE = "@pydantic/genai-prices";
const DAY_SECONDS = 86_400;
/** Clients choose the names that are looked up: both bound what that can cost. */
const MAX_NAME_LENGTH = 256;
const MAX_REMEMBERED = 5000;

const TOKEN_PRICES: Record<string, RateKey> = {
  input_mtok: "input",
  output_mtok: "output",
  cache_read_mtok: "cachedInput",
  cache_write_mtok: "cacheWrite5m",
  cache_write_1h_mtok: "cacheWrite1h",
  input_audio_mtok: "inputAudio",
  input_image_mtok: "inputImage",
  output_audio_mtok: "outputAudio",
  output_image_mtok: "outputImage",
  output_reasoning_mtok: "reasoning",
};
const UNIT_PRICES: Record<string, { unit: string; per: bigint }> = {
  web_searches_kcount: { unit: "web_search_requests", per: 1000n },
  output_citation_mtok: { unit: "citation_tokens", per: 1_000_000n },
  social_searches_kcount: { unit: "x_search_requests", per: 1000n },
  storage_searches_kcount: { unit: "file_search_calls", per: 1000n },
  rerank_searches_kcount: { unit: "search_units", per: 1000n },
  requests_kcount: { unit: "requests", per: 1000n },
  input_document_kpages: { unit: "pages", per: 1000n },
  audio_hours: { unit: "audio_seconds", per: 3600n },
  input_audio_hours: { unit: "audio_seconds", per: 3600n },
};
/** By provider, what its usage calls a unit, where that is another name. */
const UNIT_NAMES: Record<string, Record<string, string>> = {
  perplexity: { web_search_requests: "search_queries" },
};
/**
 * Published factors of the providers that name the service tier in their answers; `priority` is
 * the highest that any model has.
 */
const TIER_FACTORS: Record<string, Record<string, string>> = {
  openai: { flex: "0.5", batch: "0.5", priority: "2" },
  azure: { batch: "0.5", priority: "2" },
  google: { flex: "0.5", batch: "0.5", priority: "1.8" },
  anthropic: { batch: "0.5" },
};

export interface Catalogue {
  /** Of what is in it. */
  version: string;
  /** The price at a time (ms since 1970), null where the model is unknown. */
  find(model: string, provider: string | null, timeMs: number): PriceEntry | null;
  /** Every model's price at a time. */
  list(timeMs: number): PriceEntry[];
}

/** Loads the data that the package carries; nothing is fetched. */
export async function loadCatalogue(): Promise<Catalogue> {
  return createCatalogue((await waitForUpdate()) ?? []);
}

/** A catalogue of the given data. */
export function createCatalogue(providers: readonly Provider[]): Catalogue {
  const compiled = new WeakMap<ModelPrice, PriceEntry>();
  const hits = new Map<string, CatalogueHit | null>();
  const lookUp = (model: string, provider: string | null) => {
    // No two pairs have one key, whatever characters a client puts into a name.
    const key = provider === null ? `-${model}` : `${provider.length} ${provider}${model}`;
    return remembered(hits, MAX_REMEMBERED, key, () => findInCatalogue(providers, model, provider));
  };
  const entryOf = (provider: Provider, model: Provider["models"][number], timeMs: number) => {
    const price = priceAt(model.prices, timeMs);
    const known = compiled.get(price);
    if (known !== undefined) return known;
    const entry = compileEntry(provider.id, model.id, price);
    compiled.set(price, entry);
    return entry;
  };
  return {
    version: createHash("sha256").update(JSON.stringify(providers)).digest("hex").slice(0, 16),
    find(model, provider, timeMs) {
      const hit = model.length > MAX_NAME_LENGTH ? null : lookUp(model, provider);
      return hit === null ? null : entryOf(hit.provider, hit.model, timeMs);
    },
    list: (timeMs) =>
      providers.flatMap((provider) =>
        provider.models.map((model) => entryOf(provider, model, timeMs)),
      ),
  };
}

/** Of conditional prices the last whose condition holds, else the first. */
function priceAt(prices: ModelPrice | ConditionalPrice[], timeMs: number): ModelPrice {
  if (!Array.isArray(prices)) return prices;
  const found = prices.findLast(({ constraint }) => {
    if (constraint === undefined) return true;
    if (constraint.type === "start_date") return timeMs >= Date.parse(constraint.start_date);
    return isWithin(timeMs, constraint.start_time, constraint.end_time);
  });
  return (found ?? prices[0])?.prices ?? {};
}

/** Times of day such as 16:30:00Z; an end before the start is on the next day. */
function isWithin(timeMs: number, start: string, end: string): boolean {
  const secondOfDay = (Math.floor(timeMs / 1000) % DAY_SECONDS) + (timeMs % 1000) / 1000;
  const [from, to] = [start, end].map((time) => Date.parse(`1970-01-01T${time}`) / 1000);
  if (from === undefined || to === undefined) return false;
  if (to < from) return secondOfDay >= from || secondOfDay < to;
  return secondOfDay >= from && secondOfDay < to;
}

function compileEntry(provider: string, model: string, price: ModelPrice): PriceEntry {
  const starts = new Set<number>();
  for (const value of Object.values(price)) {
    if (typeof value === "object") for (const { start } of value.tiers) starts.add(start);
  }
  const tiers = [...starts].sort((a, b) => a - b);
  return {
    match: model,
    provider,
    rates: ratesAt(price, null, model),
    contextTiers: tiers.map((start) => ({
      aboveTokens: start,
      rates: ratesAt(price, start, model),
    })),
    serviceTiers: factorsOf(provider),
    perUnit: unitPrices(price, UNIT_NAMES[provider] ?? {}),
    validFromMs: null,
    validUntilMs: null,
    maxOutputTokens: null,
    source: SOURCE,
    asOf: null,
  };
}

function factorsOf(provider: string): PriceEntry["serviceTiers"] {
  return Object.fromEntries(
    Object.entries(TIER_FACTORS[provider] ?? {}).flatMap(([tier, factor]) => {
      const decimal = parseDecimal(factor);
      return decimal === null ? [] : [[tier, decimal]];
    }),
  );
}

/** Rates for an input above `start`; null: the base. Models marked as free cost nothing. */
function ratesAt(price: ModelPrice, start: number | null, model: string): Rates {
  const rates: Rates = model.endsWith(":free") ? { input: 0n, output: 0n } : {};
  for (const [key, value] of Object.entries(price)) {
    const rate = TOKEN_PRICES[key];
    if (rate === undefined || value === undefined) continue;
    const tiers = typeof value === "number" ? [] : value.tiers;
    const base = typeof value === "number" ? value : value.base;
    const tier = start === null ? undefined : tiers.findLast((each) => each.start <= start);
    const nanoUsd = nearestNanoUsd(tier?.price ?? base);
    if (nanoUsd !== null) rates[rate] = nanoUsd;
  }
  return rates;
}

function unitPrices(
  price: ModelPrice,
  names: Readonly<Record<string, string>>,
): Record<string, UnitPrice> {
  const prices: Record<string, UnitPrice> = {};
  for (const [key, { unit, per }] of Object.entries(UNIT_PRICES)) {
    const value = price[key];
    const nanoUsd = typeof value === "number" ? nearestNanoUsd(value) : null;
    if (nanoUsd !== null) prices[names[unit] ?? unit] = { nanoUsd, per };
  }
  return prices;
}
