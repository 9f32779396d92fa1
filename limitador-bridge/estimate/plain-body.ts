/** A request body that comes by itself, with nothing that says where it would be sent. Pure. */
import { isPromptMember } from "./preview-prompt.ts";

const CHAT_PATH = "/v1/chat/completions";

/** Whether an object is what an LLM API takes: it names a model, or has a prompt. */
export function isRequestBody(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return typeof own(value, "model") === "string" || Object.keys(value).some(isPromptMember);
}

/**
 * The path that such a body belongs to, where its members tell it for sure; else that of OpenAI's
 * chat completions.
 */
export function pathOfBody(body: Record<string, unknown>): string {
  const model = own(body, "model");
  if (Object.hasOwn(body, "contents") && typeof model === "string") {
    return `/v1beta/models/${encodeURIComponent(model)}:generateContent`;
  }
  // OpenAI's system prompt is a message.
  if (Object.hasOwn(body, "messages")) {
    return Object.hasOwn(body, "system") ? "/v1/messages" : CHAT_PATH;
  }
  if (Object.hasOwn(body, "prompt")) return "/v1/completions";
  if (!Object.hasOwn(body, "input")) return CHAT_PATH;
  return /embed/i.test(String(model)) ? "/v1/embeddings" : "/v1/responses";
}

function own(value: object, name: string): unknown {
  return Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
}
