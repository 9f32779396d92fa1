/** PriceTable documents (tollgate.dev/v1alpha1): checked as a whole, compiled into entries. */
import { valueAt } from "../usage/figures.ts";
import { exactNanoUsd, MAX_PRICE_USD, parseDecimal } from "./decimal.ts";
import { type PriceEntry, RATE_KEYS, type Rates, unitName } from "./entry.ts";
import { FieldReader, type Path, type TableProblem } from "./field-reader.ts";

export type { TableProblem } from "./field-reader.ts";

export interface PriceTable {
  name: string;
  entries: PriceEntry[];
}

const API_VERSION = "tollgate.dev/v1alpha1";
const KIND = "PriceTable";
const MODEL_KEYS = [
  "match",
  "provider",
  "perMillionTokensUSD",
  "contextTiers",
  "serviceTiers",
  "perUnitUSD",
  "validFrom",
  "validUntil",
  "maxOutputTokens",
  "source",
  "asOf",
];
/** An entry says at least one of these. */
const ENTRY_KEYS = ["perMillionTokensUSD", "perUnitUSD", "maxOutputTokens"];
const PRICE = `a price in USD from 0 to ${MAX_PRICE_USD} with at most 9 decimals`;
const FACTOR = "a factor from 0 to 1000 with at most 9 decimals";
const MAX_FACTOR = 1000;
const MAX_DECIMALS = 9;
const DATE = /^\d{4}-\d{2}-\d{2}$/;
const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})$/;

/**
 * Compiles a PriceTable from its plain value. With any problem there is no table; the problems
 * carry the way to the field, so that whoever has the file can tell line and column.
 */
export function compilePriceTable(value: unknown): {
  table: PriceTable | null;
  problems: TableProblem[];
} {
  const reader = new FieldReader();
  const root = reader.map(value, [], ["apiVersion", "kind", "metadata", "spec", "status"]);
  reader.constant(root?.apiVersion, ["apiVersion"], API_VERSION);
  reader.constant(root?.kind, ["kind"], KIND);
  const metadata = reader.map(root?.metadata, ["metadata"], null);
  const name = reader.text(metadata?.name, ["metadata", "name"]);
  const spec = reader.map(root?.spec, ["spec"], ["models"]);
  const models = reader.list(spec?.models, ["spec", "models"]);
  const entries = models.map((model, index) => readModel(reader, model, ["spec", "models", index]));
  findDuplicates(reader, entries);
  const { problems } = reader;
  if (problems.length > 0 || name === null) return { table: null, problems };
  return { table: { name, entries }, problems };
}

function readModel(reader: FieldReader, value: unknown, path: Path): PriceEntry {
  const model = reader.map(value, path, MODEL_KEYS);
  const at = (key: string) => [...path, key];
  const field = (key: string) => model?.[key] ?? undefined;
  const rates = readRates(reader, field("perMillionTokensUSD"), at("perMillionTokensUSD"));
  const perUnit = readUnits(reader, field("perUnitUSD"), at("perUnitUSD"));
  const maxOutputTokens = reader.optionalCount(field("maxOutputTokens"), at("maxOutputTokens"));
  const isEmpty = ENTRY_KEYS.every((key) => field(key) === undefined);
  if (model !== null && isEmpty) {
    reader.problem(path, `expected one of ${ENTRY_KEYS.join(", ")}, found none`);
  }
  if (rates !== null && valueAt(model, "perMillionTokensUSD.input") === undefined) {
    reader.problem(at("perMillionTokensUSD"), "expected a price for input, found none");
  }
  const validFromMs = readTime(reader, field("validFrom"), at("validFrom"));
  const validUntilMs = readTime(reader, field("validUntil"), at("validUntil"));
  if (validFromMs !== null && validUntilMs !== null && validUntilMs <= validFromMs) {
    reader.problem(at("validUntil"), "expected a time after validFrom");
  }
  const asOf = reader.optionalText(field("asOf"), at("asOf"));
  if (asOf !== null && !isDate(asOf)) reader.expected(at("asOf"), "a date (YYYY-MM-DD)", asOf);
  return {
    match: reader.text(model?.match, at("match")) ?? "",
    provider: reader.optionalText(field("provider"), at("provider")),
    rates: rates ?? {},
    contextTiers: readTiers(reader, field("contextTiers"), at("contextTiers"), rates ?? {}),
    serviceTiers: readFactors(reader, field("serviceTiers"), at("serviceTiers")),
    perUnit: perUnit ?? {},
    validFromMs,
    validUntilMs,
    maxOutputTokens,
    source: reader.optionalText(field("source"), at("source")),
    asOf,
  };
}

