/**
 * Where output text stands, and how the counts at those places add up to the text of one answer.
 * Some answers hold the same text at several places; a tree says which are the same.
 */

/** A pointer, or how the counts of several are put together. */
type Node =
  | string
  | { sum: Node[] }
  | { max: Node[] }
  /** The first that is not 0: later ones repeat what it told, even many times. */
  | { first: Node[] };

/** Text of an OpenAI-shaped message. Reasoning is sent under one name or under two at once. */
function chatMessage(at: string): Node {
  const call = (pointer: string): Node => ({
    sum: [`${pointer}/name`, `${pointer}/arguments`],
  });
  return {
    sum: [
      `${at}/content`,
      `${at}/content/*/text`,
      `${at}/content/*/thinking/*/text`,
      {
        max: [
          `${at}/reasoning_content`,
          `${at}/reasoning`,
          `${at}/thinking`,
          { sum: [`${at}/reasoning_details/*/text`, `${at}/reasoning_details/*/summary`] },
        ],
      },
      call(`${at}/tool_calls/*/function`),
      call(`${at}/function_call`),
      `${at}/refusal`,
      `${at}/audio/transcript`,
    ],
  };
}

/** Items of the Responses API. */
function responseItems(at: string): Node {
  return {
    sum: [
      `${at}/content/*/text`,
      `${at}/content/*/refusal`,
      `${at}/summary/*/text`,
      `${at}/arguments`,
      `${at}/input`,
      `${at}/code`,
    ],
  };
}

const CONVERSE_DELTA = "/contentBlockDelta/delta";
const COHERE_DELTA = "/delta/message";

const TEXT: Node = {
  sum: [
    // OpenAI chat. Some stream `message` with all text so far beside `delta`.
    { first: [chatMessage("/choices/*/delta"), chatMessage("/choices/*/message")] },
    "/choices/*/text",
    // OpenAI responses, transcriptions; Cohere v1. What deltas told is repeated when it is done.
    {
      first: [
        "/delta",
        responseItems("/response/output/*"),
        responseItems("/output/*"),
        responseItems("/item"),
        "/text",
      ],
    },
    "/response/text",
    // Anthropic, Bedrock Converse, Gemini Interactions.
    "/content/*/text",
    "/content/*/thinking",
    "/delta/text",
    "/delta/thinking",
    "/delta/partial_json",
    "/delta/content/text",
    "/delta/arguments",
    "/delta/toolUse/input",
    "/delta/reasoningContent/text",
    "/output/message/content/*/text",
    "/output/message/content/*/reasoningContent/reasoningText/text",
    `${CONVERSE_DELTA}/text`,
    `${CONVERSE_DELTA}/toolUse/input`,
    `${CONVERSE_DELTA}/reasoningContent/text`,
    "/completion",
    "/steps/*/content/*/text",
    "/outputs/*/text",
    // Gemini.
    "/candidates/*/content/parts/*/text",
    "/candidates/*/content/parts/*/functionCall/name",
    "/candidates/*/content/parts/*/executableCode/code",
    "/response/candidates/*/content/parts/*/text",
    // Cohere v2.
    "/message/content/*/text",
    "/message/content/*/thinking",
    "/message/tool_plan",
    "/message/tool_calls/*/function/name",
    "/message/tool_calls/*/function/arguments",
    `${COHERE_DELTA}/content/text`,
    `${COHERE_DELTA}/content/thinking`,
    `${COHERE_DELTA}/tool_plan`,
    `${COHERE_DELTA}/tool_calls/function/name`,
    `${COHERE_DELTA}/tool_calls/function/arguments`,
    "/generations/*/text",
    // Ollama.
    "/message/content",
    "/message/thinking",
    "/response",
    "/thinking",
    // watsonx, Titan, Llama, Mistral and AI21 on Bedrock.
    "/results/*/generated_text",
    "/results/*/outputText",
    "/outputText",
    "/generation",
    "/completions/*/data/text",
    // DashScope.
    "/output/text",
    chatMessage("/output/choices/*/message"),
  ],
};

/** The text pointers of the filter config. */
export const TEXT_POINTERS: string[] = leaves(TEXT);
const KNOWN_POINTERS: ReadonlySet<string> = new Set(TEXT_POINTERS);

/** Bytes of output text that an answer had, from the counts by pointer; each text once. */
export function textBytes(counts: Readonly<Record<string, number>>): number {
  let places = 0;
  let bytes = 0;
  for (const [pointer, count] of Object.entries(counts)) {
    if (count === 0 || !KNOWN_POINTERS.has(pointer)) continue;
    places += 1;
    bytes = count;
  }
  // Text at one place alone, as nearly always, is the same however places add up.
  return places > 1 ? weigh(TEXT, counts) : bytes;
}

function leaves(node: Node): string[] {
  return typeof node === "string" ? [node] : partsOf(node).flatMap(leaves);
}

function weigh(node: Node, counts: Readonly<Record<string, number>>): number {
  if (typeof node === "string") return Object.hasOwn(counts, node) ? (counts[node] ?? 0) : 0;
  const weights = partsOf(node).map((part) => weigh(part, counts));
  if ("max" in node) return Math.max(...weights);
  if ("first" in node) return weights.find((bytes) => bytes > 0) ?? 0;
  return weights.reduce((total, bytes) => total + bytes, 0);
}

function partsOf(node: Exclude<Node, string>): Node[] {
  if ("sum" in node) return node.sum;
  return "max" in node ? node.max : node.first;
}
