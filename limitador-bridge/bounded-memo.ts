/** Remembers what was found for a text; clients choose most texts, so that it is bounded. */

const MAX_REMEMBERED = 1000;
/** Clients choose the texts: longer ones are not worth the memory. */
const MAX_TEXT_LENGTH = 512;

/**
 * A function that calls the given one once for each text, and anew where it has been asked about
 * too many others since. What is returned must not be changed.
 */
export function boundedMemo<T>(of: (text: string) => T): (text: string) => T {
  const known = new Map<string, T>();
  return (text) => {
    if (text.length > MAX_TEXT_LENGTH) return of(text);
    return remembered(known, MAX_REMEMBERED, text, () => of(text));
  };
}

/**
 * What is known for a key, or else what `find` returns, which is known from then on. With `most`
 * known already all is forgotten before. What is found is never undefined.
 */
export function remembered<T>(known: Map<string, T>, most: number, key: string, find: () => T): T {
  const before = known.get(key);
  if (before !== undefined) return before;
  const found = find();
  if (known.size >= most) known.clear();
  known.set(key, found);
  return found;
}
