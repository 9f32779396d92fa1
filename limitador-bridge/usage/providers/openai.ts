/**
 * OpenAI's usage objects, as half of all providers send them: chat completions, completions and
 * embeddings (`prompt_tokens`), responses, images and transcriptions (`input_tokens`).
 * Totals include their parts, except where the figures themselves say otherwise.
 */
import type { Capture } from "../capture.ts";
import { type Figures, figuresOf, isCount, isObject, type RawObject, valueAt } from "../figures.ts";
import { emptyReading, type Reading, tokensOf } from "../reading.ts";
import { readOrchestration } from "./orchestration.ts";
import { reportedCostNanoUsd } from "./reported-cost.ts";

/** What is known of the provider, where its figures mean something else. */
export interface OpenaiDialect {
  /** Reasoning is not in the completion tokens (xAI's chat completions). */
  reasoningExcluded: boolean;
  /** What the total has above its parts is reasoning (Gemini by the OpenAI-shaped route). */
  hiddenReasoning: boolean;
}

const CACHED = [
  "prompt_tokens_details.cached_tokens",
  "prompt_token_details.cached_tokens",
  "input_tokens_details.cached_tokens",
  "prompt_cache_hit_tokens",
  "num_cached_tokens",
  "cached_tokens",
  "cache_read_input_tokens",
];
const CACHE_WRITE = [
  "prompt_tokens_details.cache_write_tokens",
  "prompt_tokens_details.cache_creation_tokens",
  "prompt_tokens_details.cache_creation_input_tokens",
  "input_tokens_details.cache_write_tokens",
  "cache_creation_input_tokens",
];
const REASONING = [
  "completion_tokens_details.reasoning_tokens",
  "completion_token_details.reasoning_tokens",
  "output_tokens_details.reasoning_tokens",
  "reasoning_tokens",
];
const details = (direction: "input" | "output", part: string) =>
  direction === "input"
    ? [
        `prompt_tokens_details.${part}`,
        `input_tokens_details.${part}`,
        `input_token_details.${part}`,
      ]
    : [
        `completion_tokens_details.${part}`,
        `output_tokens_details.${part}`,
        `output_token_details.${part}`,
      ];

const INPUT_AUDIO = details("input", "audio_tokens");
const INPUT_IMAGE = details("input", "image_tokens");
const OUTPUT_AUDIO = details("output", "audio_tokens");
const OUTPUT_IMAGE = details("output", "image_tokens");

/** Reads OpenAI-shaped usage; `objects` are those of the shape, in the order seen. */
export function readOpenai(
  capture: Capture,
  objects: { pointer: string; value: RawObject }[],
  dialect: OpenaiDialect,
): Reading {
  const value = lastWord(objects);
  const figures = figuresOf(value);
  const { input, output, reasoning, complete } = totals(capture, figures, dialect);
  const cached = cacheParts(figures, input, output);
  const orchestration = readOrchestration(figures, input + output);
  const imageOutput = figures.part(...OUTPUT_IMAGE);
  const isImage = capture.api === "openai.images";
  const tokens = tokensOf({
    input: cached.input + orchestration.input,
    cacheRead: cached.read + orchestration.cached,
    cacheWrite5m: cached.write,
    inputAudio: figures.part(...INPUT_AUDIO),
    inputImage: figures.part(...INPUT_IMAGE),
    output: output + orchestration.output,
    reasoning,
    outputAudio: figures.part(...OUTPUT_AUDIO),
    outputImage: isImage && imageOutput === 0 ? output : imageOutput,
  });
  return {
    ...emptyReading(),
    tokens,
    otherUnits: toolUnits(figures),
    serviceTier: serviceTier(value),
    providerCostNanoUsd: reportedCostNanoUsd(value),
    final: complete && !figures.malformed && isLast(capture, objects),
    inputKnown: figures.main("prompt_tokens", "input_tokens") !== undefined,
  };
}

/**
 * The usage that counts: the last. Some servers repeat zeros in every chunk, also after the
 * figures, so the last with something in it wins over them.
 */
function lastWord(objects: { pointer: string; value: RawObject }[]): RawObject {
  const own = objects.filter(({ pointer }) => pointer !== "/x_groq/usage");
  const list = (own.length > 0 ? own : objects).map(({ value }) => value);
  return list.findLast(hasFigures) ?? list.at(-1) ?? {};
}

function hasFigures(value: RawObject): boolean {
  return Object.values(value).some((field) => isCount(field) && field > 0);
}

/** Events that end a stream of media, and have its usage. */
const LAST_EVENTS = new Set([
  "transcript.text.done",
  "speech.audio.done",
  "image_generation.completed",
  "image_edit.completed",
]);

/** With usage in every chunk, a stream without its end has not given the last of them. */
function isLast(capture: Capture, objects: { pointer: string; value: RawObject }[]): boolean {
  if (!capture.streamed || capture.record.framing === "json") return true;
  // Servers that repeat zeros give the figures after the last choice has ended.
  const isWhole = capture.record.outcome === "ok" && capture.record.done === true;
  if (!isWhole && !objects.some(({ value }) => hasFigures(value))) return false;
  if (capture.finished || LAST_EVENTS.has(String(capture.fact("/type")))) return true;
  if (objects.some(({ pointer }) => pointer === "/response/usage")) return true;
  const repeated = objects.filter(({ pointer }) => pointer === "/usage").length > 1;
  return !repeated && capture.record.outcome === "ok";
}

