/** The answer to a refused request, in the shape of the LLM API that was called. Pure. */
import type { AdmitAnswer } from "../contract/filter.ts";
import type { ErrorShapes } from "./ports.ts";

export type DenialKind =
  | "limit_exceeded"
  | "policy_evaluation_failed"
  | "price_unknown"
  | "store_unavailable";

interface DenialText {
  status: number;
  type: string;
  code: string;
}

/** What each API's clients know these refusals as. */
const TEXTS: Record<string, Record<DenialKind, DenialText>> = {
  openai: {
    limit_exceeded: { status: 429, type: "tokens", code: "rate_limit_exceeded" },
    policy_evaluation_failed: {
      status: 403,
      type: "invalid_request_error",
      code: "policy_evaluation_failed",
    },
    price_unknown: { status: 403, type: "invalid_request_error", code: "price_unknown" },
    store_unavailable: { status: 503, type: "server_error", code: "store_unavailable" },
  },
  anthropic: {
    limit_exceeded: { status: 429, type: "rate_limit_error", code: "rate_limit_exceeded" },
    policy_evaluation_failed: {
      status: 403,
      type: "permission_error",
      code: "policy_evaluation_failed",
    },
    price_unknown: { status: 403, type: "permission_error", code: "price_unknown" },
    store_unavailable: { status: 503, type: "api_error", code: "store_unavailable" },
  },
  gemini: {
    limit_exceeded: { status: 429, type: "RESOURCE_EXHAUSTED", code: "rate_limit_exceeded" },
    policy_evaluation_failed: {
      status: 403,
      type: "PERMISSION_DENIED",
      code: "policy_evaluation_failed",
    },
    price_unknown: { status: 403, type: "PERMISSION_DENIED", code: "price_unknown" },
    store_unavailable: { status: 503, type: "UNAVAILABLE", code: "store_unavailable" },
  },
};
const DEFAULT_SHAPE = "openai";

/** A refusal, with the code and status that it is counted under. */
export interface Denial {
  answer: AdmitAnswer;
  code: string;
  status: number;
}

/**
 * Builds the refusal.
 * @param api the LLM API that the filter told, null where it could not tell
 * @param headers beside content-type
 */
export function denial(
  shapes: ErrorShapes,
  api: string | null,
  kind: DenialKind,
  message: string,
  headers: Record<string, string>,
): Denial {
  const shape = shapes.apis.find((route) => route.api === api)?.errorShape ?? DEFAULT_SHAPE;
  const texts = Object.hasOwn(TEXTS, shape) ? TEXTS[shape] : TEXTS[DEFAULT_SHAPE];
  const { status, type, code } = (texts as Record<DenialKind, DenialText>)[kind];
  const template = Object.hasOwn(shapes.errors, shape) ? shapes.errors[shape] : undefined;
  const deny = {
    status,
    headers: { "content-type": "application/json", ...headers },
    body: renderError(template, { status: String(status), message, type, code }),
  };
  return {
    answer: {
      verdict: "deny",
      reservation: null,
      requestHeaders: {},
      responseHeaders: {},
      deny,
    },
    code,
    status,
  };
}

/** Fills a template of FilterConfig.errors; values are escaped as the inside of a JSON string. */
function renderError(template: string | undefined, values: Record<string, string>): string {
  if (template === undefined) {
    return JSON.stringify({ error: { code: values.code, message: values.message } });
  }
  return template.replace(/\$(status|message|type|code)/g, (_, name: string) =>
    JSON.stringify(values[name]).slice(1, -1),
  );
}
