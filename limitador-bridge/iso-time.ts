/**
 * Times as ISO 8601 text and back, with what the last second looks like remembered: every record
 * is written with its time and read by it several times, and most are of the same second.
 */
const MS_PER_SECOND = 1000;
/** What follows a second's text: milliseconds and Z. */
const REST = /^\d{3}Z$/;

let last = secondOf(0);

function secondOf(startMs: number): { startMs: number; text: string } {
  return { startMs, text: new Date(startMs).toISOString().slice(0, -"000Z".length) };
}

/**
 * As Date.prototype.toISOString.
 * @param ms since 1970, an integer
 * @throws RangeError for a time that no Date can have
 */
export function isoTime(ms: number): string {
  const restMs = ((ms % MS_PER_SECOND) + MS_PER_SECOND) % MS_PER_SECOND;
  if (ms - restMs !== last.startMs) last = secondOf(ms - restMs);
  return `${last.text}${String(restMs).padStart(3, "0")}Z`;
}

/** As Date.parse: ms since 1970, NaN for what is no time. */
export function parseIsoTime(text: string): number {
  if (!text.startsWith(last.text)) return Date.parse(text);
  const rest = text.slice(last.text.length);
  return REST.test(rest) ? last.startMs + Number.parseInt(rest, 10) : Date.parse(text);
}
