/** The answer to a refused request, in the shape of the LLM API that was called. Pure. */
import type { BudgetDenial } from "../budget/denial.ts";
import type { AdmitAnswer } from "../contract/filter.ts";
import type { ErrorShapes } from "./ports.ts";

export type DenialKind =
  | "limit_exceeded"
  | "policy_evaluation_failed"
  | "price_unknown"
  | "store_unavailable";

interface DenialText {
  status: 403 | 429 | 503;
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
/** What each API's clients know the refusals of budgets as; their codes are our own. */
const BUDGET_TYPES: Record<string, Record<BudgetDenial["status"], string>> = {
  openai: { 403: "invalid_request_error", 429: "insufficient_quota" },
  anthropic: { 403: "permission_error", 429: "rate_limit_error" },
  gemini: { 403: "PERMISSION_DENIED", 429: "RESOURCE_EXHAUSTED" },
};
/** AWS SDKs take the class of an exception from this header, and throw a nameless one without. */
const AWS_ERROR_HEADER = "x-amzn-errortype";
const AWS_ERRORS: Record<DenialText["status"], string> = {
  403: "AccessDeniedException",
  429: "ThrottlingException",
  503: "ServiceUnavailableException",
};
/** Tells the code to clients of APIs whose error bodies have no place for it. */
const REASON_HEADER = "x-tollgate-reason";

/** A refusal, with the code and status that it is counted under. */
export interface Denial {
  answer: AdmitAnswer;
  code: string;
  status: number;
}

/** Why a request is refused, as far as its answer needs to know. */
export type Reason = DenialKind | Pick<BudgetDenial, "code" | "status">;

/**
 * Builds the refusal.
 * @param api the LLM API that the filter told, null where it could not tell
 * @param headers beside content-type
 */
export function denial(
  shapes: ErrorShapes,
  api: string | null,
  reason: Reason,
  message: string,
  headers: Record<string, string>,
): Denial {
  const shape = shapes.apis.find((route) => route.api === api)?.errorShape ?? DEFAULT_SHAPE;
  const { status, type, code } = textOf(shape, reason);
  const template = Object.hasOwn(shapes.errors, shape) ? shapes.errors[shape] : undefined;
  const own: Record<string, string> = typeof reason === "string" ? {} : { [REASON_HEADER]: code };
  const deny = {
    status,
    headers: {
      "content-type": "application/json",
      ...own,
      ...(shape === "bedrock" ? { [AWS_ERROR_HEADER]: AWS_ERRORS[status] } : {}),
      ...headers,
    },
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

function textOf(shape: string, reason: Reason): DenialText {
  if (typeof reason === "string") return byShape(TEXTS, shape)[reason];
  const { code, status } = reason;
  return { status, code, type: byShape(BUDGET_TYPES, shape)[status] };
}

function byShape<T>(texts: Record<string, T>, shape: string): T {
  return texts[Object.hasOwn(texts, shape) ? shape : DEFAULT_SHAPE] as T;
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
