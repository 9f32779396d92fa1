/** One simulator for a test file, its requests, and what they report. */
import { afterAll, beforeAll, beforeEach } from "vitest";
import { type Simulator, startSimulator } from "../../../limitador-bridge/simulator/simulator.ts";
import { type Reply, type SendOptions, send } from "../../e2e/client.ts";

/** Twenty words: what the simulator writes when not told otherwise. */
export const TEXT =
  "Tokens are counted as they pass and every word here is one token " +
  "so that a test can predict them";
/** Six words. */
export const CHAT = {
  model: "gpt-4o-mini",
  messages: [
    { role: "system", content: "Be brief." },
    { role: "user", content: [{ type: "text", text: "What is a token?" }] },
  ],
};
/** Six words. */
export const MESSAGE = {
  model: "claude-sonnet-4-5",
  max_tokens: 100,
  system: "Be brief.",
  messages: [{ role: "user", content: "What is a token?" }],
};

export interface Running {
  bill: () => ReturnType<Simulator["bill"]["view"]>;
  /** Posts with a fixed id, so that bodies can be compared. */
  post: (path: string, body: unknown, headers?: Record<string, string>) => Promise<Reply>;
  request: (path: string, options?: SendOptions) => Promise<Reply>;
}

/** Starts before the file's tests, ends after them, and clears the bill before each. */
export function useSimulator(): Running {
  let simulator: Simulator;
  beforeAll(async () => {
    simulator = await startSimulator({ host: "127.0.0.1", port: 0 });
  });
  beforeEach(() => simulator.bill.reset());
  afterAll(() => simulator.close());
  const request = (path: string, options: SendOptions = {}) =>
    send(`http://127.0.0.1:${simulator.port}${path}`, options);
  return {
    bill: () => simulator.bill.view(),
    request,
    post: (path, body, headers = {}) =>
      request(path, { body, headers: { "x-sim-id": "fixed", ...headers } }),
  };
}

export function usageOf(reply: Reply): unknown {
  return (JSON.parse(reply.text) as { usage?: unknown }).usage;
}

/** OpenAI's usage object. */
export function openAiUsage(prompt: number, completion: number, cached = 0, reasoning = 0): object {
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: cached, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: reasoning,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}
