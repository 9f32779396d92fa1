/**
 * The values of YAML documents, read by js-yaml: many times faster than the parser that knows
 * positions. What it returns is what that parser reads; of all else, mistakes included, it says
 * nothing. Pure.
 */
import { CORE_SCHEMA, loadAll, mapTag } from "js-yaml";

/** Maps with texts as keys; of others the two libraries make different texts. */
const SCHEMA = CORE_SCHEMA.withTags({
  ...mapTag,
  addPair: (map, key, value) =>
    typeof key === "string" ? mapTag.addPair(map, key, value) : "the key is no text",
});

/** Where the two libraries differ, or what YAML should not do here; it finds rather too much. */
const LEFT_OUT: readonly RegExp[] = [
  // Control and format characters (tab, carriage return, byte order mark), and all odd spaces.
  /[^\n\P{C}]|[^ \P{Z}]/u,
  // Directives, end marks, and documents' marks that do not stand at a line's beginning.
  /^ *(?:%|\.\.\.)|^ +---/m,
  // Anchors, aliases and tags, wherever a value can begin.
  /(?:^|[-?:,[{]) *[&*!]/m,
  /<<|__proto__/,
  // Block scalars that say how far they are indented, or that keep the lines at their end.
  /[|>](?:-?\d|\+)/,
  // Escaped line breaks.
  /\\ *$/m,
  // Comments without a space after the #; the full parser may mistake the next line's column.
  /^ *#[^ \n]/m,
  // A comment before what ends an entry of a flow map; the full parser refuses some of them.
  /^ *#.*\n\s*[},]/m,
  // Text behind a list's item, on its line; js-yaml may take it for a key of the map around.
  /^ *(?:- +)+[[{].*[\]}] *[^\s,:#\]}]/m,
  /^ *(?:- +)+(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\n]|'')*'(?!')) *[^\s:#]/m,
  // Numbers beyond a double's range.
  /[\d.][eE][-+]?\d{3}|\d{200}/,
];

/** The documents that are not empty; null where the full parser is to read the text. */
export function readYamlValues(text: string): unknown[] | null {
  if (LEFT_OUT.some((pattern) => pattern.test(text))) return null;
  try {
    return loadAll(text, { schema: SCHEMA }).filter((value) => value !== null);
  } catch {
    // Whatever is wrong, the full parser says it, and where.
    return null;
  }
}
