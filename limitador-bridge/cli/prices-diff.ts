/** `tollgate prices diff`: what other prices would change. */
import { diffPrices, diffText } from "../pricing/price-diff.ts";
import { PricesError, type PricesIo } from "./prices-io.ts";
import { readPrices } from "./prices-source.ts";

/** Prints the differences. Returns 0 where there are none, else 1. */
export async function diff(args: string[], io: PricesIo): Promise<number> {
  const [before, after] = args;
  if (before === undefined || after === undefined || args.length > 2) {
    throw new PricesError(`diff: expected OLD and NEW, found ${args.length} names`);
  }
  const found = diffPrices(await readPrices(before, io), await readPrices(after, io));
  io.stdout(diffText(found));
  return found.changes.length === 0 ? 0 : 1;
}
