/** Input tokens counted by the model's own tokenizer, where a budget asks for that. */
import type { LlmRequest } from "../contract/filter.ts";
import { promptText } from "./preview-prompt.ts";
import { type Encoding, encodingOf } from "./token-worker-models.ts";
import type { TokenCounter } from "./token-worker-pool.ts";

/** A decision waits no longer for a count; it is then made by what was learned. */
const MAX_WAIT_MS = 250;
/** JSON around the prompt, and members such as model and max_tokens. */
const FRAME_BYTES = 120;

/** Tokens of one encoding; other models' are not known by it. */
export interface CountedInput {
  encoding: Encoding;
  tokens: number;
}

/**
 * Counts the prompt. What the filter did not send (a member beyond 16 KiB) is counted by its bytes.
 * Null: the model's tokenizer is not published, media are in the prompt, or there is no time.
 * @param llm with the values at PROMPT_POINTERS in `body`
 * @param bytesPerToken as learned for the model
 */
export async function countInput(
  tokens: Pick<TokenCounter, "count">,
  { model, body, inputBytes }: LlmRequest,
  bytesPerToken: number,
): Promise<CountedInput | null> {
  const encoding = encodingOf(model);
  if (encoding === null || body === undefined) return null;
  const members = Object.fromEntries(
    Object.entries(body).map(([pointer, value]) => [pointer.slice(1), value]),
  );
  const prompt = promptText(members);
  if (prompt.hasMedia || prompt.texts.length === 0) return null;
  const counted = await inTime(tokens.count(encoding, prompt.texts));
  if (counted === null) return null;
  const unseenBytes = inputBytes - Buffer.byteLength(JSON.stringify(members)) - FRAME_BYTES;
  const unseen = Math.ceil(Math.max(0, unseenBytes) / bytesPerToken);
  return { encoding, tokens: counted + prompt.overheadTokens + unseen };
}

/** The count, where it is that of the model's tokenizer too; null: it is not. */
export function countedFor(counted: CountedInput | null, model: string | null): number | null {
  return counted !== null && encodingOf(model) === counted.encoding ? counted.tokens : null;
}

async function inTime(count: Promise<number | null>): Promise<number | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(resolve, MAX_WAIT_MS, null);
  });
  try {
    return await Promise.race([count, late]);
  } finally {
    clearTimeout(timer);
  }
}
