/**
 * Adds up what is told of every request, so that the series of Prometheus, whose labels take far
 * longer to look up than a sum, are touched only when somebody reads them.
 */

/** Clients choose models and more: beyond so many entries they are handed on before. */
const MAX_ENTRIES = 1000;

type Label = string | null;

export interface Tally<T> {
  /** The entry of these labels, always as many, to be added to; made where there is none. */
  of(labels: readonly Label[]): T;
  /** Hands on what was added up, in the order in which it began, and begins anew. */
  flush(): void;
}

/** By the first label; what is behind the last one is the entry. */
type Branch<T> = Map<Label, Branch<T> | T>;

/**
 * @param make a new entry, with nothing added
 * @param hand takes an entry with its labels
 */
export function createTally<T extends object>(
  make: () => T,
  hand: (labels: readonly Label[], entry: T) => void,
): Tally<T> {
  const root: Branch<T> = new Map();
  const entries: { labels: readonly Label[]; entry: T }[] = [];
  const flush = () => {
    root.clear();
    for (const { labels, entry } of entries.splice(0)) hand(labels, entry);
  };
  const begin = (labels: readonly Label[]): T => {
    if (entries.length >= MAX_ENTRIES) flush();
    const entry = make();
    entries.push({ labels, entry });
    let branch = root;
    for (const label of labels.slice(0, -1)) {
      let next = branch.get(label) as Branch<T> | undefined;
      if (next === undefined) {
        next = new Map();
        branch.set(label, next);
      }
      branch = next;
    }
    branch.set(labels.at(-1) ?? null, entry);
    return entry;
  };
  return {
    of(labels) {
      let found: Branch<T> | T | undefined = root;
      // A key of all labels together would be made anew for each request.
      for (const label of labels) found = (found as Branch<T> | undefined)?.get(label);
      return (found as T | undefined) ?? begin(labels);
    },
    flush,
  };
}
