/** Whether a request's model can be replaced, and by which ones. Pure. */
import { isOfPath } from "../usage/api-path.ts";
import { makerOf } from "../usage/provider.ts";
import type { ErrorShapes, Prices } from "./ports.ts";

/** An API keeps the name of who invented its shape: `anthropic.messages`. */
const INVENTOR = /^(openai|anthropic|gemini|cohere|mistral)\./;
const MODEL_IN_PATH = /\{model\}/;

/** What is asked, as far as it matters for the model. */
export interface AskedModel {
  api: string | null;
  model: string;
  /** Without the query. */
  path: string;
}

/**
 * Tells which models the request may run on: those of the provider that serves the one asked for,
 * those whose provider is not known, and none but the one asked for where the path names it, for
 * the filter rewrites bodies only.
 */
export function servable(
  { api, model, path }: AskedModel,
  apis: ErrorShapes["apis"],
  prices: Prices,
  nowMs: number,
): (other: string) => boolean {
  if (isModelInPath(path, apis)) return (other) => other === model;
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
