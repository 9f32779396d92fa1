/** Prices from the catalogue, from the price tables of PRICES and from those among the policies. */
import type { PolicyKind } from "../policy/kinds/kind.ts";
import { POLICY_KINDS } from "../policy/kinds/registry.ts";
import type { LoadedPolicies } from "../policy/load.ts";
import type { Catalogue } from "../pricing/catalogue.ts";
import { dearestOutput } from "../pricing/cost.ts";
import { createPriceBook, type PriceBook } from "../pricing/price-book.ts";
import { compilePriceTable, type PriceTable } from "../pricing/price-table.ts";
import type { Prices } from "./ports.ts";

const PRICE_TABLE = "PriceTable";

/** The kinds of a policy folder, price tables compiled: a broken one is its file's problem. */
export const SERVICE_KINDS: readonly PolicyKind[] = POLICY_KINDS.map((kind) =>
  kind.kind === PRICE_TABLE ? compiled(kind) : kind,
);

/** The kinds of a folder of prices: a policy that lies there would not be enforced. */
export const PRICE_KINDS: readonly PolicyKind[] = POLICY_KINDS.map((kind) =>
  kind.kind === PRICE_TABLE ? compiled(kind) : misplaced(kind),
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

function misplaced(kind: PolicyKind): PolicyKind {
  const message = `expected ${PRICE_TABLE}, found ${kind.kind}: that belongs into POLICIES`;
  return {
    ...kind,
    load: (document) => ({ object: null, problems: [document.problem(["kind"], message)] }),
  };
}

/** Where price tables come from; `prices` is null where there is no folder of prices. */
export interface PriceSources {
  catalogue: Catalogue;
  /** Loaded with SERVICE_KINDS. */
  policies: LoadedPolicies;
  /** Loaded with PRICE_KINDS. */
  prices: LoadedPolicies | null;
}

/** The book of all prices in force. */
export function createBook({ catalogue, policies, prices }: PriceSources): PriceBook {
  return createPriceBook({
    catalogue,
    tables: tablesOf(policies),
    baseTables: prices === null ? [] : tablesOf(prices),
  });
}

function tablesOf(loaded: LoadedPolicies): PriceTable[] {
  return loaded.documents.flatMap(({ kind, object }) =>
    kind?.kind === PRICE_TABLE && object !== null ? [object as PriceTable] : [],
  );
}

/** The prices in force. */
export function createPrices(sources: PriceSources): Prices {
  const book = createBook(sources);
  const { catalogue } = sources;
  return {
    cost: (usage, timeMs) => book.price(usage.model, usage.provider, usage, timeMs),
    maxOutputTokens: (model, timeMs, provider = null) =>
      book.maxOutputTokens(model, provider, timeMs),
    priceOf: (model, timeMs, provider = null) => book.find(model, provider, timeMs),
    dearestOutput: (model, timeMs, provider, inputTokens) => {
      const entry = book.find(model, provider, timeMs);
      return entry === null ? "outputText" : dearestOutput(entry, inputTokens);
    },
    describe: (timeMs) => ({
      version: book.version,
      catalogue: { name: "@pydantic/genai-prices", version: catalogue.version },
      tables: describeTables(sources),
      prices: book.list(timeMs),
    }),
  };
}

/** Every table with where it lies and what is wrong with its newest version. */
function describeTables({ policies, prices }: PriceSources): Record<string, unknown>[] {
  const inPolicies = policies.set.status().filter(({ kind }) => kind === PRICE_TABLE);
  const inPrices = prices === null ? [] : prices.set.status().filter(({ ignored }) => !ignored);
  const told = (from: string) => (status: (typeof inPolicies)[number]) => {
    const { name, file, accepted, inForce = false, problems } = status;
    return { name, file, from, accepted, inForce, problems };
  };
  return [...inPolicies.map(told("POLICIES")), ...inPrices.map(told("PRICES"))];
}
