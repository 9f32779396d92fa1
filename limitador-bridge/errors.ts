/**
 * The API's error catalogue. Every error leaves the service as
 * `{"error":{"code":…,"message":…}}` with the status that its code has here.
 */
import Type from "typebox";

const ERROR_STATUS = {
  invalid_request: 400,
  invalid_json: 400,
  unauthorized: 401,
  not_found: 404,
  method_not_allowed: 405,
  body_too_large: 413,
  unsupported_media_type: 415,
  internal: 500,
  store_unavailable: 503,
  shutting_down: 503,
} as const;
export type ErrorCode = keyof typeof ERROR_STATUS;

export const ErrorBody = Type.Object({
  error: Type.Object({ code: Type.String(), message: Type.String() }),
});

/** An error that the API answers with: its message is meant for the caller. */
export class ApiError extends Error {
  readonly code: ErrorCode;
  readonly status: number;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.status = ERROR_STATUS[code];
  }
}

/** The JSON body of an error. */
export function errorBody(
  code: string,
  message: string,
): { error: { code: string; message: string } } {
  return { error: { code, message } };
}

/** Fastify's own error codes, as ours. */
const FASTIFY_CODES: Record<string, ErrorCode> = {
  FST_ERR_CTP_BODY_TOO_LARGE: "body_too_large",
  FST_ERR_CTP_INVALID_MEDIA_TYPE: "unsupported_media_type",
  FST_ERR_CTP_EMPTY_JSON_BODY: "invalid_json",
  FST_ERR_CTP_INVALID_JSON_BODY: "invalid_json",
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: "invalid_request",
  FST_ERR_VALIDATION: "invalid_request",
  FST_ERR_BAD_URL: "invalid_request",
  FST_ERR_MAX_PARAM_LENGTH: "invalid_request",
};

/**
 * Turns anything thrown into an ApiError. What is not known to be the caller's mistake becomes
 * `internal`, whose message tells nothing of the inside; the cause is kept for the log.
 */
export function toApiError(thrown: unknown): ApiError {
  if (thrown instanceof ApiError) return thrown;
  if (!(thrown instanceof Error)) {
    return new ApiError("internal", "internal error", { cause: thrown });
  }
  const fastifyCode = (thrown as { code?: unknown }).code;
  const code = typeof fastifyCode === "string" ? FASTIFY_CODES[fastifyCode] : undefined;
  if (code !== undefined) return new ApiError(code, thrown.message, { cause: thrown });
  if (thrown instanceof SyntaxError && (thrown as { statusCode?: number }).statusCode === 400) {
    return new ApiError("invalid_json", `the body is not JSON: ${thrown.message}`);
  }
  return new ApiError("internal", "internal error", { cause: thrown });
}
