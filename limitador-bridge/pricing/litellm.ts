/**
 * LiteLLM's model_prices_and_context_window.json: a map from model names to prices in USD per
 * token and to much else. Pure.
 */
import { isObject, type RawObject } from "../usage/figures.ts";
import { type ImportedCosts, readCosts } from "./litellm-costs.ts";
import { modelName, providerName } from "./litellm-names.ts";

/** One model, as a PriceTable will have it. */
export interface ImportedModel extends Omit<ImportedCosts, "notes" | "isCostMissing"> {
  match: string;
  provider: string;
  maxOutputTokens: number | null;
  source: string | null;
}

export interface LiteLlmImport {
  models: ImportedModel[];
  /** What is not in `models`, or not as it was written: `key: what`. */
  notes: string[];
}

/** The explanation of the format, which stands among the models. */
const SAMPLE = "sample_spec";
const MAX_SOURCE_LENGTH = 500;

/** Whether a parsed JSON value has the layout. */
export function isLiteLlm(value: unknown): value is Record<string, RawObject> {
  if (!isObject(value)) return false;
  const models = Object.values(value);
  return models.length > 0 && models.every(isObject) && models.some(hasProvider);
}

function hasProvider(model: unknown): boolean {
  return isObject(model) && typeof model.litellm_provider === "string";
}

/** Translates all models; numbers must be texts (see parseExactJson). */
export function importLiteLlm(file: Record<string, RawObject>): LiteLlmImport {
  const models = new Map<string, ImportedModel>();
  const notes: string[] = [];
  for (const [key, model] of Object.entries(file)) {
    if (key === SAMPLE) continue;
    const { imported, notes: found } = importModel(key, model);
    notes.push(...found.map((note) => `${key}: ${note}`));
    if (imported === null) continue;
    const name = JSON.stringify([imported.match.toLowerCase(), imported.provider]);
    const former = models.get(name);
    if (former === undefined) models.set(name, imported);
    else if (pricesText(former) !== pricesText(imported)) {
      notes.push(`${key}: left out: ${imported.match} has another price before`);
    }
  }
  return { models: [...models.values()], notes };
}

function pricesText({ rates, contextTiers, serviceTiers, perUnit }: ImportedModel): string {
  return JSON.stringify([rates, contextTiers, serviceTiers, perUnit]);
}

function importModel(
  key: string,
  model: RawObject,
): { imported: ImportedModel | null; notes: string[] } {
  const leftOut = (why: string, notes: string[] = []) => ({
    imported: null,
    notes: [...notes, `left out: ${why}`],
  });
  if (!hasProvider(model)) return leftOut("no litellm_provider");
  const litellmProvider = model.litellm_provider as string;
  const named = modelName(key, litellmProvider);
  if ("problem" in named) return leftOut(named.problem);
  const { notes, isCostMissing, ...costs } = readCosts(model);
  const hasRates = Object.keys(costs.rates).length > 0;
  if (!hasRates && costs.contextTiers.length === 0) return leftOut("no price per token", notes);
  if (costs.rates.input === undefined) return leftOut("no price per input token", notes);
  if (isCostMissing) return leftOut("its other prices are 0, and it would be free", notes);
  const { source } = model;
  const isSource = typeof source === "string" && source !== "" && source.length < MAX_SOURCE_LENGTH;
  const imported = {
    match: named.model,
    provider: providerName(litellmProvider),
    ...costs,
    maxOutputTokens: countOf(model.max_output_tokens),
    source: isSource ? source : null,
  };
  return { imported, notes };
}

function countOf(text: unknown): number | null {
  const isCount = typeof text === "string" && /^[1-9]\d{0,11}$/.test(text);
  return isCount ? Number(text) : null;
}
