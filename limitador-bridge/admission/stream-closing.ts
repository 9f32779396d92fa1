/**
 * How a stream is ended before the model has ended it: the events with which each API says that the
 * answer came to its output limit. Server-sent events only. Pure.
 */

export interface ClosedStream {
  /** The exchange's id, for APIs whose events have one. */
  id: string;
  /** The model that runs; null: not known. */
  model: string | null;
  choices: number;
  /** Output tokens that were let through, as far as is known. */
  outputTokens: number;
  nowMs: number;
}

const MAX_CHOICES = 128;
const MS_PER_SECOND = 1000;
/** Events are numbered, and how many came before is not known here; clients want a larger one. */
const LAST_SEQUENCE_NUMBER = 2_147_483_647;

const CLOSINGS: Record<string, (stream: ClosedStream) => string> = {
  "openai.chat.completions": (stream) =>
    data({
      id: `chatcmpl-${stream.id}`,
      object: "chat.completion.chunk",
      created: seconds(stream),
      model: stream.model ?? "",
      choices: indexes(stream).map((index) => ({ index, delta: {}, finish_reason: "length" })),
    }) + DONE,
  "openai.completions": (stream) =>
    data({
      id: `cmpl-${stream.id}`,
      object: "text_completion",
      created: seconds(stream),
      model: stream.model ?? "",
      choices: indexes(stream).map((index) => ({
        ...{ text: "", index, logprobs: null },
        finish_reason: "length",
      })),
    }) + DONE,
  "openai.responses": (stream) =>
    event("response.incomplete", {
      type: "response.incomplete",
      sequence_number: LAST_SEQUENCE_NUMBER,
      response: {
        id: `resp_${stream.id}`,
        object: "response",
        created_at: seconds(stream),
        status: "incomplete",
        error: null,
        incomplete_details: { reason: "max_output_tokens" },
        model: stream.model ?? "",
        output: [],
        usage: null,
      },
    }),
  "anthropic.messages": ({ outputTokens }) =>
    event("content_block_stop", { type: "content_block_stop", index: 0 }) +
    event("message_delta", {
      type: "message_delta",
      delta: { stop_reason: "max_tokens", stop_sequence: null },
      usage: { output_tokens: outputTokens },
    }) +
    event("message_stop", { type: "message_stop" }),
  "gemini.generateContent": ({ model }) =>
    data({
      candidates: [
        {
          content: { parts: [{ text: "" }], role: "model" },
          finishReason: "MAX_TOKENS",
          index: 0,
        },
      ],
      ...(model === null ? {} : { modelVersion: model }),
    }),
};
const DONE = "data: [DONE]\n\n";

/** Gemini streams a JSON array unless it is asked for events. */
const ASKS_FOR_EVENTS = /(^|&)alt=sse(&|$)/;

/**
 * Whether a stream of the API can be ended so.
 * @param query of the request, without its "?"
 */
export function canClose(api: string | null, query: string): boolean {
  if (api === null || !Object.hasOwn(CLOSINGS, api)) return false;
  return api !== "gemini.generateContent" || ASKS_FOR_EVENTS.test(query);
}

/** The events, ready to be sent. @throws Error where the API has none, see canClose */
export function streamClosing(api: string | null, stream: ClosedStream): string {
  const closing = api === null ? undefined : CLOSINGS[api];
  if (closing === undefined) throw new Error(`no way to end a stream of ${api}`);
  return closing(stream);
}

function indexes({ choices }: ClosedStream): number[] {
  return Array.from({ length: Math.min(Math.max(1, choices), MAX_CHOICES) }, (_, i) => i);
}

function seconds({ nowMs }: ClosedStream): number {
  return Math.floor(nowMs / MS_PER_SECOND);
}

function data(value: object): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

function event(name: string, value: object): string {
  return `event: ${name}\n${data(value)}`;
}
