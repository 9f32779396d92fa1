/** Whether a request's model can be replaced, and by which ones. Pure. */
import { isOfPath } from "../usage/api-path.ts";
import { makerOf } from "../usage/provider.ts";
import { TEXTLESS_APIS } from "../usage/textless-apis.ts";
import type { ErrorShapes, Prices } from "./ports.ts";

/** An API keeps the name of who invented its shape: `anthropic.messages`. */
const INVENTOR = /^(openai|anthropic|gemini|cohere|mistral)\./;
const MODEL_IN_PATH = /\{model\}/;
/** Besides those without text: what serves chat serves none of these, and hardly the other way. */
const OWN_MODELS = new Set([
  "openai.completions",
  "openai.audio.transcriptions",
  "openai.audio.translations",
  "vertex.predict",
]);

/** What is asked, as far as it matters for the model. */
export interface AskedModel {
  api: string | null;
  model: string;
  /** Without the query. */
  path: string;
}

/**
 * Tells which models the request may run on: those of the provider that serves the one asked for,
 * and those whose provider is not known. None but the one asked for where the path names it, for
 * the filter rewrites bodies only, and where the API is not one of chat: budgets name models for
 * that, and vectors of another model are of no use.
 */
export function servable(
  { api, model, path }: AskedModel,
  apis: ErrorShapes["apis"],
  prices: Prices,
  nowMs: number,
): (other: string) => boolean {
  const isFixed = api !== null && (TEXTLESS_APIS.has(api) || OWN_MODELS.has(api));
  if (isFixed || isModelInPath(path, apis)) return (other) => other === model;
  const providerOf = (name: string) =>
    makerOf(name) ?? prices.priceOf(name, nowMs)?.provider ?? null;
  const asked = providerOf(model) ?? INVENTOR.exec(api ?? "")?.[1] ?? null;
  // Who names a model that nobody knows in a budget knows where it is served.
  return (other) => other === model || (providerOf(other) ?? asked) === asked;
}

/** Whether the first API that the path belongs to takes the model from there. */
export function isModelInPath(path: string, apis: ErrorShapes["apis"]): boolean {
  const route = apis.find((candidate) => isOfPath(candidate, path));
  return route !== undefined && MODEL_IN_PATH.test(route.path);
}
