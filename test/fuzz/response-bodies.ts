/** Response bodies in every framing that the filter reads. */

import { deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { damaged, frame, header } from "../unit/scan/frames.ts";
import { FINISH_CHUNK } from "./client-check.ts";
import { responseDocument, written } from "./documents.ts";
import { once, pick, type Random, randomBytes } from "./random.ts";

export interface Response {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
  /** Nothing is wrong with it, so that what is captured can be foretold. */
  isSound: boolean;
}
export type Framing = "json" | "sse" | "eventstream" | "gzip" | "bytes";

const LINE_ENDS = ["\n", "\r\n", "\r"];

export function soundResponse(random: Random, framing: Framing): Response {
  if (framing === "gzip") return compressed(random);
  const makers = { json: jsonBody, sse: sseBody, eventstream: frames, bytes: noise };
  const types = {
    json: "application/json",
    sse: "text/event-stream",
    eventstream: "application/vnd.amazon.eventstream",
    bytes: pick(random, ["text/html", "", "application/json", "text/event-stream"]),
  };
  return {
    status: 200,
    headers: { "content-type": types[framing] },
    body: makers[framing](random),
    isSound: framing !== "bytes",
  };
}

function documents(random: Random): Record<string, unknown>[] {
  return Array.from({ length: random(6) }, () => responseDocument(random));
}

/** One document, an array of them, or one a line. */
function jsonBody(random: Random): Buffer {
  const way = random(3);
  if (way === 0) return Buffer.from(written(random, responseDocument(random)));
  const list = documents(random);
  if (way === 1) return Buffer.from(written(random, list));
  const lines = [responseDocument(random), responseDocument(random), ...list];
  return Buffer.from(lines.map((each) => `${JSON.stringify(each)}\n`).join(""));
}

/** One event with the document as its data; over several lines where it is written so. */
function event(random: Random, data: string, end: string): string {
  const space = pick(random, ["", " "]);
  const lines = data.split("\n").map((line) => `data:${space}${line}${end}`);
  const extra = once(random, 5)
    ? pick(random, [": ping", "event: message", "id: 7", "retry: 5"])
    : "";
  return `${extra === "" ? "" : extra + end}${lines.join("")}${end}`;
}

function sseBody(random: Random): Buffer {
  const end = pick(random, LINE_ENDS);
  const list = [responseDocument(random), ...documents(random)];
  const events = list.map((each) => event(random, written(random, each), end));
  if (once(random, 2)) {
    const usage = { choices: [], usage: { prompt_tokens: 1, total_tokens: random(99) } };
    if (!once(random, 5)) events.push(event(random, FINISH_CHUNK, end));
    events.push(event(random, JSON.stringify(usage), end));
  }
  if (once(random, 2)) events.push(`data: [DONE]${end}${end}`);
  return Buffer.from((once(random, 4) ? "\ufeff" : "") + events.join(""));
}

function frames(random: Random): Buffer {
  const list = [responseDocument(random), ...documents(random)].map((each) => {
    const payload = JSON.stringify(each);
    const inner = { bytes: Buffer.from(payload).toString("base64"), p: "abc" };
    const text = once(random, 2) ? payload : JSON.stringify(inner);
    return frame(text, header(":event-type", "chunk"), header(":message-type", "event"));
  });
  return Buffer.concat(list);
}

function compressed(random: Random): Response {
  const plain = soundResponse(random, pick(random, ["json", "sse"] as const));
  const [encoding, compress] = pick(random, [
    ["gzip", gzipSync],
    ["gzip", gzipSync],
    ["x-gzip", gzipSync],
    ["deflate", deflateSync],
    ["deflate", deflateRawSync],
  ] as const);
  return {
    ...plain,
    headers: { ...plain.headers, "content-encoding": encoding },
    body: compress(plain.body, { level: random(10) }),
    isSound: encoding === "gzip" && plain.isSound,
  };
}

function noise(random: Random): Buffer {
  return randomBytes(random, random(600));
}

/** A frame whose checksum, length or headers are wrong, among others that are right. */
export function withDamagedFrame(random: Random, body: Buffer): Buffer {
  const broken = damaged(frame('{"usage":{"inputTokens":1}}'), random(40) - 20);
  return once(random, 2) ? Buffer.concat([broken, body]) : Buffer.concat([body, broken]);
}
