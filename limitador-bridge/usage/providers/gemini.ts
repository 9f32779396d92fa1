/**
 * Gemini and Vertex AI: `usageMetadata` of generateContent and embedContent, `usage` of the
 * Interactions API, token counts of `:predict`. Every chunk of a stream has the figures so far:
 * the last wins, they are never added up.
 */
import type { Capture } from "../capture.ts";
import { byModality, figuresOf, type RawObject, valueAt } from "../figures.ts";
import { emptyReading, type Reading, tokensOf } from "../reading.ts";

/** Vertex says by its kind of traffic how a request was served. */
const TRAFFIC_TIERS: Record<string, string> = {
  ON_DEMAND_FLEX: "flex",
  ON_DEMAND_PRIORITY: "priority",
  PROVISIONED_THROUGHPUT: "provisioned_throughput",
};
const CANDIDATES = ["candidatesTokenCount", "responseTokenCount"];
/** Chunks may hold a usageMetadata with nothing but the traffic type. */
const FIGURES = [
  "promptTokenCount",
  "candidatesTokenCount",
  "thoughtsTokenCount",
  "toolUsePromptTokenCount",
  "totalTokenCount",
  "responseTokenCount",
];

/** Reads `usageMetadata`. */
export function readGemini(capture: Capture, objects: { value: RawObject }[]): Reading {
  const values = objects.map(({ value }) => value);
  const counted = values.filter((value) =>
    FIGURES.some((name) => valueAt(value, name) !== undefined),
  );
  const value = lastWord(counted);
  const figures = figuresOf(value);
  const toolUse = figures.main("toolUsePromptTokenCount") ?? 0;
  const prompt = figures.main("promptTokenCount");
  const thoughts = figures.main("thoughtsTokenCount") ?? 0;
  const total = figures.main("totalTokenCount") ?? 0;
  const said = figures.main(...CANDIDATES);
  // What makes no text, such as storing a context, gives nothing but a total.
  const isAllInput = prompt === undefined && said === undefined && capture.textBytes === 0;
  const input = (isAllInput ? Math.max(0, total - thoughts - toolUse) : (prompt ?? 0)) + toolUse;
  const candidates = said ?? Math.max(0, total - input - thoughts);
  const inputBy = byModality(
    valueAt(value, "promptTokensDetails") ?? valueAt(value, "promptTokenDetails"),
    "tokenCount",
  );
  const toolBy = byModality(valueAt(value, "toolUsePromptTokensDetails"), "tokenCount");
  const cachedBy = byModality(valueAt(value, "cacheTokensDetails"), "tokenCount");
  const outputBy = byModality(valueAt(value, "candidatesTokensDetails"), "tokenCount");
  const uncached = (modality: string) =>
    Math.max(0, (inputBy.get(modality) ?? 0) - (cachedBy.get(modality) ?? 0)) +
    (toolBy.get(modality) ?? 0);
  return {
    ...emptyReading(),
    tokens: tokensOf({
      input,
      cacheRead: figures.part("cachedContentTokenCount"),
      inputAudio: uncached("AUDIO"),
      inputImage: uncached("IMAGE"),
      output: candidates + thoughts,
      reasoning: thoughts,
      outputAudio: outputBy.get("AUDIO") ?? 0,
      outputImage: outputBy.get("IMAGE") ?? 0,
    }),
    serviceTier: tierOf(values),
    final: counted.length > 0 && !figures.malformed && (!capture.streamed || capture.finished),
    inputKnown: prompt !== undefined || isAllInput,
  };
}

/**
 * The last object, and what it leaves out as it was before: some chunks tell the prompt once. What
 * is left out of the output is in the last total.
 */
function lastWord(values: RawObject[]): RawObject {
  const last = values.at(-1) ?? {};
  const hasTotal = valueAt(last, "totalTokenCount") !== undefined;
  const isLate = (key: string) => hasTotal && CANDIDATES.includes(key);
  const fields = values.flatMap((value, index) =>
    Object.entries(value).filter(
      ([key, field]) => field !== null && (index === values.length - 1 || !isLate(key)),
    ),
  );
  return Object.fromEntries(fields);
}

function tierOf(values: RawObject[]): string | null {
  const last = (key: string) =>
    values.map((value) => valueAt(value, key)).findLast((tier) => typeof tier === "string");
  const tier = last("serviceTier");
  if (tier !== undefined) return String(tier).toLowerCase();
  return TRAFFIC_TIERS[String(last("trafficType"))] ?? null;
}

/** Reads the usage of the Interactions API, which comes only when an interaction is over. */
export function readInteractions(objects: { value: RawObject }[]): Reading {
  const value = objects.at(-1)?.value ?? {};
  const figures = figuresOf(value);
  const input = figures.main("total_input_tokens");
  const output = figures.main("total_output_tokens");
  const thoughts = figures.main("total_thought_tokens") ?? 0;
  const inputBy = byModality(valueAt(value, "input_tokens_by_modality"), "tokens");
  const outputBy = byModality(valueAt(value, "output_tokens_by_modality"), "tokens");
  return {
    ...emptyReading(),
    tokens: tokensOf({
      input: (input ?? 0) + (figures.main("total_tool_use_tokens") ?? 0),
      cacheRead: figures.part("total_cached_tokens"),
      inputAudio: inputBy.get("AUDIO") ?? 0,
      inputImage: inputBy.get("IMAGE") ?? 0,
      output: (output ?? 0) + thoughts,
      reasoning: thoughts,
      outputAudio: outputBy.get("AUDIO") ?? 0,
      outputImage: outputBy.get("IMAGE") ?? 0,
    }),
    final: input !== undefined && output !== undefined && !figures.malformed,
    inputKnown: input !== undefined,
  };
}

/** The filter keeps so many objects of such a pointer: with as many, there may have been more. */
const KEPT_OBJECTS = 255;

/** Reads the statistics of Vertex text embeddings, one for each text. */
export function readPredictions(objects: { value: RawObject }[]): Reading {
  const figures = objects.map(({ value }) => figuresOf(value));
  const counts = figures.map((each) => each.main("token_count"));
  const input = counts.reduce<number>((total, count) => total + (count ?? 0), 0);
  const final = objects.length < KEPT_OBJECTS && counts.every((count) => count !== undefined);
  return { ...emptyReading(), tokens: tokensOf({ input, output: 0 }), final, inputKnown: final };
}
