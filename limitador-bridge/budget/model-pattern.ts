/** Which models a modelPattern of a budget is about. */
import { matchesGlob } from "../pricing/glob.ts";

/**
 * `gpt-4o-2024-08-06`, `claude-opus-4-20250514`, `claude-opus-4@20250514`, `gpt-4-0613`,
 * `gpt-4-1106-preview`, `gemini-2.5-pro-preview-05-06`, `…-latest`.
 */
const SNAPSHOT =
  /(?:[-@](?:\d{4}-\d{2}-\d{2}|\d{8}|\d{4}|latest)(?:-preview)?|-preview-\d{2}-\d{2,4})$/i;

/**
 * Whether `model` is one that `pattern` names. Letter case does not count, nor blanks around it,
 * nor a maker before it (`openai/gpt-4o`), and a dated snapshot is its model: else a limit on
 * `gpt-4o` would be left by asking for `gpt-4o-2024-08-06`. Prices are found alike.
 */
export function matchesModel(pattern: string, model: string): boolean {
  const name = model.trim();
  const short = name.slice(name.lastIndexOf("/") + 1);
  return [name, short].some(
    (each) => matchesGlob(pattern, each) || matchesGlob(pattern, each.replace(SNAPSHOT, "")),
  );
}
