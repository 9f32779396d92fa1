/** Remembers what a pure function of a text returned. */

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
    if (known.has(text)) return known.get(text) as T;
    const found = of(text);
    if (known.size >= MAX_REMEMBERED) known.clear();
    known.set(text, found);
    return found;
  };
}
