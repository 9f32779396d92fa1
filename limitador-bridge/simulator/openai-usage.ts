/** OpenAI's `usage` object, its request checks and error shape, shared by its APIs. */
import { type Body, RequestError } from "./exchange.ts";
import type { SimulatorSettings } from "./settings.ts";

export interface OpenAiCounts {
  promptTokens: number;
  cachedTokens: number;
  completionTokens: number;
  reasoningTokens: number;
}

const MALFORMED = '{"prompt_tokens":"many","completion_tokens":-1,"total_tokens":1.5}';

/** The JSON text of `usage`, or null where the provider is told to leave the member out. */
export function openAiUsage(counts: OpenAiCounts, settings: SimulatorSettings): string | null {
  if (settings.usage === "missing") return null;
  if (settings.usage === "null") return "null";
  if (settings.usage === "malformed") return MALFORMED;
  const zero = settings.usage === "zero";
  const prompt = zero ? 0 : counts.promptTokens;
  const completion = zero ? 0 : counts.completionTokens;
  return JSON.stringify({
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: zero ? 0 : counts.cachedTokens, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: zero ? 0 : counts.reasoningTokens,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  });
}

/** `,"usage":…`, or nothing. */
export function usageMember(usage: string | null): string {
  return usage === null ? "" : `,"usage":${usage}`;
}

/** The model asked for. Throws RequestError. */
export function requiredModel(body: Body): string {
  if (typeof body.model === "string" && body.model !== "") return body.model;
  throw invalid("you must provide a model parameter", "model");
}

/** An optional integer of the request. Throws RequestError when it is out of bounds. */
export function optionalInteger(body: Body, name: string, min: number, max: number): number | null {
  const value = body[name];
  if (value === undefined || value === null) return null;
  if (Number.isInteger(value) && Number(value) >= min && Number(value) <= max) return Number(value);
  throw invalid(`Invalid '${name}': expected an integer from ${min} to ${max}.`, name);
}

/** `stop`: one text, a list of at most four, or null. Throws RequestError. */
export function stopSequences(body: Body): string[] {
  const stop = body.stop ?? [];
  const stops: unknown = typeof stop === "string" ? [stop] : stop;
  if (Array.isArray(stops) && stops.length <= 4 && stops.every((s) => typeof s === "string")) {
    return stops;
  }
  throw invalid("Invalid 'stop': expected a string or an array of up to 4 strings.", "stop");
}

/** How to stream. Throws RequestError where stream_options stands without stream. */
export function streamMode(body: Body): { stream: boolean; includeUsage: boolean } {
  const stream = body.stream === true;
  const options = body.stream_options ?? null;
  if (options !== null && !stream) {
    throw invalid(
      "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
      "stream_options",
    );
  }
  const includeUsage =
    typeof options === "object" && (options as Body | null)?.include_usage === true;
  return { stream, includeUsage };
}

/** A 400 of the OpenAI API. */
export function invalid(message: string, param: string): RequestError {
  return new RequestError(message, { type: "invalid_request_error", param });
}
