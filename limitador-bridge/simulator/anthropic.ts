/** POST …/messages and …/messages/count_tokens, as the Anthropic API reference describes them. */
import {
  type Answer,
  type Body,
  billedTokens,
  jsonAnswer,
  promptUsage,
  RequestError,
  type Stamp,
  streamAnswer,
} from "./exchange.ts";
import type { SimulatorSettings } from "./settings.ts";
import { countWords, type Draft, draftTokens, writeDraft } from "./words.ts";

const MALFORMED = '{"input_tokens":"many","output_tokens":-1}';
const PING = 'event: ping\ndata: {"type": "ping"}\n\n';
const MESSAGE_STOP = 'event: message_stop\ndata: {"type":"message_stop"}\n\n';
const STOP_REASONS = { end: "end_turn", length: "max_tokens", stop: "stop_sequence" } as const;
const SIGNATURE = "c2ltdWxhdGVk";

interface Message {
  draft: Draft;
  /** JSON text of the model's name. */
  model: string;
  settings: SimulatorSettings;
  prompt: { total: number; cached: number };
  billed: { model: string; inputTokens: number; outputTokens: number };
}

/** Answers a messages request. Throws RequestError. */
export function anthropicMessage(body: Body, settings: SimulatorSettings, stamp: Stamp): Answer {
  const model = checkedModel(body);
  const maxTokens = body.max_tokens;
  if (!Number.isInteger(maxTokens)) throw invalid("max_tokens: Field required");
  if (Number(maxTokens) < 1) throw invalid("max_tokens: must be greater than or equal to 1");
  const stops = (body.stop_sequences ?? []) as unknown;
  if (!Array.isArray(stops) || !stops.every((stop) => typeof stop === "string")) {
    throw invalid("stop_sequences: Input should be a valid list of strings");
  }
  const draft = writeDraft(settings, Number(maxTokens), stops);
  const prompt = promptUsage(countWords(body.system) + countWords(body.messages), settings);
  const tokens = { inputTokens: prompt.total, outputTokens: draftTokens(draft) };
  const message: Message = {
    draft,
    model: JSON.stringify(model),
    settings,
    prompt,
    billed: { model, ...billedTokens(settings, tokens) },
  };
  return body.stream === true
    ? messageStream(message, stamp)
    : jsonAnswer(messageJson(message, stamp), message.billed);
}

/** Answers a token-counting request, which bills nothing. Throws RequestError. */
export function anthropicCount(body: Body, settings: SimulatorSettings, _stamp: Stamp): Answer {
  const model = checkedModel(body);
  const prompt = promptUsage(countWords(body.system) + countWords(body.messages), settings);
  return jsonAnswer(`{"input_tokens":${prompt.total}}`, { model, inputTokens: 0, outputTokens: 0 });
}

function checkedModel(body: Body): string {
  if (typeof body.model !== "string" || body.model === "") throw invalid("model: Field required");
  if (!Array.isArray(body.messages)) throw invalid("messages: Field required");
  return body.model;
}

function messageJson(message: Message, stamp: Stamp): string {
  const { draft } = message;
  const thinking =
    draft.reasoningTokens === 0
      ? ""
      : `{"type":"thinking","thinking":"${thoughts(draft).join("")}","signature":"${SIGNATURE}"},`;
  const usage = usageText(message, draftTokens(draft));
  return (
    `{"id":"msg_${stamp.id}","type":"message","role":"assistant","model":${message.model},` +
    `"content":[${thinking}{"type":"text","text":"${draft.pieces.join("")}"}],` +
    `${stopMembers(draft)}${usage === null ? "" : `,"usage":${usage}`}}`
  );
}

/**
 * message_start gives the input usage and a placeholder of one output token; message_delta, near
 * the end, the cumulative output.
 */
function messageStream(message: Message, stamp: Stamp): Answer {
  const { draft } = message;
  const events: string[] = [];
  const tokensAfter: number[] = [];
  let tokens = 0;
  const send = (event: string) => {
    events.push(event);
    tokensAfter.push(tokens);
  };
  const startUsage = usageText(message, 1);
  send(
    `event: message_start\ndata: {"type":"message_start","message":{"id":"msg_${stamp.id}",` +
      `"type":"message","role":"assistant","model":${message.model},"content":[],` +
      `"stop_reason":null,"stop_sequence":null` +
      `${startUsage === null ? "" : `,"usage":${startUsage}`}}}\n\n`,
  );
  const sendBlock = (index: number, start: string, deltas: string[]) => {
    send(blockEvent("start", index, `"content_block":${start}`));
    if (index === 0) send(PING);
    for (const delta of deltas) {
      tokens += delta.includes("signature") ? 0 : 1;
      send(blockEvent("delta", index, `"delta":${delta}`));
    }
    send(blockEvent("stop", index, null));
  };
  if (draft.reasoningTokens > 0) {
    sendBlock(0, '{"type":"thinking","thinking":"","signature":""}', [
      ...thoughts(draft).map((piece) => `{"type":"thinking_delta","thinking":"${piece}"}`),
      `{"type":"signature_delta","signature":"${SIGNATURE}"}`,
    ]);
  }
  sendBlock(
    draft.reasoningTokens > 0 ? 1 : 0,
    '{"type":"text","text":""}',
    draft.pieces.map((piece) => `{"type":"text_delta","text":"${piece}"}`),
  );
  const endUsage = deltaUsage(message);
  send(
    `event: message_delta\ndata: {"type":"message_delta","delta":{${stopMembers(draft)}}` +
      `${endUsage === null ? "" : `,"usage":${endUsage}`}}\n\n`,
  );
  send(MESSAGE_STOP);
  return streamAnswer(events, tokensAfter, message.billed);
}

function blockEvent(what: "start" | "delta" | "stop", index: number, rest: string | null): string {
  const type = `content_block_${what}`;
  const members = rest === null ? "" : `,${rest}`;
  return `event: ${type}\ndata: {"type":"${type}","index":${index}${members}}\n\n`;
}

/** What the model thinks, one word per reasoning token. */
function thoughts(draft: Draft): string[] {
  return Array.from({ length: draft.reasoningTokens }, (_, i) => (i === 0 ? "hmm" : " hmm"));
}

function stopMembers(draft: Draft): string {
  const reason = STOP_REASONS[draft.finish];
  return `"stop_reason":"${reason}","stop_sequence":${JSON.stringify(draft.stopSequence)}`;
}

/** input_tokens leaves out what was read from the cache. */
function usageText(message: Message, outputTokens: number): string | null {
  const { settings, prompt } = message;
  if (settings.usage === "missing") return null;
  if (settings.usage === "null") return "null";
  if (settings.usage === "malformed") return MALFORMED;
  const zero = settings.usage === "zero";
  return JSON.stringify({
    input_tokens: zero ? 0 : prompt.total - prompt.cached,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: zero ? 0 : prompt.cached,
    cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
    output_tokens: zero ? 0 : outputTokens,
    service_tier: "standard",
  });
}

function deltaUsage(message: Message): string | null {
  const { settings } = message;
  if (settings.usage !== "honest" && settings.usage !== "zero") return usageText(message, 0);
  return `{"output_tokens":${settings.usage === "zero" ? 0 : draftTokens(message.draft)}}`;
}

function invalid(message: string): RequestError {
  return new RequestError(message, { type: "invalid_request_error" });
}
