/** Which tokenizer counts for which model, as far as it is published. Pure. */
import { getEncodingNameForModel, type TiktokenModel } from "js-tiktoken/lite";

const ENCODINGS = ["cl100k_base", "o200k_base"] as const;
export type Encoding = (typeof ENCODINGS)[number];

/** Families of models, for names that js-tiktoken does not know yet. */
const FAMILIES: [RegExp, Encoding][] = [
  [/^(gpt-4o|chatgpt-4o|gpt-4\.\d|gpt-5|gpt-oss|o\d)/, "o200k_base"],
  [/^(gpt-3\.5|gpt-35|gpt-4|text-embedding-)/, "cl100k_base"],
];

/** The model's tokenizer; null where its maker publishes none. */
export function encodingOf(model: string | null): Encoding | null {
  // openai/gpt-4o, ft:gpt-4o-mini:acme::id
  const name = (model ?? "")
    .toLowerCase()
    .replace(/^.*\//, "")
    .replace(/^ft:([^:]*).*$/, "$1");
  try {
    const known = getEncodingNameForModel(name as TiktokenModel);
    return ENCODINGS.find((encoding) => encoding === known) ?? null;
  } catch {
    return FAMILIES.find(([pattern]) => pattern.test(name))?.[1] ?? null;
  }
}
