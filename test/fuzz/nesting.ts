/** The deepest nesting of brackets outside of strings. */
export function nesting(bytes: Buffer): number {
  const text = bytes.toString("latin1").replace(/"(?:[^"\\]|\\.)*"/gs, "");
  let depth = 0;
  let deepest = 0;
  for (const character of text) {
    if (character === "[" || character === "{") deepest = Math.max(deepest, ++depth);
    else if (character === "]" || character === "}") depth--;
  }
  return deepest;
}
