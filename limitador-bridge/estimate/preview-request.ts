/** A request body as the filter would have read it. Pure. */
import { splitTarget } from "../cel/request-path.ts";
import type { ApiRoute, FilterConfig, LlmRequest } from "../contract/filter.ts";
import { type ApiOfPath, apiOfPath } from "../usage/api-path.ts";

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
  const { api, body } = asked;
  const told = toldByPath(asked, apis);
  const first = (pointers: readonly string[]) =>
    pointers.map((pointer) => valueAt(body, pointer)).find((value) => value != null);
  const model = told?.model ?? first(request.model);
  const stream = told?.route.stream ?? first(request.stream);
  const route = told?.route ?? apis.find((each) => each.api === api);
  const limits = route?.outputLimits ?? -1;
  const taken = request.maxOutputTokens.filter((_, at) => (limits >> at) & 1);
  const values = bodyPointers.flatMap((pointer) => {
    const value = valueAt(body, pointer);
    return value === undefined ? [] : [[pointer, value]];
  });
  return {
    api: api ?? told?.route.api ?? null,
    model: typeof model === "string" && model !== "" ? model : null,
    stream: stream === true,
    maxOutputTokens: outputLimit(taken.map((pointer) => valueAt(body, pointer))),
    choices: Math.max(1, ...countsAt(body, request.choices)),
    inputBytes: asked.bodyBytes,
    ...(values.length === 0 ? {} : { body: Object.fromEntries(values) }),
  } satisfies LlmRequest;
}

/**
 * Whether the filter would meter the request: its API is known, or it is a POST of a model's name
 * and a prompt (see FilterConfig.request.prompt). Not told where: it is taken to be metered.
 */
export function isMetered(
  asked: AskedRequest,
  { apis, request }: Pick<ReadParts, "apis" | "request">,
): boolean {
  const { api, path, body } = asked;
  if (api !== null || path === null || toldByPath(asked, apis) !== null) return true;
  const hasModel = request.model.some((pointer) => typeof valueAt(body, pointer) === "string");
  return hasModel && request.prompt.some((pointer) => valueAt(body, pointer) !== undefined);
}

function toldByPath({ path }: AskedRequest, apis: readonly ApiRoute[]): ApiOfPath | null {
  return path === null ? null : apiOfPath(splitTarget(path).path, "POST", apis);
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

/** The largest; null where there is none, or one that is no number and so may be none. */
function outputLimit(values: unknown[]): number | null {
  const told = values.filter((value) => value !== undefined);
  return told.length > 0 && told.every(isCount) ? Math.max(...told) : null;
}

function countsAt(body: unknown, pointers: readonly string[]): number[] {
  return pointers.map((pointer) => valueAt(body, pointer)).filter(isCount);
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
