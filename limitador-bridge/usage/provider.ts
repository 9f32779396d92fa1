/** Who answered: by the host, the path, marks that only one provider leaves, the model's name. */
import { boundedMemo } from "../bounded-memo.ts";
import type { Capture } from "./capture.ts";
import { isObject, valueAt } from "./figures.ts";

const HOSTS: [suffix: string, provider: string][] = [
  ["openai.azure.com", "azure"],
  ["cognitiveservices.azure.com", "azure"],
  ["services.ai.azure.com", "azure"],
  ["api.openai.com", "openai"],
  ["api.anthropic.com", "anthropic"],
  ["generativelanguage.googleapis.com", "gemini"],
  ["aiplatform.googleapis.com", "vertex"],
  ["amazonaws.com", "bedrock"],
  ["mistral.ai", "mistral"],
  ["cohere.com", "cohere"],
  ["cohere.ai", "cohere"],
  ["api.deepseek.com", "deepseek"],
  ["api.x.ai", "xai"],
  ["api.groq.com", "groq"],
  ["openrouter.ai", "openrouter"],
  ["api.together.xyz", "together"],
  ["api.fireworks.ai", "fireworks"],
  ["api.perplexity.ai", "perplexity"],
  ["api.cerebras.ai", "cerebras"],
  ["api.voyageai.com", "voyage"],
  ["api.z.ai", "zai"],
  ["bigmodel.cn", "zhipuai"],
  ["dashscope.aliyuncs.com", "alibaba"],
  ["dashscope-intl.aliyuncs.com", "alibaba"],
  ["api.moonshot.ai", "moonshotai"],
  ["api.moonshot.cn", "moonshotai"],
  ["api.githubcopilot.com", "github-copilot"],
  ["router.huggingface.co", "huggingface"],
  ["api.writer.com", "writer"],
  ["snowflakecomputing.com", "snowflake"],
  ["ml.cloud.ibm.com", "watsonx"],
];
const PATHS: [pattern: RegExp, provider: string][] = [
  [/\/openai\/deployments\//, "azure"],
  [/\/projects\/[^/]+\/locations\//, "vertex"],
  [/\/v1(alpha|beta)\/(models|tunedModels|openai|interactions)(\/|:|$)/, "gemini"],
  [/\/api\/paas\/v4\//, "zai"],
  [/\/api\/v2\/cortex\//, "snowflake"],
  [/\/compatible-mode\/v1\//, "alibaba"],
];
/** APIs that nobody but one provider speaks, whatever the model is. */
const OWN_APIS: [prefix: string, provider: string][] = [
  ["bedrock.", "bedrock"],
  ["vertex.", "vertex"],
  ["ollama.", "ollama"],
  ["watsonx.", "watsonx"],
  ["dashscope.", "alibaba"],
];
/** APIs that others took over: their inventor, where the model does not say who it is. */
const INVENTORS: [prefix: string, provider: string][] = [
  ["cohere.", "cohere"],
  ["gemini.", "gemini"],
  ["mistral.", "mistral"],
];
/** Models that their maker serves itself, by names without a "/". */
const MODELS: [pattern: RegExp, provider: string][] = [
  [
    /^((us|eu|apac|global|jp|au|us-gov)\.)?(anthropic|amazon|meta|mistral|openai)\.[a-z]/,
    "bedrock",
  ],
  [/^claude-/, "anthropic"],
  [/^(gpt-(?!oss)|o[134](-|$)|text-embedding-|dall-e-|whisper-|tts-|chatgpt-)/, "openai"],
  [/^gemini-/, "gemini"],
  [/^(mi|mini|code|dev|magi)stral-|^(pixtral|voxtral|open-mi[sx]tral)-/, "mistral"],
  [/^(command|embed-(english|multilingual|v4)|rerank-(english|multilingual|v\d))/, "cohere"],
  [/^deepseek-/, "deepseek"],
  [/^grok-/, "xai"],
  [/^voyage-|^rerank-2(\.5)?(-lite)?$/, "voyage"],
  [/^sonar/, "perplexity"],
  [/^(kimi|moonshot)-/, "moonshotai"],
];

/** The provider's name, null where nothing tells it. */
export function providerOf(capture: Capture, model: string | null): string | null {
  return (
    byHost(attribute(capture, "host")) ??
    byPath(attribute(capture, "path")) ??
    byMarks(capture) ??
    OWN_APIS.find(([prefix]) => capture.api.startsWith(prefix))?.[1] ??
    makerOf(model ?? "") ??
    byInventor(capture)
  );
}

/** What is known of a request before it is answered. */
export interface RequestMarks {
  api: string | null;
  /** With its port or without; "" where it is not known. */
  host: string;
  path: string;
  model: string | null;
}

/** Who will answer, as far as the request tells; null where nothing does. */
export function expectedProvider({ api, host, path, model }: RequestMarks): string | null {
  return (
    byHost(host) ??
    byPath(path) ??
    OWN_APIS.find(([prefix]) => api?.startsWith(prefix))?.[1] ??
    makerOf(model ?? "")
  );
}

/** Who makes and serves a model of this name; null where it does not say. */
export const makerOf = boundedMemo(
  (model): string | null => MODELS.find(([pattern]) => pattern.test(model))?.[1] ?? null,
);

const byHost = boundedMemo((host): string | null => {
  const name = host.replace(/:\d+$/, "").toLowerCase();
  return HOSTS.find(([suffix]) => name === suffix || name.endsWith(`.${suffix}`))?.[1] ?? null;
});

const byPath = boundedMemo(
  (path): string | null => PATHS.find(([pattern]) => pattern.test(path))?.[1] ?? null,
);

/** A path such as /v1/chat is also used for OpenAI's shape. */
function byInventor(capture: Capture): string | null {
  if (capture.textFact(["/object"])?.startsWith("chat.completion")) return null;
  return INVENTORS.find(([prefix]) => capture.api.startsWith(prefix))?.[1] ?? null;
}

function byMarks(capture: Capture): string | null {
  const has = (key: string) => capture.usage.some(({ value }) => valueAt(value, key) !== undefined);
  if (has("cost_in_usd_ticks") || has("num_sources_used")) return "xai";
  if (capture.fact("/x_groq/id") !== undefined) return "groq";
  if (has("is_byok") || has("cost_details.upstream_inference_cost")) return "openrouter";
  if (typeof capture.fact("/provider") === "string") return "openrouter";
  if (has("prompt_cache_hit_tokens")) return "deepseek";
  return null;
}

/** An attribute of the request, dotted or nested. */
function attribute(capture: Capture, name: string): string {
  const { attributes } = capture.record;
  const nested = isObject(attributes.request) ? attributes.request[name] : undefined;
  const value = attributes[`request.${name}`] ?? nested;
  return typeof value === "string" ? value : "";
}
