/** Error answers in the shape of the API that was called. */
import type { RequestError } from "./exchange.ts";

export type ErrorShape = "openai" | "anthropic";

const OPENAI_TYPES: Record<number, [type: string, code: string | null]> = {
  401: ["invalid_request_error", "invalid_api_key"],
  403: ["invalid_request_error", "unsupported_country_region_territory"],
  404: ["invalid_request_error", null],
  429: ["requests", "rate_limit_exceeded"],
};
const ANTHROPIC_TYPES: Record<number, string> = {
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  413: "request_too_large",
  429: "rate_limit_error",
  529: "overloaded_error",
};

/** The body of a refused request. */
export function errorBody(shape: ErrorShape, error: RequestError, id: string): string {
  const type = error.type ?? defaultType(shape, error.status);
  if (shape === "anthropic") {
    return JSON.stringify({
      type: "error",
      error: { type, message: error.message },
      request_id: `req_${id}`,
    });
  }
  const code = error.code ?? OPENAI_TYPES[error.status]?.[1] ?? null;
  return JSON.stringify({ error: { message: error.message, type, param: error.param, code } });
}

function defaultType(shape: ErrorShape, status: number): string {
  if (shape === "openai") {
    return OPENAI_TYPES[status]?.[0] ?? (status < 500 ? "invalid_request_error" : "server_error");
  }
  return ANTHROPIC_TYPES[status] ?? (status < 500 ? "invalid_request_error" : "api_error");
}
