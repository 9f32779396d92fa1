/**
 * Responses that run in the background: accepted now, with their usage when they are fetched
 * (OpenAI Responses, Gemini Interactions).
 */
import type { Capture } from "./capture.ts";

const IDS = ["/response/id", "/interaction/id", "/id"];
const STATUSES = ["/response/status", "/interaction/status", "/status"];
const BACKGROUND = ["/response/background", "/interaction/background", "/background"];
const PENDING = new Set(["queued", "in_progress"]);
const RETRIEVALS = new Set(["openai.responses.retrieve", "gemini.interactions.retrieve"]);

export interface Background {
  /** The request fetches, or cancels, what an earlier one began. */
  retrieval: boolean;
  /** It runs in the background; its usage may come to sight more than once. */
  background: boolean;
  /** It has not come to its end. */
  pending: boolean;
  /** The response's id. */
  id: string | null;
}

/** What the facts say of a response's life. */
export function backgroundOf(capture: Capture): Background {
  return {
    retrieval: RETRIEVALS.has(capture.api),
    background: BACKGROUND.some((pointer) => capture.fact(pointer) === true),
    pending: PENDING.has(capture.textFact(STATUSES) ?? ""),
    id: capture.textFact(IDS),
  };
}
