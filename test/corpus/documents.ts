/** Splits recorded response bodies into JSON documents, with plain parsers of the whole body. */
import { crc32, gunzipSync } from "node:zlib";

export type Framing = "none" | "json" | "sse" | "eventstream" | "opaque";

export interface Documents {
  framing: Framing;
  documents: unknown[];
  done: boolean;
}

/** The documents of a body, as its headers and first bytes say that it is framed. */
export function splitDocuments(body: Buffer, headers: Record<string, string>): Documents {
  const none = { documents: [], done: false };
  if (body.length === 0) return { framing: "none", ...none };
  const plain = headers["content-encoding"]?.toLowerCase() === "gzip" ? gunzipSync(body) : body;
  if (headers["content-type"]?.startsWith("application/vnd.amazon.eventstream")) {
    return { framing: "eventstream", documents: frames(plain).flatMap(parse), done: false };
  }
  const text = plain.toString("utf8").replace(/^\uFEFF/, "");
  const first = text.trimStart()[0];
  if (first === "{" || first === "[") {
    return { framing: "json", documents: jsonDocuments(text), done: false };
  }
  if (!/^\s*((data|event|id|retry)?:)/.test(text)) return { framing: "opaque", ...none };
  const data = sseData(text);
  return {
    framing: "sse",
    documents: data.flatMap(parse),
    done: data.some((each) => each.trim() === "[DONE]"),
  };
}

/** One document, the elements of one array, or a document a line. */
function jsonDocuments(text: string): unknown[] {
  const whole = parse(text);
  if (whole.length === 0) return text.split("\n").flatMap(parse);
  return Array.isArray(whole[0]) ? whole[0] : whole;
}

/** The data of each event that an empty line ended. */
function sseData(text: string): string[] {
  const lines = text.split(/\r\n|\r|\n/);
  const events: string[] = [];
  let data: string[] = [];
  for (const line of lines) {
    if (line.startsWith("data:")) data.push(line.slice(line[5] === " " ? 6 : 5));
    if (line !== "" || data.length === 0) continue;
    events.push(data.join("\n"));
    data = [];
  }
  return events;
}

/** Payloads of AWS event stream frames: lengths, checksum, headers, payload, checksum. */
function frames(bytes: Buffer): string[] {
  const payloads: string[] = [];
  for (let at = 0; at + 16 <= bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    if (length < 16 || at + length > bytes.length) break;
    const body = bytes.subarray(at, at + length - 4);
    if (crc32(body) !== bytes.readUInt32BE(at + length - 4)) break;
    payloads.push(body.subarray(12 + bytes.readUInt32BE(at + 4)).toString("utf8"));
    at += length;
  }
  return payloads;
}

function parse(text: string): unknown[] {
  try {
    return [JSON.parse(text)];
  } catch {
    return [];
  }
}
