/** POST …/chat/completions, as the OpenAI API reference describes it. */
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
import { countWords, type Draft, draftTokens, writeDraft } from "./words.ts";

const FINGERPRINT = '"system_fingerprint":"fp_tollgate_sim"';
const MAX_CHOICES = 128;
const MAX_COMPLETION_TOKENS = 1_000_000;

interface Completion {
  drafts: Draft[];
  model: string;
  usage: string | null;
  billed: { model: string; inputTokens: number; outputTokens: number };
}

/** Answers a chat completion request. Throws RequestError. */
export function chatCompletion(body: Body, settings: SimulatorSettings, stamp: Stamp): Answer {
  const model = requiredModel(body);
  if (!Array.isArray(body.messages)) {
    throw invalid("Missing required parameter: 'messages'.", "messages");
  }
  const { stream, includeUsage } = streamMode(body);
  const completion = complete(body, model, settings);
  return stream
    ? chatStream(completion, includeUsage, stamp)
    : jsonAnswer(chatJson(completion, stamp), completion.billed);
}

function complete(body: Body, model: string, settings: SimulatorSettings): Completion {
  const choices = optionalInteger(body, "n", 1, MAX_CHOICES) ?? 1;
  const maxTokens =
    optionalInteger(body, "max_completion_tokens", 1, MAX_COMPLETION_TOKENS) ??
    optionalInteger(body, "max_tokens", 1, MAX_COMPLETION_TOKENS);
  const draft = writeDraft(settings, maxTokens, stopSequences(body));
  const prompt = promptUsage(countWords(body.messages), settings);
  const outputTokens = draftTokens(draft) * choices;
  return {
    drafts: Array.from({ length: choices }, () => draft),
    model: JSON.stringify(model),
    usage: openAiUsage(
      {
        promptTokens: prompt.total,
        cachedTokens: prompt.cached,
        completionTokens: outputTokens,
        reasoningTokens: draft.reasoningTokens * choices,
      },
      settings,
    ),
    billed: { model, ...billedTokens(settings, { inputTokens: prompt.total, outputTokens }) },
  };
}

function chatJson(completion: Completion, stamp: Stamp): string {
  const choices = completion.drafts.map(
    (draft, index) =>
      `{"index":${index},"message":{"role":"assistant","content":"${draft.pieces.join("")}",` +
      `"refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"${finishOf(draft)}"}`,
  );
  return (
    `{"id":"chatcmpl-${stamp.id}","object":"chat.completion","created":${stamp.createdS},` +
    `"model":${completion.model},"choices":[${choices.join(",")}]` +
    `${usageMember(completion.usage)},"service_tier":"default",${FINGERPRINT}}`
  );
}

/**
 * Chunks of all choices in turn. With include_usage every chunk has `"usage":null`, and one more
 * with no choices and the usage comes before the end marker.
 */
function chatStream(completion: Completion, includeUsage: boolean, stamp: Stamp): Answer {
  const { drafts, usage } = completion;
  const head =
    `data: {"id":"chatcmpl-${stamp.id}","object":"chat.completion.chunk",` +
    `"created":${stamp.createdS},"model":${completion.model},"service_tier":"default",` +
    `${FINGERPRINT},"choices":[`;
  const withUsage = includeUsage && usage !== null;
  const tail = withUsage ? '],"usage":null}\n\n' : "]}\n\n";
  const events: string[] = [];
  const tokensAfter: number[] = [];
  let tokens = 0;
  const send = (choice: string) => {
    events.push(head + choice + tail);
    tokensAfter.push(tokens);
  };
  drafts.forEach((_, index) => {
    send(chunkChoice(index, '{"role":"assistant","content":"","refusal":null}', "null"));
  });
  tokens += drafts.reduce((sum, draft) => sum + draft.reasoningTokens, 0);
  const longest = Math.max(...drafts.map((draft) => draft.pieces.length));
  for (let i = 0; i < longest; i += 1) {
    drafts.forEach((draft, index) => {
      const piece = draft.pieces[i];
      if (piece === undefined) return;
      tokens += 1;
      send(chunkChoice(index, `{"content":"${piece}"}`, "null"));
    });
  }
  drafts.forEach((draft, index) => {
    send(chunkChoice(index, "{}", `"${finishOf(draft)}"`));
  });
  if (withUsage) {
    events.push(`${head}],"usage":${usage}}\n\n`);
    tokensAfter.push(tokens);
  }
  events.push("data: [DONE]\n\n");
  tokensAfter.push(tokens);
  return streamAnswer(events, tokensAfter, completion.billed);
}

function chunkChoice(index: number, delta: string, finish: string): string {
  return `{"index":${index},"delta":${delta},"logprobs":null,"finish_reason":${finish}}`;
}

function finishOf(draft: Draft): "stop" | "length" {
  return draft.finish === "length" ? "length" : "stop";
}
