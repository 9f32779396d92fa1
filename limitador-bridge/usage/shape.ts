/** Tells by a usage object's keys, then by where it stood and by the API, whose shape it has. */
import type { Capture, CapturedUsage } from "./capture.ts";
import { valueAt } from "./figures.ts";

export type Shape =
  | "anthropic"
  | "openai"
  | "gemini"
  | "interactions"
  | "converse"
  | "metrics"
  | "cohere"
  | "predictions"
  | "duration"
  | "pages"
  | "tools"
  | "unknown";

/** Pointers that only one shape stands at. */
const BY_POINTER: Record<string, Shape> = {
  "/usageMetadata": "gemini",
  "/response/usageMetadata": "gemini",
  "/meta/billed_units": "cohere",
  "/response/meta/billed_units": "cohere",
  "/amazon-bedrock-invocationMetrics": "metrics",
  "/predictions/*/embeddings/statistics": "predictions",
  "/tool_usage": "tools",
  "/response/tool_usage": "tools",
  "/usage_info": "pages",
  "/message/usage": "anthropic",
};
/** Keys that only one shape has; the first that is there tells. */
const BY_KEY: [key: string, shape: Shape][] = [
  ["billed_units", "cohere"],
  ["seconds", "duration"],
  ["prompt_tokens", "openai"],
  ["completion_tokens", "openai"],
  ["input_tokens_details", "openai"],
  ["input_token_details", "openai"],
  ["cache_read_input_tokens", "anthropic"],
  ["cache_creation_input_tokens", "anthropic"],
  ["inputTokens", "converse"],
  ["outputTokens", "converse"],
  ["total_input_tokens", "interactions"],
  ["total_output_tokens", "interactions"],
  ["promptTokenCount", "gemini"],
];

export function shapeOf(capture: Capture, { pointer, value }: CapturedUsage): Shape {
  const placed = Object.hasOwn(BY_POINTER, pointer) ? BY_POINTER[pointer] : undefined;
  if (placed !== undefined) return placed;
  const has = (key: string) => valueAt(value, key) !== undefined;
  const told = BY_KEY.find(([key]) => has(key))?.[1];
  if (told !== undefined) return told;
  if (!has("input_tokens") && !has("output_tokens")) {
    return has("total_tokens") ? "openai" : has("tokens") ? "cohere" : "unknown";
  }
  return isAnthropic(capture, has("total_tokens")) ? "anthropic" : "openai";
}

/** `{input_tokens, output_tokens}` and no more: both use it, and they differ only in the merge. */
function isAnthropic(capture: Capture, hasTotal: boolean): boolean {
  if (capture.api.startsWith("anthropic.")) return true;
  if (hasTotal || capture.api.startsWith("openai.")) return false;
  return !capture.api.startsWith("dashscope.");
}
