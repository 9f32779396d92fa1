/** The thread that counts tokens: answers each job with its count. */
import { parentPort } from "node:worker_threads";
import { Tiktoken } from "js-tiktoken/lite";
import { chunksOf } from "./token-worker-chunks.ts";
import type { Encoding } from "./token-worker-models.ts";

/** Without texts the tokenizer is only made ready, which takes a second or more. */
export interface TokenJob {
  id: number;
  encoding: Encoding;
  texts: string[];
}
export interface TokenCount {
  id: number;
  tokens: number;
}

const RANKS = {
  cl100k_base: () => import("js-tiktoken/ranks/cl100k_base"),
  o200k_base: () => import("js-tiktoken/ranks/o200k_base"),
};
const encoders = new Map<Encoding, Promise<Tiktoken>>();

/** Tables are large, so that one is made once. */
function encoderOf(encoding: Encoding): Promise<Tiktoken> {
  let encoder = encoders.get(encoding);
  if (encoder === undefined) {
    encoder = RANKS[encoding]().then((ranks) => new Tiktoken(ranks.default));
    encoders.set(encoding, encoder);
  }
  return encoder;
}

parentPort?.on("message", async ({ id, encoding, texts }: TokenJob) => {
  const encoder = await encoderOf(encoding);
  let tokens = 0;
  for (const text of texts) {
    // What looks like a special token is text: clients write it.
    for (const chunk of chunksOf(text)) tokens += encoder.encode(chunk, [], []).length;
  }
  parentPort?.postMessage({ id, tokens } satisfies TokenCount);
});
