/** Recorded exchanges, as shared with the corpus (its README describes the format). */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { PROJECT_ROOT } from "./harness.ts";

export interface Expectation {
  kind: "final" | "partial" | "error" | "uncharged" | "other_units";
  model: string | null;
  model_from?: string;
  input_tokens: number | null;
  output_tokens: number | null;
  cache_read_tokens: number | null;
  cache_write_tokens: number | null;
  reasoning_tokens: number | null;
  at_least?: { input_tokens: number; output_tokens: number };
  other_units?: Record<string, number>;
  extra_lines?: { model: string; input_tokens: number; output_tokens: number }[];
  cost_usd?: string;
}

export interface CorpusCase {
  id: string;
  provider: string;
  api: string;
  stream: boolean;
  cut_from?: string;
  request: { method: string; path: string; headers?: Record<string, string>; body: unknown };
  response: {
    status: number;
    headers: Record<string, string>;
    body?: string;
    body_base64?: string;
  };
  expect: Expectation;
}

/** The corpus folder: TOLLGATE_CORPUS, else beside the project; null where there is none. */
export function corpusFolder(): string | null {
  const folder = resolve(PROJECT_ROOT, process.env.TOLLGATE_CORPUS || "../shared/corpus");
  return existsSync(join(folder, "cases")) ? folder : null;
}

/** All cases of a folder that has `cases/*.json`, or is that folder itself; sorted by file. */
export function readCorpus(folder: string): CorpusCase[] {
  const inner = join(folder, "cases");
  const cases = existsSync(inner) ? inner : folder;
  return readdirSync(cases)
    .filter((name) => name.endsWith(".json") && name !== "index.json")
    .sort()
    .map((name) => JSON.parse(readFileSync(join(cases, name), "utf8")) as CorpusCase);
}

/** The recorded response body, byte for byte. */
export function bodyOf(given: Pick<CorpusCase, "response">): Buffer {
  const { body, body_base64: base64 } = given.response;
  return base64 === undefined ? Buffer.from(body ?? "") : Buffer.from(base64, "base64");
}

/** The request to send; where the source has none, the least that the API takes. */
export function requestBodyOf(given: CorpusCase): unknown {
  if (given.request.body !== null) return given.request.body;
  const model = given.expect.model_from === "request" ? given.expect.model : "model-not-recorded";
  const prompt = "What was asked is not recorded.";
  const messages = [{ role: "user", content: prompt }];
  switch (given.api) {
    case "generateContent":
      return { contents: [{ role: "user", parts: [{ text: prompt }] }] };
    case "converse":
      return { messages: [{ role: "user", content: [{ text: prompt }] }] };
    case "invoke":
      return { max_tokens: 1000, messages };
    case "responses":
    case "embeddings":
      return { model, input: prompt, stream: given.stream };
    case "images":
    case "completions":
    case "ollama.generate":
      return { model, prompt, stream: given.stream };
    default:
      return { model, messages, stream: given.stream };
  }
}