function readRates(reader: FieldReader, value: unknown, path: Path): Rates | null {
  if (value === undefined) return null;
  const map = reader.map(value, path, RATE_KEYS);
  const rates: Rates = {};
  for (const key of RATE_KEYS) {
    if (map === null || !Object.hasOwn(map, key)) continue;
    const nanoUsd = readPrice(reader, map[key], [...path, key]);
    if (nanoUsd !== null) rates[key] = nanoUsd;
  }
  return rates;
}

function readPrice(reader: FieldReader, value: unknown, path: Path): bigint | null {
  const isNumber = typeof value === "number" || typeof value === "string";
  const nanoUsd = isNumber ? exactNanoUsd(value) : null;
  if (nanoUsd === null) reader.expected(path, PRICE, value);
  return nanoUsd;
}

function readTiers(
  reader: FieldReader,
  value: unknown,
  path: Path,
  base: Rates,
): PriceEntry["contextTiers"] {
  if (value === undefined) return [];
  let former = 0;
  return reader.list(value, path).map((item, index) => {
    const at = [...path, index];
    const tier = reader.map(item, at, ["aboveTokens", "perMillionTokensUSD"]);
    const aboveTokens = reader.count(tier?.aboveTokens, [...at, "aboveTokens"]) ?? former + 1;
    if (aboveTokens <= former && index > 0) {
      reader.problem([...at, "aboveTokens"], "expected more than in the tier before");
    }
    former = aboveTokens;
    const own = readRates(reader, tier?.perMillionTokensUSD ?? {}, [...at, "perMillionTokensUSD"]);
    return { aboveTokens, rates: { ...base, ...own } };
  });
}

function readFactors(reader: FieldReader, value: unknown, path: Path): PriceEntry["serviceTiers"] {
  if (value === undefined) return {};
  const factors: PriceEntry["serviceTiers"] = {};
  for (const [tier, factor] of Object.entries(reader.map(value, path, null) ?? {})) {
    const isNumber = typeof factor === "number" || typeof factor === "string";
    const decimal = isNumber ? parseDecimal(factor) : null;
    const fits = decimal !== null && decimal.scale <= MAX_DECIMALS && Number(factor) <= MAX_FACTOR;
    if (fits) factors[tier.toLowerCase()] = decimal;
    else reader.expected([...path, tier], FACTOR, factor);
  }
  return factors;
}

function readUnits(reader: FieldReader, value: unknown, path: Path): PriceEntry["perUnit"] | null {
  if (value === undefined) return null;
  const units: PriceEntry["perUnit"] = {};
  for (const [unit, price] of Object.entries(reader.map(value, path, null) ?? {})) {
    const nanoUsd = readPrice(reader, price, [...path, unit]);
    if (nanoUsd !== null) units[unitName(unit)] = { nanoUsd, per: 1n };
  }
  return units;
}

function readTime(reader: FieldReader, value: unknown, path: Path): number | null {
  const text = reader.optionalText(value, path);
  if (text === null) return null;
  const known = isDate(text) || (TIME.test(text) && !Number.isNaN(Date.parse(text)));
  if (known) return Date.parse(text);
  reader.expected(path, "a date (YYYY-MM-DD, UTC) or a time with its zone", text);
  return null;
}

function isDate(text: string): boolean {
  const ms = DATE.test(text) ? Date.parse(text) : Number.NaN;
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(text);
}

/** Two prices for the same at the same time: nobody could say which counts. */
function findDuplicates(reader: FieldReader, entries: PriceEntry[]): void {
  const seen = new Map<string, number>();
  entries.forEach(({ match, provider, validFromMs }, index) => {
    const key = JSON.stringify([match.toLowerCase(), provider, validFromMs]);
    const first = seen.get(key);
    if (first === undefined) seen.set(key, index);
    else if (match !== "") {
      reader.problem(
        ["spec", "models", index, "match"],
        `the same match, provider and validFrom as spec.models[${first}]`,
      );
    }
  });
}
