/** What must hold of the bytes that a client gets: all of the upstream's but the usage chunk. */

const LINE = /\r\n|\r|\n/g;

/** Ends the one choice of an answer, so that the usage chunk may follow. */
export const FINISH_CHUNK = '{"choices":[{"delta":{},"finish_reason":"stop"}]}';

interface Event {
  bytes: Buffer;
  data: string;
}

/**
 * Throws unless `got` is `sent` without usage chunks.
 * @param isWhole false: what has not come to its end may be missing at the end
 * @param isSse the filter has read it as events, so that no usage chunk may be there
 */
export function checkWithoutUsage(
  sent: Buffer,
  got: Buffer,
  isWhole: boolean,
  isSse: boolean,
): void {
  const { events, rest } = eventsOf(sent);
  let at = 0;
  let mayBeOpen = false;
  for (const { bytes, data } of events) {
    if (got.subarray(at, at + bytes.length).equals(bytes)) {
      at += bytes.length;
      if (isSse && !mayBeOpen && isPlainUsageChunk(bytes, data)) {
        throw new Error(`the usage chunk is there: ${JSON.stringify(sent.toString("latin1"))}`);
      }
    } else if (!mayBeUsageChunk(data)) {
      if (!isWhole && at === got.length && bytes === events.at(-1)?.bytes) return;
      throw new Error(`an event is missing or changed: ${JSON.stringify(data.slice(0, 300))}`);
    }
    mayBeOpen = data !== FINISH_CHUNK && (mayBeOpen || mayTellFinish(data));
  }
  const end = got.subarray(at);
  // A usage chunk that no blank line ends is one all the same.
  if (isSse && isWhole && end.length === 0 && isWholeUsageChunk(rest)) return;
  if (end.equals(rest) || (!isWhole && rest.subarray(0, end.length).equals(end))) return;
  throw new Error(`the end is ${end.toString("latin1")}, not ${rest.toString("latin1")}`);
}

/** Blocks that a blank line ended (WHATWG HTML, 9.2.6), and what follows the last of them. */
function eventsOf(bytes: Buffer): { events: Event[]; rest: Buffer } {
  const text = bytes.toString("latin1").replace(/^\xef\xbb\xbf/, "   ");
  const events: Event[] = [];
  let lines: string[] = [];
  let start = 0;
  let lineStart = 0;
  for (const match of text.matchAll(LINE)) {
    const line = text.slice(lineStart, match.index);
    lineStart = match.index + match[0].length;
    if (line.replace(/^ {3}/, "") !== "") {
      lines.push(line.replace(/^ {3}/, ""));
    } else if (lines.length > 0) {
      events.push({ bytes: bytes.subarray(start, lineStart), data: dataOf(lines) });
      lines = [];
      start = lineStart;
    }
  }
  return { events, rest: bytes.subarray(start) };
}

function dataOf(lines: string[]): string {
  return lines
    .filter((line) => line === "data" || line.startsWith("data:"))
    .map((line) => line.slice(line[5] === " " ? 6 : 5))
    .join("\n");
}

function isWholeUsageChunk(rest: Buffer): boolean {
  const data = dataOf(rest.toString("latin1").split(LINE));
  return mayBeUsageChunk(data) && isJson(data);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The chunk as OpenAI sends it, which no filter may fail to know. */
function isPlainUsageChunk(bytes: Buffer, data: string): boolean {
  const isOther = bytes.length > 8000 || data.includes('"bytes"');
  if (isOther || !data.startsWith('{"choices":[],"usage":{')) return false;
  return isJson(data);
}

/** A finish reason, or a document in base64, which may have one. */
function mayTellFinish(data: string): boolean {
  const text = plainText(data);
  return text.includes("finish_reason") || text.includes('"bytes"');
}

/** Without escapes. */
function plainText(data: string): string {
  return data
    .replace(/\\u00([0-9a-f]{2})/g, (_all, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
    .replaceAll("\\", "");
}

/** No choices, and usage: of data that is no JSON the words are enough. */
function mayBeUsageChunk(data: string): boolean {
  const text = plainText(data);
  // A document in base64 within the event counts as part of it.
  if (text.includes('"bytes"')) return true;
  return (
    /"choices"\s*:\s*\[\s*\]/.test(text) && /usage|metrics|billed_units|statistics/i.test(text)
  );
}
