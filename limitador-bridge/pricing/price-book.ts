/** All prices in force: PriceTables before the catalogue, the most specific first. */
import { createHash } from "node:crypto";
import type { Usage } from "../usage/normal-form.ts";
import type { Catalogue } from "./catalogue.ts";
import { add, roundUp, tokenCost, unitCost, ZERO } from "./cost.ts";
import { usdText } from "./decimal.ts";
import type { PriceEntry } from "./entry.ts";
import { type Entries, EntryIndex, isValidAt } from "./entry-index.ts";
import type { PriceTable } from "./price-table.ts";

export interface PriceBookParts {
  catalogue: Catalogue;
  tables: readonly PriceTable[];
  /** Stand behind `tables`, where both have an equally specific entry. */
  baseTables?: readonly PriceTable[];
}

export interface PricedUsage {
  /** nano-USD, rounded up once; 0 where nothing is priced. */
  costNanoUsd: number;
  /**
   * Every token used has a price, and so has something where no tokens were used, or where the
   * model is sold by units alone.
   */
  priced: boolean;
  /** What was used and has no price: kinds of tokens, units, models. */
  unpriced: string[];
  /** The price that applied. */
  entry: PriceEntry | null;
}

export interface PriceBook {
  /** Cost of a usage that began at `timeMs` (ms since 1970). */
  price(model: string | null, provider: string | null, usage: Usage, timeMs: number): PricedUsage;
  /** The most output tokens of one choice, also of models without a price; null: not known. */
  maxOutputTokens(model: string | null, provider: string | null, timeMs: number): number | null;
  /** The price of a model, null where it is unknown. */
  find(model: string | null, provider: string | null, timeMs: number): PriceEntry | null;
  /** All prices valid at a time, tables first, as plain values. */
  list(timeMs: number): ListedPrice[];
  /** Changes whenever a price changes. */
  version: string;
}

/** A price as people read it: USD per 1M tokens and per unit, as decimals. */
export interface ListedPrice {
  match: string;
  provider: string | null;
  perMillionTokensUSD: Record<string, string>;
  contextTiers: { aboveTokens: number; perMillionTokensUSD: Record<string, string> }[];
  perUnitUSD: Record<string, string>;
  serviceTiers: Record<string, string>;
  maxOutputTokens: number | null;
  source: string | null;
  asOf: string | null;
}

/** Puts prices together. Pure; what it returns does not change. */
export function createPriceBook({ catalogue, tables, baseTables = [] }: PriceBookParts): PriceBook {
  const { entries } = new EntryIndex(tables, baseTables);
  const index = new EntryIndex(only(tables, isPrice), only(baseTables, isPrice));
  const limits = new EntryIndex(only(tables, isLimit), only(baseTables, isLimit));
  // What a table says of another provider is better than to know nothing.
  const find: PriceBook["find"] = (model, provider, timeMs) =>
    model === null
      ? null
      : (index.find(model, provider, timeMs) ??
        catalogue.find(model, provider, timeMs) ??
        index.find(model, provider, timeMs, true));
  return {
    find,
    price(model, provider, usage, timeMs) {
      return priceUsage(find, model, provider, usage, timeMs);
    },
    maxOutputTokens(model, provider, timeMs) {
      // Some providers take a name with blanks around it, and so does the catalogue.
      const entry = model === null ? null : limits.find(model.trim(), provider, timeMs, true);
      return entry?.maxOutputTokens ?? null;
    },
    list: (timeMs) =>
      [...entries.filter((entry) => isValidAt(entry, timeMs)), ...catalogue.list(timeMs)].map(
        listed,
      ),
    version: createHash("sha256")
      .update(JSON.stringify([catalogue.version, entries.map(listed), entries.map(validity)]))
      .digest("hex")
      .slice(0, 16),
  };
}

/** A price and a limit of output are looked for each by itself: an entry may have but one. */
function only(tables: readonly Entries[], wanted: (entry: PriceEntry) => boolean): Entries[] {
  return tables.map((table) => ({ entries: table.entries.filter(wanted) }));
}

function isPrice({ rates, perUnit }: PriceEntry): boolean {
  return Object.keys(rates).length > 0 || Object.keys(perUnit).length > 0;
}

function isLimit({ maxOutputTokens }: PriceEntry): boolean {
  return maxOutputTokens !== null;
}

function validity({ validFromMs, validUntilMs }: PriceEntry): (number | null)[] {
  return [validFromMs, validUntilMs];
}

function priceUsage(
  find: PriceBook["find"],
  model: string | null,
  provider: string | null,
  usage: Usage,
  timeMs: number,
): PricedUsage {
  const entry = find(model, provider, timeMs);
  const unknown = { costNanoUsd: 0, priced: false, unpriced: [model ?? ""], entry: null };
  if (entry === null) return unknown;
  const tokens = tokenCost(entry, usage.tokens, usage.serviceTier, isClaude(model));
  const units = unitCost(entry, usage.otherUnits);
  let nanoUsd = add(tokens.nanoUsd, units.nanoUsd);
  // Sold by the second or the piece: what is known of its tokens is no part of the price.
  const isByUnits = Object.keys(entry.rates).length === 0 && units.nanoUsd.n > 0n;
  const unpriced = isByUnits ? [] : [...tokens.unpriced];
  for (const line of usage.extraLines) {
    const lineEntry = find(line.model, provider, timeMs);
    const cost =
      lineEntry === null
        ? { nanoUsd: ZERO, unpriced: [line.model] }
        : tokenCost(lineEntry, line.tokens, usage.serviceTier, isClaude(line.model));
    nanoUsd = add(nanoUsd, cost.nanoUsd);
    unpriced.push(...cost.unpriced);
  }
  const costNanoUsd = roundUp(nanoUsd);
  // Units without a price make a cost incomplete; where they are all there is, it is unknown.
  const priced = unpriced.length === 0 && (units.unpriced.length === 0 || nanoUsd.n > 0n);
  return { costNanoUsd, priced, unpriced: [...unpriced, ...units.unpriced], entry };
}

function isClaude(model: string | null): boolean {
  return /claude/i.test(model ?? "");
}

/** A price as people read it. */
export function listed(entry: PriceEntry): ListedPrice {
  const rates = (of: PriceEntry["rates"]) =>
    Object.fromEntries(Object.entries(of).map(([key, rate]) => [key, usdText(rate)]));
  return {
    match: entry.match,
    provider: entry.provider,
    perMillionTokensUSD: rates(entry.rates),
    contextTiers: entry.contextTiers.map((tier) => ({
      aboveTokens: tier.aboveTokens,
      perMillionTokensUSD: rates(tier.rates),
    })),
    perUnitUSD: Object.fromEntries(
      Object.entries(entry.perUnit).map(([unit, { nanoUsd, per }]) => [
        unit,
        nanoUsd % per === 0n ? usdText(nanoUsd / per) : `${usdText(nanoUsd)} / ${per}`,
      ]),
    ),
    serviceTiers: Object.fromEntries(
      Object.entries(entry.serviceTiers).map(([tier, { digits, scale }]) => [
        tier,
        (Number(digits) / 10 ** scale).toString(),
      ]),
    ),
    maxOutputTokens: entry.maxOutputTokens,
    source: entry.source,
    asOf: entry.asOf,
  };
}
