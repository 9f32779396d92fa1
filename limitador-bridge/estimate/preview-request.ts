/** A request body as the filter would have read it. Pure. */
import type { ApiRoute, FilterConfig, LlmRequest } from "../contract/filter.ts";

export type RequestPointers = Pick<
  FilterConfig["request"],
  "model" | "stream" | "maxOutputTokens" | "choices" | "prompt"
>;

export interface ReadParts {
  apis: readonly ApiRoute[];
  request: RequestPointers;
  /** Pointers that policies read with requestBodyJSON. */
  bodyPointers: readonly string[];
}

export interface AskedRequest {
  /** Named by the caller; null: told by the path. */
  api: string | null;
  /** null: not told. */
  path: string | null;
  body: Record<string, unknown>;
  /** Length of the body as it would be sent. */
  bodyBytes: number;
}

/** What the filter would tell the service of the request. */
export function llmRequest(asked: AskedRequest, { apis, request, bodyPointers }: ReadParts) {
  const { api, path, body } = asked;
  const route = path === null ? null : routeOf(path, apis);
  const first = (pointers: readonly string[]) =>
    pointers.map((pointer) => valueAt(body, pointer)).find((value) => value != null);
  const model = route?.model ?? first(request.model);
  const stream = route?.route.stream ?? first(request.stream);
  const choices = first(request.choices);
  const maxOutputTokens = first(request.maxOutputTokens);
  const values = bodyPointers.flatMap((pointer) => {
    const value = valueAt(body, pointer);
    return value === undefined ? [] : [[pointer, value]];
  });
  return {
    api: api ?? route?.route.api ?? null,
    model: typeof model === "string" && model !== "" ? model : null,
    stream: stream === true,
    maxOutputTokens: isCount(maxOutputTokens) ? maxOutputTokens : null,
    choices: isCount(choices) && choices > 0 ? choices : 1,
    inputBytes: asked.bodyBytes,
    ...(values.length === 0 ? {} : { body: Object.fromEntries(values) }),
  } satisfies LlmRequest;
}

/**
 * Whether the filter would meter the request: its API is known, or it is a POST of a model's name
 * and a prompt (see FilterConfig.request.prompt). Not told where: it is taken to be metered.
 */
export function isMetered(
  { api, path, body }: AskedRequest,
  { apis, request }: Pick<ReadParts, "apis" | "request">,
): boolean {
  if (api !== null || path === null || routeOf(path, apis) !== null) return true;
  const hasModel = request.model.some((pointer) => typeof valueAt(body, pointer) === "string");
  return hasModel && request.prompt.some((pointer) => valueAt(body, pointer) !== undefined);
}

/** The first API whose path the request's ends with, and the model that stands there. */
function routeOf(path: string, apis: readonly ApiRoute[]) {
  const plain = path.split("?", 1)[0] ?? "";
  for (const route of apis) {
    if ((route.method ?? "POST") !== "POST") continue;
    const found = patternOf(route.path).exec(plain);
    if (found !== null) return { route, model: found[1] === undefined ? null : decoded(found[1]) };
  }
  return null;
}

/** See ApiRoute.path: `{model}` gives the model, `*` is any segment. */
function patternOf(path: string): RegExp {
  const parts = path.split(/(\{model\}|\*)/).map((part) => {
    if (part === "{model}") return "([^/]+)";
    return part === "*" ? "[^/]+" : part.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  });
  return new RegExp(`${parts.join("")}$`);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** RFC 6901; undefined where there is nothing. */
function valueAt(body: unknown, pointer: string): unknown {
  const keys = pointer.split("/").slice(1);
  return keys.reduce<unknown>((value, key) => {
    const name = key.replaceAll("~1", "/").replaceAll("~0", "~");
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, name))
      return undefined;
    return (value as Record<string, unknown>)[name];
  }, body);
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
