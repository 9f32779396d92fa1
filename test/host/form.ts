/** Forms with files (RFC 7578), and what the filter reads in them. */
import { expect } from "vitest";
import type { LlmRequest } from "../../limitador-bridge/contract/filter.ts";
import type { Host, Stream } from "./host.ts";
import { admit, makeFilterConfig, open, startTollgate } from "./tollgate.ts";

const PATH = "/v1/audio/transcriptions";
export const TYPE = "multipart/form-data; boundary=B";

export const field = (name: string, value: string) =>
  `Content-Disposition: form-data; name="${name}"\r\n\r\n${value}`;
export const MODEL = field("model", "whisper-1");
export const FILE =
  'Content-Disposition: form-data; name="file"; filename="speech.wav"\r\n' +
  "Content-Type: audio/wav\r\n\r\nRIFF\0\xff\r\n\r\n--\r\n--b\r\r\n--";

/** The parts between boundaries, as Latin-1. */
export const form = (...parts: string[]) =>
  Buffer.from(`${parts.map((part) => `--B\r\n${part}\r\n`).join("")}--B--\r\n`, "latin1");

/** How a body is cut, by how many bytes a piece has. */
export type Cutting = (left: number) => number;
export const whole: Cutting = (left) => left;

/** Sends a form, cut into pieces. */
export function send(host: Host, body: Buffer, type = TYPE, cutting = whole, path = PATH): Stream {
  const stream = open(host, body, { path, headers: { "content-type": type } });
  for (let at = 0; at < body.length; ) {
    const size = cutting(body.length - at);
    stream.requestBody(body.subarray(at, at + size), at + size >= body.length);
    at += size;
  }
  return stream;
}

/** What the service is asked of a form, which then goes on as it came. */
export function asked(body: Buffer, type = TYPE, cutting = whole): LlmRequest {
  const request = { ...makeFilterConfig().request, body: ["/user", '/we"ird', "/a/b"] };
  const host = startTollgate({ filterConfig: { request } });
  const stream = send(host, body, type, cutting);
  const { llm } = admit(host);
  expect(stream.upstream.body.equals(body)).toBe(true);
  return llm;
}

export const modelOf = (body: Buffer | string, type = TYPE) =>
  asked(Buffer.from(body as string, "latin1"), type).model;

/** What the service is told of a form with `MODEL` and files alone, but for its size. */
export const READ = {
  api: "openai.audio.transcriptions",
  model: "whisper-1",
  stream: false,
  maxOutputTokens: null,
  choices: 1,
  rewritable: false,
};
