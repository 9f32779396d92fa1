/** Finds the entry of price tables that counts for a model. */
import { remembered } from "../bounded-memo.ts";
import { addTo } from "../multi-map.ts";
import type { PriceEntry } from "./entry.ts";
import { isGlob, matchesGlob, specificity } from "./glob.ts";

const MAX_MODELS = 1_000;

/** Entries of one place, such as a price table. */
export interface Entries {
  entries: readonly PriceEntry[];
}

/** An entry, and how near its table is to those who wrote it: a higher layer wins. */
interface Layered {
  entry: PriceEntry;
  layer: number;
}

/**
 * Of several entries that match, these count in turn: the more specific match, not for another
 * provider, the higher layer, for this very provider, valid since later, later in the files.
 */
export class EntryIndex {
  /** All, the highest layer first. */
  readonly entries: readonly PriceEntry[];
  /** Names without a `*`, of which imported tables have thousands, in lower case. */
  readonly #named = new Map<string, Layered[]>();
  readonly #globs: Layered[] = [];
  /** Entries of any time by model, for models that were looked for. */
  readonly #matching = new Map<string, readonly Layered[]>();

  constructor(tables: readonly Entries[], baseTables: readonly Entries[]) {
    const layered = [baseTables, tables].flatMap((list, layer) =>
      list.flatMap((table) => table.entries.map((entry) => ({ entry, layer }))),
    );
    this.entries = layered.toSorted((a, b) => b.layer - a.layer).map(({ entry }) => entry);
    for (const each of layered) this.#add(each);
  }

  #add(each: Layered): void {
    const { match } = each.entry;
    if (isGlob(match)) {
      this.#globs.push(each);
      return;
    }
    addTo(this.#named, match.toLowerCase(), each);
  }

  /**
   * The entry for a model at a time (ms since 1970); null where none matches. An entry of another
   * provider is none, unless nobody knows who served or `others` are asked for.
   */
  find(
    model: string,
    provider: string | null,
    timeMs: number,
    others = provider === null,
  ): PriceEntry | null {
    let best: Layered | null = null;
    for (const each of this.#matches(model)) {
      if (!isValidAt(each.entry, timeMs)) continue;
      const of = each.entry.provider;
      if (!others && of !== null && of !== provider) continue;
      if (best === null || !isBefore(rank(best, provider), rank(each, provider))) best = each;
    }
    return best?.entry ?? null;
  }

  #matches(model: string): readonly Layered[] {
    return remembered(this.#matching, MAX_MODELS, model, () => [
      ...(this.#named.get(model.toLowerCase()) ?? []),
      ...this.#globs.filter(({ entry }) => matchesGlob(entry.match, model)),
    ]);
  }
}

/** Whether an entry is in force at a time. */
export function isValidAt({ validFromMs, validUntilMs }: PriceEntry, timeMs: number): boolean {
  return (
    (validFromMs === null || timeMs >= validFromMs) &&
    (validUntilMs === null || timeMs < validUntilMs)
  );
}

function rank({ entry, layer }: Layered, provider: string | null): number[] {
  return [
    specificity(entry.match),
    entry.provider === null || entry.provider === provider ? 1 : 0,
    layer,
    entry.provider === provider ? 1 : 0,
    entry.validFromMs ?? Number.NEGATIVE_INFINITY,
  ];
}

/** Whether the first rank is higher; of equal ones the later entry wins. */
function isBefore(a: number[], b: number[]): boolean {
  const at = a.findIndex((value, index) => value !== b[index]);
  return at >= 0 && (a[at] ?? 0) > (b[at] ?? 0);
}
