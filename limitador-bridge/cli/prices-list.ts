/** `tollgate prices list`: the prices that the service would have in force. */
import { createBook, PRICE_KINDS, SERVICE_KINDS } from "../admission/price-source.ts";
import { pricesFolder } from "../config.ts";
import type { PolicyKind } from "../policy/kinds/kind.ts";
import { type LoadedPolicies, loadPolicies, loadPolicyTexts, problemText } from "../policy/load.ts";
import { loadCatalogue } from "../pricing/catalogue.ts";
import { type ListedPrice, listed, type PriceBook } from "../pricing/price-book.ts";
import { kindsOf } from "../pricing/price-diff.ts";
import { PricesError, type PricesIo } from "./prices-io.ts";

/** Prints all prices, or a model's; 1 where the model has none. */
export async function list(args: string[], io: PricesIo): Promise<number> {
  const [model] = args;
  if (args.length > 1) throw new PricesError(`list: expected one MODEL, found ${args.length}`);
  if (model?.startsWith("--")) throw new PricesError(`list: expected a MODEL, found ${model}`);
  const book = await bookOf(io.env);
  const atMs = io.nowMs();
  if (model === undefined) {
    io.stdout(book.list(atMs).map(lineOf).join(""));
    return 0;
  }
  const found = pricesOf(book, model, atMs);
  if (found.length === 0) {
    io.stderr(`${model}: no price is known\n`);
    return 1;
  }
  io.stdout(found.map(lineOf).join(""));
  return 0;
}

/** The price whoever serves the model; where that depends on who does, each of them. */
function pricesOf(book: PriceBook, model: string, atMs: number): ListedPrice[] {
  const entry = book.find(model, null, atMs);
  if (entry !== null) return [listed(entry)];
  return book.list(atMs).filter(({ match }) => match.toLowerCase() === model.toLowerCase());
}

async function bookOf(env: NodeJS.ProcessEnv): Promise<PriceBook> {
  const prices = pricesFolder(env);
  return createBook({
    catalogue: await loadCatalogue(),
    policies: env.POLICIES ? await load(env.POLICIES, SERVICE_KINDS) : loadPolicyTexts(new Map()),
    prices: prices === null ? null : await load(prices, PRICE_KINDS),
  });
}

async function load(dir: string, kinds: readonly PolicyKind[]): Promise<LoadedPolicies> {
  const loaded = await loadPolicies(dir, { kinds });
  if (loaded.problems.length > 0) {
    throw new PricesError(loaded.problems.map(problemText).join("\n"));
  }
  return loaded;
}

/** One price on one line: provider, model, figures, where they were read. */
function lineOf(price: ListedPrice): string {
  const { provider, match, source, asOf } = price;
  const figures = kindsOf(price)
    .map(([kind, text]) => `${kind} ${text}`)
    .join(", ");
  const read = source === null ? "" : ` [${source}${asOf === null ? "" : `, ${asOf}`}]`;
  return `${provider ?? "(any)"} ${match}: ${figures || "no price"}${read}\n`;
}
