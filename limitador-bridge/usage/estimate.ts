/** What an exchange used where its provider does not say: from bytes, and never nothing. */
import type { Ratios } from "../estimate/ratios.ts";
import { type Capture, isCumulative, sentRequest } from "./capture.ts";
import { isImageByTokens, TOKENS_PER_IMAGE } from "./images.ts";
import { inputTotal, noTokens, outputTotal, type TokenCounts } from "./normal-form.ts";
import type { Reading } from "./reading.ts";
import { TEXTLESS_APIS } from "./textless-apis.ts";

const FIRST_ERROR_STATUS = 400;
/** Bytes of a body that the filter could not read, for each byte of text that is in it. */
const OPAQUE_STREAM_FACTOR = 8;
const OPAQUE_BODY_FACTOR = 2;
/** Speech has about 2.5 words a second, of 6 bytes. */
const SPOKEN_BYTES_PER_SECOND = 15;
/** The API makes no more at once. */
const MOST_IMAGES = 10;

/** Whose answers may be text, vectors or images, in shapes that the models choose. */
const ANY_SHAPE = "vertex.predict";
const SPEECH_TO_TEXT = new Set(["openai.audio.transcriptions", "openai.audio.translations"]);

export interface Estimated {
  tokens: TokenCounts;
  otherUnits: Record<string, number>;
}

/**
 * Estimates what is missing. What a reading that is not the last word says is a lower bound, and
 * its input counts as it is where it is known.
 */
export function estimateUsage(
  capture: Capture,
  reading: Reading | null,
  ratios: Ratios,
  model: string | null,
): Estimated {
  const { llm } = capture.record;
  const tokens = { ...(reading?.tokens ?? noTokens()) };
  const otherUnits = { ...reading?.otherUnits };
  if (SPEECH_TO_TEXT.has(capture.api)) {
    // The request is sound: its bytes say nothing of tokens.
    const seconds = Math.ceil(outputText(capture) / SPOKEN_BYTES_PER_SECOND);
    otherUnits.audio_seconds = Math.max(1, otherUnits.audio_seconds ?? seconds);
  }
  const inputKnown = reading?.inputKnown === true || SPEECH_TO_TEXT.has(capture.api);
  const inputEstimate = inputKnown ? 0 : ratios.inputTokens(model, llm.inputBytes);
  tokens.inputText += Math.max(0, inputEstimate - inputTotal(tokens));
  const isKnown = isCumulative(capture.record) && outputTotal(tokens) > 0;
  const fromBytes = isKnown ? 0 : estimatedOutput(capture, ratios, model);
  const outputEstimate = Math.min(fromBytes, outputLimit(capture));
  tokens.outputText += Math.max(0, outputEstimate - outputTotal(tokens));
  tokens.outputImage += Math.max(0, estimatedImages(capture) - outputTotal(tokens));
  if (inputTotal(tokens) + outputTotal(tokens) === 0) tokens.inputText = 1;
  return { tokens, otherUnits };
}

/** Tokens of the images that were asked for, where any answer came. */
function estimatedImages(capture: Capture): number {
  const { status, llm } = capture.record;
  const isAnswer = status > 0 && status < FIRST_ERROR_STATUS && hasBegun(capture);
  if (!isAnswer || !isImageByTokens(sentRequest(capture.record))) return 0;
  return TOKENS_PER_IMAGE * Math.min(MOST_IMAGES, Math.max(1, llm.choices));
}

function hasBegun({ record }: Capture): boolean {
  return (record.responseBytes ?? 0) > 0 || (record.events ?? 0) > 0;
}

function estimatedOutput(capture: Capture, ratios: Ratios, model: string | null): number {
  const { record, api } = capture;
  // An error that is estimated is the proxy's own: none of its bytes are the model's.
  if (record.status === 0 || record.status >= FIRST_ERROR_STATUS) return 0;
  const text = outputText(capture);
  if (text > 0) return ratios.outputTokens(model, text);
  if (api === ANY_SHAPE || TEXTLESS_APIS.has(api)) return 0;
  const bytes = record.responseBytes ?? 0;
  if (record.framing === "opaque") {
    const factor = capture.streamed ? OPAQUE_STREAM_FACTOR : OPAQUE_BODY_FACTOR;
    return ratios.outputTokens(model, bytes / factor);
  }
  // Something came, with no text in it: a beginning, or a call of a tool.
  return hasBegun(capture) ? 1 : 0;
}

/** Bytes of text. A transcript as plain text or subtitles is text as a whole. */
function outputText({ api, record, textBytes, usage }: Capture): number {
  const isPlain = SPEECH_TO_TEXT.has(api) && record.framing !== "json";
  return isPlain && textBytes + usage.length === 0 ? (record.responseBytes ?? 0) : textBytes;
}

/** The request's own limit bounds what can have come, where the API that takes it is known. */
function outputLimit({ record: { llm } }: Capture): number {
  if (llm.maxOutputTokens === null || llm.api === null) return Number.MAX_SAFE_INTEGER;
  return Math.max(1, llm.maxOutputTokens * Math.max(1, llm.choices));
}
