/**
 * What the filter looks at, for all APIs at once: pointers are cheap, and a provider that speaks
 * another's API, or a mixture of two, is then captured all the same.
 */
import type { FilterConfig } from "../contract/filter.ts";
import { API_ROUTES } from "./api-routes.ts";
import { ERROR_SHAPES, ERROR_TYPES } from "./error-shapes.ts";
import { OUTPUT_LIMITS } from "./output-limits.ts";
import { TEXT_POINTERS } from "./text-bytes.ts";

/** Of a request body. The first that is present wins; of limits and choices the largest. */
const REQUEST_POINTERS: Omit<FilterConfig["request"], "body"> = {
  model: ["/model", "/model_id", "/modelId"],
  stream: ["/stream"],
  maxOutputTokens: [...OUTPUT_LIMITS],
  choices: ["/n", "/generationConfig/candidateCount", "/num_generations"],
  prompt: [
    "/messages",
    "/prompt",
    "/input",
    "/inputs",
    "/contents",
    "/inputText",
    "/message",
    "/instances",
    "/texts",
    "/documents",
    "/query",
  ],
};

/** Where usage stands. */
const USAGE = [
  "/usage",
  "/message/usage",
  "/response/usage",
  "/delta/usage",
  "/interaction/usage",
  "/metadata/usage",
  "/x_groq/usage",
  "/usageMetadata",
  "/response/usageMetadata",
  "/meta/billed_units",
  "/response/meta/billed_units",
  "/amazon-bedrock-invocationMetrics",
  "/predictions/*/embeddings/statistics",
  "/tool_usage",
  "/response/tool_usage",
  "/usage_info",
];

/** Which model served it. */
export const MODEL_FACTS = [
  "/model",
  "/message/model",
  "/response/model",
  "/interaction/model",
  "/modelVersion",
  "/response/modelVersion",
  "/model_id",
];
/** Where the service tier stands outside of a usage object. */
export const TIER_FACTS = [
  "/service_tier",
  "/response/service_tier",
  "/interaction/service_tier",
  "/serviceTier/type",
];
/** Said when an answer has come to its end. */
export const FINISH_FACTS = [
  "/choices/*/finish_reason",
  "/stop_reason",
  "/delta/stop_reason",
  "/stopReason",
  "/messageStop/stopReason",
  "/candidates/*/finishReason",
  "/response/candidates/*/finishReason",
  "/promptFeedback/blockReason",
  "/finish_reason",
  "/delta/finish_reason",
  "/done_reason",
  "/results/*/completionReason",
  "/output/choices/*/finish_reason",
  "/output/finish_reason",
];
/** What says that something went wrong, also in a response with status 200. */
export const ERROR_FACTS = [
  "/error",
  "/error/message",
  "/error/type",
  "/error/code",
  "/error/status",
  "/response/error",
  "/response/error/code",
  "/response/error/message",
  "/interaction/error/message",
];
/** Figures that stand alone and not in a usage object. */
const FIGURE_FACTS = [
  "/prompt_eval_count",
  "/eval_count",
  "/done",
  "/results/*/input_token_count",
  "/results/*/generated_token_count",
  "/results/*/stop_reason",
  "/results/*/tokenCount",
  "/inputTextTokenCount",
  "/prompt_token_count",
  "/generation_token_count",
  "/duration",
];
/** What tells shapes, providers and background responses. */
const SHAPE_FACTS = [
  "/id",
  "/response/id",
  "/interaction/id",
  "/object",
  "/response/object",
  "/type",
  "/event_type",
  "/status",
  "/response/status",
  "/interaction/status",
  "/background",
  "/response/background",
  "/interaction/background",
  "/created_at",
  "/response/created_at",
  "/x_groq/id",
  "/provider",
  "/message",
];

/** Token counts that Bedrock gives in headers for every model. */
export const BEDROCK_HEADERS = {
  input: "x-amzn-bedrock-input-token-count",
  output: "x-amzn-bedrock-output-token-count",
  cacheRead: "x-amzn-bedrock-cache-read-input-token-count",
  cacheWrite: "x-amzn-bedrock-cache-write-input-token-count",
};

/** Of a response document. */
const RESPONSE_POINTERS: FilterConfig["response"] = {
  usage: USAGE,
  facts: [
    ...MODEL_FACTS,
    ...TIER_FACTS,
    ...FINISH_FACTS,
    ...ERROR_FACTS,
    ...FIGURE_FACTS,
    ...SHAPE_FACTS,
  ],
  text: TEXT_POINTERS,
  base64: ["/bytes"],
  headers: [...Object.values(BEDROCK_HEADERS), "content-type", "content-encoding"],
};

/** Everything in the filter config that does not come from policies. */
export const CAPTURE = {
  apis: API_ROUTES,
  sniff: true,
  request: REQUEST_POINTERS,
  response: RESPONSE_POINTERS,
  errors: ERROR_SHAPES,
  errorTypes: ERROR_TYPES,
} satisfies Pick<FilterConfig, "apis" | "sniff" | "response" | "errors" | "errorTypes"> & {
  request: Omit<FilterConfig["request"], "body">;
};
