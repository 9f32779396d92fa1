/** Requests that cost nothing, as far as they themselves tell. Pure. */
import type { LlmRequest } from "../contract/filter.ts";
import { UNCHARGED_APIS } from "./api-routes.ts";

/** Fetches what another request began, and paid for. */
const RETRIEVES = /\.retrieve$/;
/** OpenAI's own, which need not be named; those of others are billed. */
const FREE_MODERATION = /^(omni|text)-moderation-/;

/** Whether a provider bills nothing for it: tokens are counted, or a text is judged by OpenAI. */
export function isUnbilled({ api, model }: Pick<LlmRequest, "api" | "model">): boolean {
  if (api === null) return false;
  if (api === "openai.moderations") return model === null || FREE_MODERATION.test(model);
  return UNCHARGED_APIS.has(api) || RETRIEVES.test(api);
}
