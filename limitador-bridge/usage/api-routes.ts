/** The LLM APIs that are known by their path. An API keeps the name of who invented its shape. */
import type { ApiRoute } from "../contract/filter.ts";
import { OUTPUT_LIMITS, outputLimitsOf } from "./output-limits.ts";

type Options = Partial<Omit<ApiRoute, "api" | "path" | "errorShape">>;

/**
 * Mistral answers 422 to `stream_options` ("Extra inputs are not permitted"), and tells the usage
 * on the last chunk unasked.
 */
const REFUSED_BY = [
  "mistral-",
  "ministral-",
  "codestral-",
  "devstral-",
  "magistral-",
  "pixtral-",
  "voxtral-",
  "open-mistral-",
  "open-mixtral-",
  "open-codestral-",
  "labs-devstral-",
  "labs-leanstral-",
];
/**
 * Set only where OpenAI's `stream_options` is part of the API: others answer 400 or 422 to a field
 * that they do not know.
 */
const ASK: Options = { includeUsage: true, includeUsageExcept: REFUSED_BY };

/**
 * Where output is limited. Only members of the body itself: the filter puts nothing into an object
 * that the client may have sent.
 */
const MAX_TOKENS: Options = { maxOutputPointer: "/max_tokens" };
/** OpenAI's reasoning models take no other. */
const CHAT: Options = { maxOutputPointer: "/max_completion_tokens" };
/** What it takes is up to the model that is served there. */
const ANY_LIMIT: Options = { outputLimits: (1 << OUTPUT_LIMITS.length) - 1 };
const RESPONSES: Options = { maxOutputPointer: "/max_output_tokens" };

const route = (api: string, errorShape: string, path: string, options: Options = {}): ApiRoute => ({
  api,
  path,
  errorShape,
  includeUsage: false,
  outputLimits: outputLimitsOf(api),
  ...options,
});
const openai = (api: string, path: string, options?: Options) =>
  route(`openai.${api}`, "openai", path, options);
const gemini = (api: string, path: string, options?: Options) =>
  route(`gemini.${api}`, "gemini", path, options);
const bedrock = (api: string, path: string, options?: Options) =>
  route(`bedrock.${api}`, "bedrock", path, options);
const cohere = (api: string, path: string, options?: Options) =>
  route(`cohere.${api}`, "cohere", path, options);

/** APIs that bill nothing. They come first, since other patterns would take their paths too. */
const COUNTING: ApiRoute[] = [
  route("anthropic.countTokens", "anthropic", "/messages/count_tokens"),
  route("anthropic.countTokens", "anthropic", "/models/count-tokens:rawPredict"),
  openai("countTokens", "/responses/input_tokens"),
  gemini("countTokens", "/models/{model}:countTokens"),
  gemini("countTokens", "/tunedModels/{model}:countTokens"),
  gemini("countTokens", "/models/{model}:computeTokens"),
  bedrock("countTokens", "/model/{model}/count-tokens"),
  bedrock("countTokens", "/model/*/{model}/count-tokens"),
  cohere("countTokens", "/tokenize"),
  cohere("countTokens", "/detokenize"),
];

const OPENAI: ApiRoute[] = [
  // Databricks refuses `stream_options` for some of its models, and tells usage unasked.
  openai("chat.completions", "/serving-endpoints/chat/completions", MAX_TOKENS),
  openai("chat.completions", "/deployments/{model}/chat/completions", { ...ASK, ...CHAT }),
  openai("chat.completions", "/chat/completions", { ...ASK, ...CHAT }),
  openai("chat.completions", "/agents/completions", MAX_TOKENS),
  openai("completions", "/fim/completions", MAX_TOKENS),
  openai("completions", "/deployments/{model}/completions", { ...ASK, ...MAX_TOKENS }),
  openai("completions", "/engines/{model}/completions", { ...ASK, ...MAX_TOKENS }),
  openai("completions", "/completions", { ...ASK, ...MAX_TOKENS }),
  openai("responses", "/responses", RESPONSES),
  openai("responses", "/responses/compact"),
  openai("responses.retrieve", "/responses/*", { method: "GET" }),
  openai("responses.retrieve", "/responses/*/cancel"),
  openai("embeddings", "/deployments/{model}/embeddings"),
  openai("embeddings", "/engines/{model}/embeddings"),
  openai("embeddings", "/embeddings"),
  openai("embeddings", "/multimodalembeddings"),
  openai("embeddings", "/contextualizedembeddings"),
  openai("images", "/deployments/{model}/images/generations"),
  openai("images", "/deployments/{model}/images/edits"),
  openai("images", "/images/generations"),
  openai("images", "/images/edits"),
  openai("images", "/images/variations"),
  openai("audio.transcriptions", "/deployments/{model}/audio/transcriptions"),
  openai("audio.transcriptions", "/audio/transcriptions"),
  openai("audio.translations", "/deployments/{model}/audio/translations"),
  openai("audio.translations", "/audio/translations"),
  openai("audio.speech", "/deployments/{model}/audio/speech"),
  openai("audio.speech", "/audio/speech"),
  openai("moderations", "/moderations"),
  openai("moderations", "/classifications"),
  openai("chat.completions", "/serving-endpoints/{model}/invocations", {
    ...MAX_TOKENS,
    ...ANY_LIMIT,
  }),
  openai("chat.completions", "/endpoints/{model}/invocations", { ...MAX_TOKENS, ...ANY_LIMIT }),
];

