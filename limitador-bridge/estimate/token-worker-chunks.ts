/** Text in pieces that a tokenizer gets through quickly. Pure. */

/**
 * Byte-pair merging takes the square of a piece's length, and a tokenizer's pieces end at the edge
 * of words: 32 kB without one take seconds. What is longer than any word is cut here, which adds
 * at most a token for each cut.
 */
const MAX_RUN_CHARS = 256;
const LONG_RUN = new RegExp(`\\S{${MAX_RUN_CHARS + 1},}|\\s{${MAX_RUN_CHARS + 1},}`, "g");

/** The same text in pieces, cut inside of long runs and nowhere else. */
export function chunksOf(text: string): string[] {
  const chunks: string[] = [];
  let copied = 0;
  for (const { 0: run, index } of text.matchAll(LONG_RUN)) {
    let from = index;
    while (index + run.length - from > MAX_RUN_CHARS) {
      const end = characterEnd(text, from + MAX_RUN_CHARS);
      chunks.push(text.slice(copied, end));
      copied = end;
      from = end;
    }
  }
  if (copied < text.length) chunks.push(text.slice(copied));
  return chunks;
}

/** `at`, or one further where that is within a surrogate pair. */
function characterEnd(text: string, at: number): number {
  const code = text.charCodeAt(at);
  return code >= 0xdc00 && code <= 0xdfff ? at + 1 : at;
}
