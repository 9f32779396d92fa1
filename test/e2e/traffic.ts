/** LLM requests with a known number of tokens. */
import { randomUUID } from "node:crypto";
import { type Reply, type SendOptions, send } from "./client.ts";

export const CHAT_PATH = "/v1/chat/completions";
export const MESSAGES_PATH = "/v1/messages";
/** Words of the prompts below: what the simulator counts. */
export const PROMPT_TOKENS = 5;
/** What the simulator writes when not told otherwise. */
export const OUTPUT_TOKENS = 20;

export const CHAT = {
  model: "gpt-4o-mini",
  messages: [{ role: "user", content: "How many words is this?" }],
};
export const MESSAGE = { ...CHAT, model: "claude-sonnet-4-5", max_tokens: 1000 };

export interface Asked {
  requestId: string;
  reply: Reply;
}

/** Sends a request that is one user's, with a request id of its own. */
export async function ask(
  proxyUrl: string,
  given: SendOptions & { path?: string; user?: string },
): Promise<Asked> {
  const { path = CHAT_PATH, user = "ann", headers, ...rest } = given;
  const requestId = randomUUID();
  const reply = await send(proxyUrl + path, {
    body: CHAT,
    ...rest,
    headers: { "x-user": user, "x-request-id": requestId, ...headers },
  });
  return { requestId, reply };
}
