/**
 * What the filter has to capture, done the plain way: whole bodies, full parsers, the pointer
 * lists applied to every document. Its records are what settlements are tested with.
 */
import type {
  ApiRoute,
  LlmRequest,
  SettlementRecord,
} from "../../limitador-bridge/contract/filter.ts";
import { CAPTURE } from "../../limitador-bridge/usage/capture-pointers.ts";
import { splitDocuments } from "./documents.ts";

export interface Exchange {
  request: { method: string; path: string; body: unknown };
  response: {
    status: number;
    headers: Record<string, string>;
    body?: string | null;
    body_base64?: string | null;
  };
}

/** Of each usage pointer the first two and the last two objects are kept; with a `*`, more. */
const KEPT_FIRST = 2;
const keptLast = (pointer: string) => (pointer.includes("*") ? 253 : 2);
const MAX_FACT_BYTES = 512;
const MAX_USAGE_BYTES = 16_384;
/** Stands for what is longer. */
const TOO_LONG = true;

function kept(value: unknown, maxBytes: number): unknown {
  return Buffer.byteLength(JSON.stringify(value)) > maxBytes ? TOO_LONG : value;
}

/** The settlement that the filter sends for an exchange. */
export function referenceCapture(
  exchange: Exchange,
  outcome: SettlementRecord["outcome"] = "ok",
): SettlementRecord {
  const { request, response } = exchange;
  const body = bodyBytes(response);
  const { framing, documents, done } = splitDocuments(body, response.headers);
  const all = documents.flatMap(withBase64);
  const { usage, usagePointers } = usageIn(all);
  const text = textIn(all);
  return {
    id: "reference",
    reservation: null,
    timeMs: 0,
    durationMs: 0,
    attributes: { "request.path": request.path.split("?")[0] },
    llm: llmRequest(request),
    status: response.status,
    outcome,
    framing,
    usage,
    usagePointers,
    facts: factsIn(all),
    text,
    responseHeaders: headersIn(response.headers),
    outputBytes: Object.values(text).reduce((total, bytes) => total + bytes, 0),
    responseBytes: body.length,
    events: documents.length,
    done,
  };
}

function bodyBytes({ body, body_base64: base64 }: Exchange["response"]): Buffer {
  return base64 == null ? Buffer.from(body ?? "") : Buffer.from(base64, "base64");
}

/** A document and those that stand in its base64 strings. */
function withBase64(document: unknown): unknown[] {
  const inner = CAPTURE.response.base64.flatMap((pointer) => valuesAt(document, pointer));
  return [
    document,
    ...inner.flatMap((value) => {
      if (typeof value !== "string") return [];
      try {
        return [JSON.parse(Buffer.from(value, "base64").toString("utf8"))];
      } catch {
        return [];
      }
    }),
  ];
}

function usageIn(documents: unknown[]): { usage: unknown[]; usagePointers: string[] } {
  const seen = documents.flatMap((document) =>
    CAPTURE.response.usage.flatMap((pointer) =>
      valuesAt(document, pointer)
        .filter((value) => value !== null)
        .map((value) => ({ pointer, value })),
    ),
  );
  const told = seen.filter((each) => {
    const same = seen.filter(({ pointer }) => pointer === each.pointer);
    const place = same.indexOf(each);
    return place < KEPT_FIRST || place >= same.length - keptLast(each.pointer);
  });
  return {
    usage: told.map(({ value }) => kept(value, MAX_USAGE_BYTES)),
    usagePointers: told.map(({ pointer }) => pointer),
  };
}

function factsIn(documents: unknown[]): Record<string, unknown> {
  const facts: Record<string, unknown> = {};
  for (const document of documents) {
    for (const pointer of CAPTURE.response.facts) {
      const value = valuesAt(document, pointer).findLast(
        (each) => each !== null && each !== "" && !isNested(each),
      );
      if (value !== undefined) facts[pointer] = kept(value, MAX_FACT_BYTES);
    }
  }
  return facts;
}

function isNested(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

function textIn(documents: unknown[]): Record<string, number> {
  const text: Record<string, number> = {};
  for (const document of documents) {
    for (const pointer of CAPTURE.response.text) {
      for (const value of valuesAt(document, pointer)) {
        if (typeof value !== "string" || value === "") continue;
        text[pointer] = (text[pointer] ?? 0) + Buffer.byteLength(value);
      }
    }
  }
  return text;
}

function headersIn(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    CAPTURE.response.headers.flatMap((name) => {
      const value = headers[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** All values at a JSON pointer (RFC 6901) in which `*` stands for any array index. */
export function valuesAt(document: unknown, pointer: string): unknown[] {
  let values = [document];
  for (const key of pointer.split("/").slice(1)) {
    values = values.flatMap((value) => {
      if (key === "*") return Array.isArray(value) ? value : [];
      const isKeyed = typeof value === "object" && value !== null && !Array.isArray(value);
      return isKeyed && Object.hasOwn(value, key) ? [(value as Record<string, unknown>)[key]] : [];
    });
  }
  return values;
}

function llmRequest(request: Exchange["request"]): LlmRequest {
  const first = (pointers: string[], type: string) =>
    pointers
      .flatMap((pointer) => valuesAt(request.body, pointer))
      .find((value) => typeof value === type);
  const largest = <T>(pointers: string[], none: T) => {
    const told = pointers.flatMap((pointer) => valuesAt(request.body, pointer));
    const numbers = told.filter((value) => typeof value === "number");
    return numbers.length === 0 ? none : Math.max(...numbers);
  };
  const { route, model } = matchRoute(request.method, request.path);
  const limits = route?.outputLimits ?? -1;
  return {
    api: route?.api ?? null,
    model: (first(CAPTURE.request.model, "string") as string | undefined) ?? model,
    stream: first(CAPTURE.request.stream, "boolean") === true || route?.stream === true,
    maxOutputTokens: largest(
      CAPTURE.request.maxOutputTokens.filter((_, at) => (limits >> at) & 1),
      null,
    ),
    choices: largest(CAPTURE.request.choices, 1),
    inputBytes: request.body == null ? 0 : Buffer.byteLength(JSON.stringify(request.body)),
  };
}

/** The first route whose pattern is a suffix of the path, and the model in the path. */
export function matchRoute(
  method: string,
  path: string,
): { route: ApiRoute | null; model: string | null } {
  const [clean = ""] = path.split("?");
  for (const route of CAPTURE.apis) {
    if ((route.method ?? "POST") !== method) continue;
    const source = route.path
      .replace(/[.+?^$()|[\]\\]/g, "\\$&")
      .replaceAll("*", "[^/]+")
      .replace("{model}", "(?<model>[^/]+)");
    const match = new RegExp(`${source}$`).exec(clean);
    if (match !== null) return { route, model: match.groups?.model ?? null };
  }
  return { route: null, model: null };
}
