/**
 * Usage by the names of OpenTelemetry's semantic conventions for generative AI (metrics), as its
 * Prometheus exporter would write them: gen_ai.client.token.usage and
 * gen_ai.client.operation.duration.
 */
import { Histogram, type Registry } from "prom-client";
import { type BoundedLabel, boundedLabel, boundedSeries } from "./bounded-labels.ts";
import type { UsageRecord } from "./contract/usage-record.ts";

/** "SHOULD be specified with ExplicitBucketBoundaries of" these; the largest are of no use here. */
const TOKEN_BUCKETS = Array.from({ length: 12 }, (_, i) => 4 ** i);
const SECONDS_BUCKETS = Array.from({ length: 14 }, (_, i) => 0.01 * 2 ** i);
/** A histogram is many series. */
const MAX_SERIES = 500;
const MS_PER_SECOND = 1000;
const OPERATION_LABELS = [
  "gen_ai_operation_name",
  "gen_ai_provider_name",
  "gen_ai_request_model",
  "gen_ai_response_model",
] as const;

/** gen_ai.operation.name by the name of an API; "chat" where nothing else fits. */
const OPERATIONS: [RegExp, string][] = [
  [/\.(embed\w*)$/, "embeddings"],
  [/^gemini\.(generateContent|interactions)/, "generate_content"],
  [
    /^(openai\.completions|cohere\.generate|ollama\.generate|watsonx\.generation)/,
    "text_completion",
  ],
];

/** Takes each record of an exchange that ran. */
export type GenAiRecorder = (record: UsageRecord) => void;

export function createGenAiMetrics(registry: Registry): GenAiRecorder {
  const registers = [registry];
  const tokens = new Histogram({
    name: "gen_ai_client_token_usage",
    help: "Number of input and output tokens used.",
    labelNames: [...OPERATION_LABELS, "gen_ai_token_type"],
    buckets: TOKEN_BUCKETS,
    registers,
  });
  const duration = new Histogram({
    name: "gen_ai_client_operation_duration_seconds",
    help: "GenAI operation duration.",
    labelNames: [...OPERATION_LABELS, "error_type"],
    buckets: SECONDS_BUCKETS,
    registers,
  });
  const label = { provider: boundedLabel(), requested: boundedLabel(), answered: boundedLabel() };
  const bounded = boundedSeries(["gen_ai_operation_name", "gen_ai_provider_name"], MAX_SERIES);
  return (record) => {
    if (record.outcome === "denied") return;
    const labels = bounded(operationLabels(record, label));
    const { input, output } = record.tokens;
    if (record.source === "reported" && input + output > 0) {
      tokens.observe({ ...labels, gen_ai_token_type: "input" }, input);
      if (output > 0) tokens.observe({ ...labels, gen_ai_token_type: "output" }, output);
    }
    if (record.durationMs === undefined) return;
    const error = errorType(record);
    duration.observe(
      error === null ? labels : { ...labels, error_type: error },
      record.durationMs / MS_PER_SECOND,
    );
  };
}

function operationLabels(
  record: UsageRecord,
  label: Record<"provider" | "requested" | "answered", BoundedLabel>,
) {
  const api = record.api ?? "";
  const [, operation] = OPERATIONS.find(([pattern]) => pattern.test(api)) ?? [];
  return {
    gen_ai_operation_name: operation ?? "chat",
    gen_ai_provider_name: label.provider(record.provider),
    gen_ai_request_model: label.requested(record.requestedModel),
    gen_ai_response_model: label.answered(record.model),
  };
}

/** A low-cardinality name of how it ended badly; null: it did not. */
function errorType({ status, outcome }: UsageRecord): string | null {
  if (status >= 400) return String(status);
  return outcome === "ok" ? null : outcome;
}
