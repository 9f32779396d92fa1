/** What the APIs of the simulator share: one request read, one answer composed. */
import type { SimulatorSettings } from "./settings.ts";

/** Where an answer's id and time come from. */
export interface Stamp {
  /** Unique within a run of the simulator, letters and digits. */
  id: string;
  createdS: number;
}

/** A whole answer, before it is sent. */
export interface Answer {
  model: string;
  contentType: string;
  /** A stream's events, framed with LF; a JSON answer has one. */
  events: string[];
  stream: boolean;
  inputTokens: number;
  outputTokens: number;
  /** Output tokens generated when `sent` events are out. Always all of them for JSON. */
  generatedAfter: (sent: number) => number;
}

/** The answer of an API to a request body, or a RequestError. */
export type Compose = (body: Body, settings: SimulatorSettings, stamp: Stamp) => Answer;

export type Body = Record<string, unknown>;

/** A request that the API refuses; each API has its own shape for it. */
export class RequestError extends Error {
  readonly status: number;
  readonly type: string | null;
  readonly param: string | null;
  readonly code: string | null;

  constructor(
    message: string,
    given: { status?: number; type?: string; param?: string; code?: string } = {},
  ) {
    super(message);
    this.status = given.status ?? 400;
    this.type = given.type ?? null;
    this.param = given.param ?? null;
    this.code = given.code ?? null;
  }
}

/** Answers with one JSON document. */
export function jsonAnswer(
  text: string,
  billed: { model: string; inputTokens: number; outputTokens: number },
): Answer {
  return {
    ...billed,
    contentType: "application/json",
    events: [text],
    stream: false,
    generatedAfter: () => billed.outputTokens,
  };
}

/** Answers with a stream; `tokensAfter[i]`: output tokens generated with events[i]. */
export function streamAnswer(
  events: string[],
  tokensAfter: number[],
  billed: { model: string; inputTokens: number; outputTokens: number },
): Answer {
  return {
    ...billed,
    contentType: "text/event-stream; charset=utf-8",
    events,
    stream: true,
    generatedAfter: (sent) => (sent === 0 ? 0 : (tokensAfter[sent - 1] ?? billed.outputTokens)),
  };
}

/** Prompt tokens and how many of them were cached: `cached` never exceeds `total`. */
export function promptUsage(
  counted: number,
  settings: SimulatorSettings,
): { total: number; cached: number } {
  const total = settings.promptTokens ?? counted;
  return { total, cached: Math.min(settings.cachedTokens, total) };
}

/** What goes on the bill: the truth, unless the provider is told to report zero. */
export function billedTokens(
  settings: SimulatorSettings,
  tokens: { inputTokens: number; outputTokens: number },
): { inputTokens: number; outputTokens: number } {
  return settings.usage === "zero" ? { inputTokens: 0, outputTokens: 0 } : tokens;
}
