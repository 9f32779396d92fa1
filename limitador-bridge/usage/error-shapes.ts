/**
 * Error bodies by the shape that the API's clients read. $status, $message, $type and $code are
 * replaced by JSON-escaped text.
 */
export const ERROR_SHAPES: Record<string, string> = {
  openai: '{"error":{"message":"$message","type":"$type","param":null,"code":"$code"}}',
  anthropic: '{"type":"error","error":{"type":"$type","message":"$message"}}',
  gemini: '{"error":{"code":$status,"message":"$message","status":"$type"}}',
  bedrock: '{"message":"$message"}',
  cohere: '{"message":"$message"}',
  ollama: '{"error":"$message"}',
};

/** What each API's clients know the filter's own errors as: a body too large, no budget service. */
export const ERROR_TYPES: Record<string, Record<string, string>> = {
  openai: { 413: "invalid_request_error", 503: "server_error" },
  anthropic: { 413: "request_too_large", 503: "api_error" },
  gemini: { 413: "INVALID_ARGUMENT", 503: "UNAVAILABLE" },
};