const anthropic = (path: string, options: Options = {}) =>
  route("anthropic.messages", "anthropic", path, { ...MAX_TOKENS, ...options });
const ANTHROPIC: ApiRoute[] = [
  anthropic("/v1/messages"),
  anthropic("/anthropic/messages"),
  anthropic("/publishers/anthropic/models/{model}:rawPredict"),
  anthropic("/publishers/anthropic/models/{model}:streamRawPredict", { stream: true }),
  route("anthropic.complete", "anthropic", "/v1/complete", {
    maxOutputPointer: "/max_tokens_to_sample",
  }),
];

const GOOGLE: ApiRoute[] = [
  gemini("generateContent", "/models/{model}:generateContent"),
  gemini("generateContent", "/models/{model}:streamGenerateContent", { stream: true }),
  gemini("generateContent", "/tunedModels/{model}:generateContent"),
  gemini("generateContent", "/tunedModels/{model}:streamGenerateContent", { stream: true }),
  gemini("generateContent", "/endpoints/{model}:generateContent"),
  gemini("generateContent", "/endpoints/{model}:streamGenerateContent", { stream: true }),
  gemini("embedContent", "/models/{model}:embedContent"),
  gemini("embedContent", "/models/{model}:batchEmbedContents"),
  gemini("interactions", "/interactions"),
  gemini("interactions.retrieve", "/interactions/*", { method: "GET" }),
  route("vertex.predict", "gemini", "/models/{model}:predict"),
  route("vertex.predict", "gemini", "/endpoints/{model}:predict"),
  openai("chat.completions", "/models/{model}:rawPredict", MAX_TOKENS),
  openai("chat.completions", "/models/{model}:streamRawPredict", { ...MAX_TOKENS, stream: true }),
];

/** An ARN may stand in the path with its "/" unescaped: the second pattern of each pair. */
const BEDROCK: ApiRoute[] = ["/model/{model}", "/model/*/{model}"].flatMap((model) => [
  bedrock("converse", `${model}/converse`),
  bedrock("converse", `${model}/converse-stream`, { stream: true }),
  bedrock("invoke", `${model}/invoke`),
  bedrock("invoke", `${model}/invoke-with-response-stream`, { stream: true }),
]);

const OTHERS: ApiRoute[] = [
  cohere("chat", "/v1/chat", MAX_TOKENS),
  cohere("chat", "/v2/chat", MAX_TOKENS),
  cohere("generate", "/v1/generate", MAX_TOKENS),
  cohere("embed", "/v1/embed"),
  cohere("embed", "/v2/embed"),
  cohere("classify", "/v1/classify"),
  cohere("rerank", "/rerank"),
  route("ollama.chat", "ollama", "/api/chat"),
  route("ollama.generate", "ollama", "/api/generate"),
  route("ollama.embed", "ollama", "/api/embed"),
  route("ollama.embed", "ollama", "/api/embeddings"),
  route("watsonx.generation", "openai", "/generation/text"),
  route("watsonx.generation", "openai", "/generation/text_stream", { stream: true }),
  route("watsonx.generation", "openai", "/text/generation"),
  route("watsonx.generation", "openai", "/text/generation_stream", { stream: true }),
  openai("chat.completions", "/text/chat"),
  openai("chat.completions", "/text/chat_stream", { stream: true }),
  route("dashscope.generation", "openai", "/aigc/text-generation/generation"),
  route("dashscope.generation", "openai", "/aigc/multimodal-generation/generation"),
  route("mistral.conversations", "openai", "/v1/conversations"),
  route("mistral.conversations", "openai", "/v1/conversations/*"),
  route("mistral.ocr", "openai", "/v1/ocr"),
];

/** All routes, in the order in which they are tried. */
export const API_ROUTES: ApiRoute[] = [
  ...COUNTING,
  ...OPENAI,
  ...ANTHROPIC,
  ...GOOGLE,
  ...BEDROCK,
  ...OTHERS,
];

/** APIs that the provider answers for nothing. */
export const UNCHARGED_APIS: ReadonlySet<string> = new Set(COUNTING.map(({ api }) => api));
