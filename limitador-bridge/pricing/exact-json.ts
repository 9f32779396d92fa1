/** JSON whose numbers are kept as they are written: prices do not go through binary fractions. */

/** A string, skipped as a whole, or a number (RFC 8259 sections 6 and 7). */
const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/**
 * Parses JSON; every number becomes the string that it is written as.
 * @throws SyntaxError as JSON.parse does
 */
export function parseExactJson(text: string): unknown {
  // With its numbers quoted, wrong JSON could become right, and places in messages would be off.
  JSON.parse(text);
  return JSON.parse(text.replace(TOKENS, (token) => (token[0] === '"' ? token : `"${token}"`)));
}
