/** POST …/completions and …/embeddings, as the OpenAI API reference describes them. */
import {
  type Answer,
  type Body,
  billedTokens,
  jsonAnswer,
  promptUsage,
  type Stamp,
  streamAnswer,
} from "./exchange.ts";
import {
  invalid,
  openAiUsage,
  optionalInteger,
  requiredModel,
  stopSequences,
  streamMode,
  usageMember,
} from "./openai-usage.ts";
import type { SimulatorSettings } from "./settings.ts";
import { countWords, draftTokens, writeDraft } from "./words.ts";

/** What the API takes where the request does not say. */
const DEFAULT_MAX_TOKENS = 16;
const MAX_CHOICES = 128;
const MAX_COMPLETION_TOKENS = 1_000_000;
const EMBEDDING = "[0.0125,-0.025,0.0375,-0.05]";

/** Answers a text completion request. Throws RequestError. */
export function textCompletion(body: Body, settings: SimulatorSettings, stamp: Stamp): Answer {
  const model = requiredModel(body);
  const prompts = inputsOf(body.prompt ?? "", "prompt");
  const { stream, includeUsage } = streamMode(body);
  const choices = (optionalInteger(body, "n", 1, MAX_CHOICES) ?? 1) * prompts.length;
  const maxTokens =
    optionalInteger(body, "max_tokens", 1, MAX_COMPLETION_TOKENS) ?? DEFAULT_MAX_TOKENS;
  const draft = writeDraft(settings, maxTokens, stopSequences(body));
  const prompt = promptUsage(sum(prompts), settings);
  const outputTokens = draftTokens(draft) * choices;
  const billed = {
    model,
    ...billedTokens(settings, { inputTokens: prompt.total, outputTokens }),
  };
  const usage = openAiUsage(
    {
      promptTokens: prompt.total,
      cachedTokens: prompt.cached,
      completionTokens: outputTokens,
      reasoningTokens: draft.reasoningTokens * choices,
    },
    settings,
  );
  const finish = draft.finish === "length" ? '"length"' : '"stop"';
  const head =
    `{"id":"cmpl-${stamp.id}","object":"text_completion","created":${stamp.createdS},` +
    `"model":${JSON.stringify(model)},"choices":[`;
  const indexes = Array.from({ length: choices }, (_, index) => index);
  if (!stream) {
    const text = draft.pieces.join("");
    const all = indexes.map((index) => textChoice(index, text, finish)).join(",");
    return jsonAnswer(`${head}${all}]${usageMember(usage)}}`, billed);
  }
  const withUsage = includeUsage && usage !== null;
  const tail = withUsage ? '],"usage":null}\n\n' : "]}\n\n";
  const events: string[] = [];
  const tokensAfter: number[] = [];
  draft.pieces.forEach((piece, i) => {
    for (const index of indexes) {
      events.push(`data: ${head}${textChoice(index, piece, "null")}${tail}`);
      tokensAfter.push(draft.reasoningTokens * choices + i * choices + index + 1);
    }
  });
  for (const index of indexes) events.push(`data: ${head}${textChoice(index, "", finish)}${tail}`);
  if (withUsage) events.push(`data: ${head}],"usage":${usage}}\n\n`);
  events.push("data: [DONE]\n\n");
  return streamAnswer(events, tokensAfter, billed);
}

/** Answers an embeddings request: the same small vector for every input. Throws RequestError. */
export function embeddings(body: Body, settings: SimulatorSettings, _stamp: Stamp): Answer {
  const model = requiredModel(body);
  if (body.input === undefined) {
    throw invalid("Missing required parameter: 'input'.", "input");
  }
  const inputs = inputsOf(body.input, "input");
  const prompt = promptUsage(sum(inputs), settings);
  const data = inputs.map(
    (_, index) => `{"object":"embedding","index":${index},"embedding":${EMBEDDING}}`,
  );
  const billed = {
    model,
    ...billedTokens(settings, { inputTokens: prompt.total, outputTokens: 0 }),
  };
  const usage = embeddingUsage(prompt.total, settings);
  return jsonAnswer(
    `{"object":"list","data":[${data.join(",")}],"model":${JSON.stringify(model)}` +
      `${usageMember(usage)}}`,
    billed,
  );
}

function textChoice(index: number, text: string, finish: string): string {
  return `{"text":"${text}","index":${index},"logprobs":null,"finish_reason":${finish}}`;
}

function embeddingUsage(tokens: number, settings: SimulatorSettings): string | null {
  if (settings.usage === "missing") return null;
  if (settings.usage === "null") return "null";
  if (settings.usage === "malformed") return '{"prompt_tokens":"many","total_tokens":-1}';
  const reported = settings.usage === "zero" ? 0 : tokens;
  return `{"prompt_tokens":${reported},"total_tokens":${reported}}`;
}

/**
 * Tokens of each input: a text, an array of texts, an array of token ids, or an array of those.
 * Throws RequestError for anything else.
 */
function inputsOf(given: unknown, param: string): number[] {
  if (typeof given === "string") return [countWords(given)];
  if (Array.isArray(given) && given.length > 0) {
    if (given.every((each) => typeof each === "number")) return [given.length];
    if (given.every((each) => typeof each === "string" || Array.isArray(each))) {
      return given.map((each) => (typeof each === "string" ? countWords(each) : each.length));
    }
  }
  throw invalid(`Invalid '${param}': expected text, token ids, or an array of those.`, param);
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
