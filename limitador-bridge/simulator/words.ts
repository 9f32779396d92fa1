/**
 * The simulator's language: a token is a word. Input tokens are the words between white space of
 * all message texts, the system text included; output is a fixed sentence, over and over.
 */
import type { SimulatorSettings } from "./settings.ts";

const SENTENCE =
  "Tokens are counted as they pass and every word here is one token " +
  "so that a test can predict them";
const PIECES = SENTENCE.split(" ").map((word) => ` ${word}`);
const FIRST_PIECE = SENTENCE.slice(0, SENTENCE.indexOf(" "));

/** What the model writes for one choice. */
export interface Draft {
  /** One per text token, each with the space before it; plain ASCII, safe inside JSON. */
  pieces: string[];
  reasoningTokens: number;
  finish: "end" | "length" | "stop";
  /** The stop sequence that ended it. */
  stopSequence: string | null;
}

/** Words in a text, in an array of content parts, or in anything that nests them. */
export function countWords(content: unknown): number {
  if (typeof content === "string") return content.match(/\S+/g)?.length ?? 0;
  if (Array.isArray(content)) {
    return content.reduce<number>((sum, part) => sum + countWords(part), 0);
  }
  if (typeof content !== "object" || content === null) return 0;
  const part = content as { text?: unknown; content?: unknown };
  return countWords(part.text) + countWords(part.content);
}

/**
 * Writes one choice of at most `maxTokens` tokens, reasoning first. A token that a stop sequence
 * cuts in the middle was generated and counts.
 */
export function writeDraft(
  settings: SimulatorSettings,
  maxTokens: number | null,
  stops: string[],
): Draft {
  const room = maxTokens ?? Number.MAX_SAFE_INTEGER;
  const reasoningTokens = Math.min(settings.reasoningTokens, room);
  const textTokens = Math.min(settings.outputTokens, room - reasoningTokens);
  const cutByLength = settings.reasoningTokens + settings.outputTokens > room;
  const pieces = Array.from({ length: textTokens }, (_, i) => pieceAt(i));
  return stopAt(pieces, stops, {
    pieces,
    reasoningTokens,
    finish: cutByLength ? "length" : "end",
    stopSequence: null,
  });
}

/** Output tokens of a choice, reasoning included. */
export function draftTokens(draft: Draft): number {
  return draft.reasoningTokens + draft.pieces.length;
}

function pieceAt(i: number): string {
  return i === 0 ? FIRST_PIECE : (PIECES[i % PIECES.length] as string);
}

function stopAt(pieces: string[], stops: string[], draft: Draft): Draft {
  if (stops.length === 0) return draft;
  const text = pieces.join("");
  let first: { at: number; stop: string } | null = null;
  for (const stop of stops) {
    const at = stop === "" ? -1 : text.indexOf(stop);
    if (at >= 0 && (first === null || at < first.at)) first = { at, stop };
  }
  if (first === null) return draft;
  const kept: string[] = [];
  let left = first.at;
  for (const piece of pieces) {
    if (left <= 0) break;
    kept.push(piece.slice(0, left));
    left -= piece.length;
  }
  return { ...draft, pieces: kept, finish: "stop", stopSequence: first.stop };
}
