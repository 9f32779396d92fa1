/** What another set of prices would change, model by model and kind by kind. Pure. */
import { canonicalProvider } from "./catalogue-match.ts";
import type { ListedPrice } from "./price-book.ts";

export interface KindChange {
  /** e.g. input, "output above 200000 tokens", "web_search_requests each". */
  kind: string;
  /** null: not there. */
  from: string | null;
  to: string | null;
}

export type PriceChange =
  | { change: "added" | "removed"; provider: string; match: string; prices: [string, string][] }
  | { change: "changed"; provider: string; match: string; kinds: KindChange[] };

export interface PriceDiff {
  /** By provider and model. */
  changes: PriceChange[];
  same: number;
}

const ANY_PROVIDER = "(any)";

interface Priced {
  provider: string;
  match: string;
  prices: Map<string, string>;
}

/** Compares the prices that are valid at one time. */
export function diffPrices(
  before: readonly ListedPrice[],
  after: readonly ListedPrice[],
): PriceDiff {
  const old = byModel(before);
  const now = byModel(after);
  const keys = [...new Set([...old.keys(), ...now.keys()])].sort();
  const changes = keys.flatMap((key) => changeOf(old.get(key), now.get(key)) ?? []);
  return { changes, same: keys.length - changes.length };
}

function changeOf(old: Priced | undefined, now: Priced | undefined): PriceChange | null {
  if (old === undefined) return now === undefined ? null : alone("added", now);
  if (now === undefined) return alone("removed", old);
  const kinds = [...new Set([...old.prices.keys(), ...now.prices.keys()])].flatMap((kind) => {
    const from = old.prices.get(kind) ?? null;
    const to = now.prices.get(kind) ?? null;
    return from === to ? [] : [{ kind, from, to }];
  });
  if (kinds.length === 0) return null;
  return { change: "changed", provider: now.provider, match: now.match, kinds };
}

function alone(change: "added" | "removed", { provider, match, prices }: Priced): PriceChange {
  return { change, provider, match, prices: [...prices] };
}

/** Of two entries for one model the first counts, as in a list of prices in force. */
function byModel(list: readonly ListedPrice[]): Map<string, Priced> {
  const models = new Map<string, Priced>();
  for (const price of list) {
    const provider = price.provider === null ? ANY_PROVIDER : canonicalProvider(price.provider);
    const key = `${provider}\n${price.match.toLowerCase()}`;
    if (!models.has(key)) {
      models.set(key, { provider, match: price.match, prices: new Map(kindsOf(price)) });
    }
  }
  return models;
}

/** Every figure of a price by its kind, in a form that people read. */
export function kindsOf(price: ListedPrice): [kind: string, text: string][] {
  const { maxOutputTokens } = price;
  return [
    ...Object.entries(price.perMillionTokensUSD),
    ...price.contextTiers.flatMap(({ aboveTokens, perMillionTokensUSD }) =>
      Object.entries(perMillionTokensUSD).map(([kind, usd]): [string, string] => [
        `${kind} above ${aboveTokens} tokens`,
        usd,
      ]),
    ),
    ...named(price.perUnitUSD, (unit) => `${unit} each`),
    ...named(price.serviceTiers, (tier) => `${tier} factor`),
    ...(maxOutputTokens === null
      ? []
      : [["max output tokens", String(maxOutputTokens)] as [string, string]]),
  ];
}

function named(map: Record<string, string>, name: (key: string) => string): [string, string][] {
  return Object.entries(map).map(([key, value]) => [name(key), value]);
}

/** The difference as people read it, one line for each figure and a last line with counts. */
export function diffText({ changes, same }: PriceDiff): string {
  const lines = changes.flatMap((change) => {
    const head = `${change.change} ${change.provider} ${change.match}`;
    if (change.change !== "changed") {
      return [`${head}: ${change.prices.map(([kind, text]) => `${kind} ${text}`).join(", ")}`];
    }
    return [head, ...change.kinds.map((kind) => `  ${kindText(kind)}`)];
  });
  const count = (what: PriceChange["change"]) =>
    changes.filter(({ change }) => change === what).length;
  const counts =
    `${count("added")} added, ${count("removed")} removed, ` +
    `${count("changed")} changed, ${same} the same`;
  return `${[...lines, counts].join("\n")}\n`;
}

function kindText({ kind, from, to }: KindChange): string {
  return `${kind} ${from ?? "none"} → ${to ?? "none"}${percentText(from, to)}`;
}

/** " (+12.5%)"; nothing where there is no number to compare with. */
function percentText(from: string | null, to: string | null): string {
  const [old, now] = [Number(from ?? Number.NaN), Number(to ?? Number.NaN)];
  if (!(old > 0) || !(now >= 0)) return "";
  const percent = Math.round((now / old - 1) * 1000) / 10;
  return ` (${percent > 0 ? "+" : ""}${percent}%)`;
}
