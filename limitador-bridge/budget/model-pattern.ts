/** Which models a modelPattern of a budget is about. */
import { boundedMemo } from "../bounded-memo.ts";
import { matchesGlob } from "../pricing/glob.ts";
import { decodedModel } from "../usage/interpret.ts";

/**
 * `gpt-4o-2024-08-06`, `claude-opus-4-20250514`, `claude-opus-4@20250514`, `gpt-4-0613`,
 * `gpt-4-1106-preview`, `gemini-2.5-pro-preview-05-06`, `…-latest`.
 */
const SNAPSHOT =
  /(?:[-@](?:\d{4}-\d{2}-\d{2}|\d{8}|\d{4}|latest)(?:-preview)?|-preview-\d{2}-\d{2,4})$/i;

/** Bedrock's `anthropic.`, also of an inference profile: `us.anthropic.`. */
const BEDROCK_MAKER =
  /^(?:(?:us-gov|us|eu|apac|ap|ca|sa|jp|au|global)\.)?[a-z][a-z0-9]*\.(?=[a-z])/i;
/** Bedrock's `-v1:0`, and `:0` alone. */
const BEDROCK_VERSION = /(?:-v\d+)?(?::\w+)+$|-v\d+$/i;

/**
 * Whether `model` is one that `pattern` names. Letter case does not count, nor blanks around it,
 * nor a maker before it (`openai/gpt-4o`, `us.anthropic.claude-opus-4-20250514-v1:0`), and a dated
 * snapshot is its model: else a limit on `gpt-4o` would be left by asking for `gpt-4o-2024-08-06`.
 * Prices are found alike.
 */
export function matchesModel(pattern: string, model: string): boolean {
  return namesOf(model).some((name) => matchesGlob(pattern, name));
}

/** All names that a model goes by. A path has it percent-encoded. */
const namesOf = boundedMemo((model): readonly string[] => {
  const name = (decodedModel(model) ?? "").trim();
  const short = name.slice(name.lastIndexOf("/") + 1);
  const own = short.replace(BEDROCK_MAKER, "").replace(BEDROCK_VERSION, "");
  return [...new Set([name, short, own].flatMap((each) => [each, each.replace(SNAPSHOT, "")]))];
});
