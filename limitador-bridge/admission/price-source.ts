/** Prices from the catalogue and from the price tables among the policies. */

import type { PolicyKind } from "../policy/kinds/kind.ts";
import { POLICY_KINDS } from "../policy/kinds/registry.ts";
import type { LoadedPolicies } from "../policy/load.ts";
import type { Catalogue } from "../pricing/catalogue.ts";
import { createPriceBook } from "../pricing/price-book.ts";
import { compilePriceTable, type PriceTable } from "../pricing/price-table.ts";
import type { Prices } from "./ports.ts";

const PRICE_TABLE = "PriceTable";

/** The kinds of a policy folder, price tables compiled: a broken one is its file's problem. */
export const SERVICE_KINDS: readonly PolicyKind[] = POLICY_KINDS.map((kind) =>
  kind.kind === PRICE_TABLE ? compiled(kind) : kind,
);

function compiled(kind: PolicyKind): PolicyKind<PriceTable> {
  return {
    ...kind,
    load(document) {
      const { table, problems } = compilePriceTable(document.value);
      return {
        object: table,
        problems: problems.map(({ path, message }) => document.problem(path, message)),
      };
    },
  };
}

/** The prices in force, of policies that were loaded with SERVICE_KINDS. */
export function createPrices(catalogue: Catalogue, loaded: LoadedPolicies): Prices {
  const tables = loaded.documents.flatMap(({ kind, object }) =>
    kind?.kind === PRICE_TABLE ? [object as PriceTable] : [],
  );
  const book = createPriceBook({ catalogue, tables });
  return {
    cost: (usage, timeMs) => book.price(usage.model, usage.provider, usage, timeMs),
    maxOutputTokens: (model, timeMs) => book.maxOutputTokens(model, null, timeMs),
    describe: (timeMs) => ({
      version: book.version,
      catalogue: { name: "@pydantic/genai-prices", version: catalogue.version },
      tables: tables.map(({ name }) => name),
      prices: book.list(timeMs),
    }),
  };
}
