/** The text of a request body that becomes input tokens, in any of the LLM APIs. Pure. */

/** Members of a body that the model reads. */
const PROMPT_MEMBERS = [
  "messages",
  "prompt",
  "input",
  "inputs",
  "inputText",
  "contents",
  "message",
  "chat_history",
  "texts",
  "query",
  "documents",
  "instances",
  "system",
  "systemInstruction",
  "system_instruction",
  "instructions",
  "suffix",
  "preamble",
];
/** Described to the model in a form of the provider's own; their JSON is about as long. */
const SCHEMA_MEMBERS = ["tools", "functions", "response_format", "toolConfig", "output_config"];
/** Where all of that stands in a body. */
export const PROMPT_POINTERS: readonly string[] = [...PROMPT_MEMBERS, ...SCHEMA_MEMBERS].map(
  (name) => `/${name}`,
);
/** Names of members whose text is no prompt: kinds, ids, places and files. */
const NOT_TEXT = new Set([
  "type",
  "id",
  "tool_call_id",
  "tool_use_id",
  "call_id",
  "cache_control",
  "mime_type",
  "mimeType",
  "media_type",
  "format",
  "detail",
]);
/** Members that hold media; what they cost is known only to the provider. */
const MEDIA = new Set([
  "image",
  "image_url",
  "images",
  "input_audio",
  "audio",
  "file",
  "file_data",
  "inlineData",
  "inline_data",
  "fileData",
  "video",
  "source",
  "bytes",
]);
const MAX_DEPTH = 32;
/** OpenAI's chat format: what stands around each message, and before the answer. */
const MESSAGE_TOKENS = 3;
const ANSWER_TOKENS = 3;

/** Whether the model reads a body's member of this name. */
export function isPromptMember(name: string): boolean {
  return PROMPT_MEMBERS.includes(name);
}

export interface PromptText {
  texts: string[];
  /** Tokens of a chat's form, beside its texts. */
  overheadTokens: number;
  /** Media or schemas are in it, so that a count of the texts is not the whole truth. */
  isPartial: boolean;
  /** Media are in it. */
  hasMedia: boolean;
}

/** Collects the texts, each string by itself. */
export function promptText(body: Record<string, unknown>): PromptText {
  const found: PromptText = { texts: [], overheadTokens: 0, isPartial: false, hasMedia: false };
  for (const name of PROMPT_MEMBERS) collect(own(body, name), found, 0);
  for (const name of SCHEMA_MEMBERS) {
    const value = own(body, name);
    if (value === undefined || value === null) continue;
    found.texts.push(JSON.stringify(value));
    found.isPartial = true;
  }
  const messages = own(body, "messages");
  if (Array.isArray(messages)) {
    found.overheadTokens = messages.length * MESSAGE_TOKENS + ANSWER_TOKENS;
  }
  return found;
}

function own(body: Record<string, unknown>, name: string): unknown {
  return Object.hasOwn(body, name) ? body[name] : undefined;
}

function collect(value: unknown, found: PromptText, depth: number): void {
  if (typeof value === "string") {
    if (value !== "") found.texts.push(value);
    return;
  }
  if (typeof value !== "object" || value === null) return;
  if (depth >= MAX_DEPTH) {
    found.isPartial = true;
    return;
  }
  if (Array.isArray(value)) {
    for (const item of value) collect(item, found, depth + 1);
    return;
  }
  for (const [name, member] of Object.entries(value)) {
    if (MEDIA.has(name)) {
      found.isPartial = true;
      found.hasMedia = true;
    } else if (!NOT_TEXT.has(name)) collect(member, found, depth + 1);
  }
}
