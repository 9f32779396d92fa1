/** What is billed by the piece or by time: images, seconds of audio, pages. */
import { type Capture, sentRequest } from "../capture.ts";
import { figuresOf, type RawObject, valueAt } from "../figures.ts";
import { IMAGES_API, isImageByTokens } from "../images.ts";
import { emptyReading, type Reading } from "../reading.ts";

/** OpenAI's transcription usage of type "duration". */
export function readDuration(objects: { value: RawObject }[]): Reading {
  return secondsReading(valueAt(objects.at(-1)?.value, "seconds"));
}

/** Mistral's `usage_info` of OCR. */
export function readPages(objects: { value: RawObject }[]): Reading {
  const pages = figuresOf(objects.at(-1)?.value ?? {}).main("pages_processed");
  const otherUnits = pages === undefined ? {} : { pages };
  return { ...emptyReading(), otherUnits, final: pages !== undefined, inputKnown: true };
}

/** Media APIs that answer without usage; null where nothing tells what was made. */
export function readUnreportedMedia(capture: Capture): Reading | null {
  const { api, record } = capture;
  if (api === IMAGES_API) {
    const otherUnits = { images: Math.max(1, record.llm.choices) };
    // Only an answer that came whole, of a model that is sold by the image, tells what was made.
    const isWhole = record.outcome === "ok" && (record.events ?? 0) > 0;
    const final = isWhole && record.framing === "json" && !isImageByTokens(sentRequest(record));
    return { ...emptyReading(), otherUnits, final, inputKnown: final };
  }
  const isAudio = api === "openai.audio.transcriptions" || api === "openai.audio.translations";
  const duration = capture.fact("/duration");
  return isAudio && duration !== undefined ? secondsReading(duration) : null;
}

/** Billed seconds are whole: what is begun counts. */
function secondsReading(seconds: unknown): Reading {
  const valid = typeof seconds === "number" && seconds >= 0 && seconds <= Number.MAX_SAFE_INTEGER;
  const otherUnits = valid && seconds > 0 ? { audio_seconds: Math.ceil(seconds) } : {};
  return { ...emptyReading(), otherUnits, final: valid, inputKnown: valid };
}