interface Totals {
  input: number;
  output: number;
  reasoning: number;
  complete: boolean;
}

function totals(capture: Capture, figures: Figures, dialect: OpenaiDialect): Totals {
  const prompt = figures.main("prompt_tokens", "input_tokens");
  const completion = figures.main("completion_tokens", "output_tokens");
  const total = figures.main("total_tokens");
  const reasoning = figures.part(...REASONING);
  if (prompt === undefined && completion === undefined) {
    // Embeddings and reranking (Voyage) give a total, and it is all input.
    const complete = total !== undefined && (total === 0 || capture.textBytes === 0);
    return { input: total ?? 0, output: 0, reasoning: 0, complete };
  }
  const input =
    prompt === undefined
      ? Math.max(0, (total ?? 0) - (completion ?? 0))
      : prompt + connectorTokens(figures);
  const output = outputOf(input, completion, total, reasoning, dialect);
  const complete =
    (prompt !== undefined || total !== undefined) &&
    (completion !== undefined || total !== undefined || capture.textBytes === 0);
  const counted = Math.max(0, output - (completion ?? 0));
  const hidden = dialect.hiddenReasoning && reasoning < counted ? counted : reasoning;
  return { input, output, reasoning: hidden, complete };
}

/** What Mistral's connectors read stands beside the prompt, where the total says so. */
function connectorTokens(figures: Figures): number {
  const connectors = figures.part("connector_tokens");
  const parts = figures.part("prompt_tokens") + figures.part("completion_tokens") + connectors;
  return figures.part("total_tokens") === parts ? connectors : 0;
}

function outputOf(
  input: number,
  completion: number | undefined,
  total: number | undefined,
  reasoning: number,
  dialect: OpenaiDialect,
): number {
  const said = completion ?? 0;
  const rest = total === undefined ? 0 : total - input;
  if (said === 0 && rest > 0) return rest;
  if (dialect.hiddenReasoning && rest > said) return rest;
  if (reasoning === 0) return said;
  const sum = said + reasoning;
  const excluded = reasoning > said || rest === sum || (dialect.reasoningExcluded && rest !== said);
  return excluded ? sum : said;
}

/** Cached tokens are in the input unless they cannot be, or the total says that they are not. */
function cacheParts(figures: Figures, prompt: number, output: number) {
  const read = figures.part(...CACHED);
  const write = figures.part(...CACHE_WRITE);
  const total = figures.part("total_tokens");
  const outside = prompt + read + write;
  const excluded = read + write > prompt || total === outside + output;
  return { read, write, input: excluded ? outside : prompt };
}

function serviceTier(value: RawObject): string | null {
  const tier = valueAt(value, "service_tier");
  return typeof tier === "string" && tier !== "" ? tier : null;
}

/** Tools and media that are billed by the piece. */
const UNITS: [unit: string, paths: string[]][] = [
  [
    "web_search_requests",
    [
      "server_tool_use_details.web_search_requests",
      "server_tool_use.web_search_requests",
      "server_side_tool_usage_details.web_search_calls",
    ],
  ],
  ["search_queries", ["num_search_queries"]],
  ["citation_tokens", ["citation_tokens"]],
  ["x_search_requests", ["server_side_tool_usage_details.x_search_calls"]],
  ["code_interpreter_calls", ["server_side_tool_usage_details.code_interpreter_calls"]],
  ["file_search_calls", ["server_side_tool_usage_details.file_search_calls"]],
  ["document_search_calls", ["server_side_tool_usage_details.document_search_calls"]],
  ["sources", ["num_sources_used"]],
  ["images", ["generated_images"]],
  ["audio_seconds", ["prompt_audio_seconds"]],
];

function toolUnits(figures: Figures): Record<string, number> {
  const units: Record<string, number> = {};
  for (const [unit, paths] of UNITS) {
    const count = figures.part(...paths);
    if (count > 0) units[unit] = count;
  }
  return units;
}

/** Tools of the Responses API that report their own usage beside the model's. */
export function readToolUsage(value: RawObject): Pick<Reading, "otherUnits" | "extraLines"> {
  const searches = figuresOf(value).part("web_search.num_requests");
  const image = valueAt(value, "image_gen");
  const figures = figuresOf(isObject(image) ? image : {});
  const input = figures.part("input_tokens");
  const output = figures.part("output_tokens");
  const tokens = tokensOf({
    input,
    inputImage: figures.part("input_tokens_details.image_tokens"),
    output,
    outputImage: figures.part("output_tokens_details.image_tokens"),
  });
  return {
    otherUnits: searches > 0 ? { web_search_requests: searches } : {},
    extraLines: input + output > 0 ? [{ model: IMAGE_TOOL_MODEL, tokens }] : [],
  };
}

/** The model behind the image generation tool, which its usage does not name. */
const IMAGE_TOOL_MODEL = "gpt-image-1";
