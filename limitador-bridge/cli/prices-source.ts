/** Prices from what a command names: the catalogue, a PriceTable file or a LiteLLM JSON. */
import { PRICE_KINDS } from "../admission/price-source.ts";
import { problemText } from "../policy/load.ts";
import { parsePolicyFile } from "../policy/policy-file.ts";
import { loadCatalogue } from "../pricing/catalogue.ts";
import { parseExactJson } from "../pricing/exact-json.ts";
import { importLiteLlm, isLiteLlm, type LiteLlmImport } from "../pricing/litellm.ts";
import { type ListedPrice, listed } from "../pricing/price-book.ts";
import { compilePriceTable, type PriceTable } from "../pricing/price-table.ts";
import { priceTableText } from "../pricing/price-table-text.ts";
import { PricesError, type PricesIo, readText } from "./prices-io.ts";

const CATALOGUE = "catalogue";
export const LITELLM_FILE = "LiteLLM's model_prices_and_context_window.json";

/** Reads prices. @throws PricesError */
export async function readPrices(name: string, io: PricesIo): Promise<ListedPrice[]> {
  const nowMs = io.nowMs();
  if (name === CATALOGUE) return (await loadCatalogue()).list(nowMs).map(listed);
  const text = await readText(io, name);
  const isJson = text.trimStart().startsWith("{");
  const imported = isJson ? liteLlmOf(name, text) : null;
  if (imported !== null) return tableOf(importedText(imported, nowMs)).flatMap(listedEntries);
  return tablesOf(name, text).flatMap(listedEntries);
}

function listedEntries({ entries }: PriceTable): ListedPrice[] {
  return entries.map(listed);
}

/** What a LiteLLM JSON says; null where the JSON is something else. @throws PricesError */
export function liteLlmOf(file: string, text: string): LiteLlmImport | null {
  let value: unknown;
  try {
    value = parseExactJson(text);
  } catch (error) {
    throw new PricesError(`${file}: no JSON: ${(error as Error).message}`);
  }
  return isLiteLlm(value) ? importLiteLlm(value) : null;
}

/** The PriceTable of an import. */
export function importedText({ models }: LiteLlmImport, nowMs: number): string {
  const asOf = new Date(nowMs).toISOString().slice(0, 10);
  return priceTableText({ name: "litellm", source: LITELLM_FILE, asOf }, models);
}

/** A table that we wrote ourselves. Throws an Error where it would not be accepted. */
export function tableOf(text: string): PriceTable[] {
  return tablesOf("the imported table", text);
}

function tablesOf(file: string, text: string): PriceTable[] {
  const { documents, problems } = parsePolicyFile(file, text, PRICE_KINDS);
  if (problems.length > 0) throw new PricesError(problems.map(problemText).join("\n"));
  const tables = documents.flatMap(({ source }) => compilePriceTable(source.value).table ?? []);
  if (tables.length === 0) {
    throw new PricesError(`${file}: expected a PriceTable or ${LITELLM_FILE}, found neither`);
  }
  return tables;
}
