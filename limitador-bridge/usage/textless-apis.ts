/** APIs whose answers are no text of a model, so that no limit of output tokens bounds them. */
export const TEXTLESS_APIS: ReadonlySet<string> = new Set([
  "openai.embeddings",
  "openai.images",
  "openai.audio.speech",
  "openai.moderations",
  "gemini.embedContent",
  "cohere.embed",
  "cohere.rerank",
  "cohere.classify",
  "ollama.embed",
  "mistral.ocr",
]);
