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
