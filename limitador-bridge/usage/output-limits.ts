/**
 * Where a request limits its output. Each API takes some of these and passes over the others, so
 * that what stands there is no limit: a client that held little by it would get much.
 */
import { TEXTLESS_APIS } from "./textless-apis.ts";

/** JSON pointers into the request body, of all APIs. */
export const OUTPUT_LIMITS = [
  "/max_completion_tokens",
  "/max_output_tokens",
  "/max_tokens",
  "/generationConfig/maxOutputTokens",
  "/generation_config/max_output_tokens",
  "/inferenceConfig/maxTokens",
  "/options/num_predict",
  "/max_tokens_to_sample",
  "/textGenerationConfig/maxTokenCount",
  "/max_gen_len",
  "/parameters/max_new_tokens",
  "/parameters/max_tokens",
] as const;

type OutputLimit = (typeof OUTPUT_LIMITS)[number];

const OLLAMA: OutputLimit[] = ["/options/num_predict"];
const GEMINI: OutputLimit[] = [
  "/generationConfig/maxOutputTokens",
  "/generation_config/max_output_tokens",
];

/** Those that an API takes. Of APIs that are not here it depends on the model. */
const BY_API: ReadonlyMap<string, readonly OutputLimit[]> = new Map([
  ["openai.chat.completions", ["/max_completion_tokens", "/max_tokens"]],
  ["openai.completions", ["/max_tokens"]],
  ["openai.responses", ["/max_output_tokens"]],
  ["anthropic.messages", ["/max_tokens"]],
  ["anthropic.complete", ["/max_tokens_to_sample"]],
  ["gemini.generateContent", GEMINI],
  ["gemini.interactions", GEMINI],
  ["bedrock.converse", ["/inferenceConfig/maxTokens"]],
  ["cohere.chat", ["/max_tokens"]],
  ["cohere.generate", ["/max_tokens"]],
  ["ollama.chat", OLLAMA],
  ["ollama.generate", OLLAMA],
  ["watsonx.generation", ["/parameters/max_new_tokens"]],
  ["dashscope.generation", ["/parameters/max_tokens"]],
  ["mistral.conversations", []],
]);

/** The pointers that an API takes as one bit for each, by its place in OUTPUT_LIMITS. */
export function outputLimitsOf(api: string): number {
  const others = TEXTLESS_APIS.has(api) ? [] : OUTPUT_LIMITS;
  const taken: readonly string[] = BY_API.get(api) ?? others;
  return OUTPUT_LIMITS.reduce(
    (bits, pointer, at) => (taken.includes(pointer) ? bits | (1 << at) : bits),
    0,
  );
}
