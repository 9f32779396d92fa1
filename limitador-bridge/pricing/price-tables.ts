/** The prices in force, from the PriceTable documents among the policies and the catalogue. */
import type { Prices } from "../admission/ports.ts";
import { documentsOfKind, type LoadedPolicies, problemText } from "../policy/load.ts";
import { type Catalogue, loadCatalogue } from "./catalogue.ts";
import { createPriceBook, type PriceBook } from "./price-book.ts";
import { compilePriceTable } from "./price-table.ts";

export interface MadePrices {
  prices: Prices;
  /** What is wrong with tables, with file, line and field; those tables are not in force. */
  problems: string[];
}

/** The package has its data in memory: this waits for nothing. */
const defaultCatalogue = await loadCatalogue();

export interface PricesParts {
  catalogue: Catalogue;
  nowMs: () => number;
}

/** Makes prices of what was loaded. A table with any problem is left out as a whole. */
export function makePrices(
  loaded: LoadedPolicies,
  { catalogue, nowMs }: PricesParts = { catalogue: defaultCatalogue, nowMs: Date.now },
): MadePrices {
  const compiled = documentsOfKind(loaded, "PriceTable").map((document) => ({
    document,
    ...compilePriceTable(document.value),
  }));
  const tables = compiled.flatMap(({ table }) => (table === null ? [] : [table]));
  const problems = compiled.flatMap(({ document, problems: found }) =>
    found.map(({ path, message }) => problemText(document.problem(path, message))),
  );
  return { prices: pricesOf(createPriceBook({ catalogue, tables }), nowMs), problems };
}

function pricesOf(book: PriceBook, nowMs: () => number): Prices {
  return {
    cost(usage, timeMs) {
      const { costNanoUsd, priced } = book.price(usage.model, usage.provider, usage, timeMs);
      return { costNanoUsd, priced };
    },
    // The request is yet to come: what the limit is does not depend on the provider.
    maxOutputTokens: (model) => book.maxOutputTokens(model, null, nowMs()),
    describe: () => ({ version: book.version, models: book.list(nowMs()) }),
  };
}
