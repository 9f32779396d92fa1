/**
 * Adds up what is told of every request, so that the series of Prometheus, whose labels take far
 * longer to look up than a sum, are touched only when somebody reads them.
 */

/** Clients choose models and more: beyond so many entries they are handed on before. */
const MAX_ENTRIES = 1000;

export interface Tally<T> {
  /** The entry of these labels, to be added to; made where there is none. */
  of(labels: readonly (string | null)[]): T;
  /** Hands on what was added up, in the order in which it began, and begins anew. */
  flush(): void;
}

/**
 * @param make a new entry, with nothing added
 * @param hand takes an entry with its labels
 */
export function createTally<T>(
  make: () => T,
  hand: (labels: readonly (string | null)[], entry: T) => void,
): Tally<T> {
  const entries = new Map<string, { labels: readonly (string | null)[]; entry: T }>();
  const flush = () => {
    for (const { labels, entry } of entries.values()) hand(labels, entry);
    entries.clear();
  };
  return {
    of(labels) {
      const key = JSON.stringify(labels);
      const known = entries.get(key);
      if (known !== undefined) return known.entry;
      if (entries.size >= MAX_ENTRIES) flush();
      const entry = make();
      entries.set(key, { labels, entry });
      return entry;
    },
    flush,
  };
}
