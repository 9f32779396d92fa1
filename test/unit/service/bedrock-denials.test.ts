/** Refusals of Bedrock's APIs: AWS SDKs take the exception's class from a header. */
import { expect, test } from "vitest";
import { denial, type Reason } from "../../../limitador-bridge/admission/denial.ts";
import { API_ROUTES } from "../../../limitador-bridge/usage/api-routes.ts";
import { ERROR_SHAPES } from "../../../limitador-bridge/usage/error-shapes.ts";

const shapes = { apis: API_ROUTES, errors: ERROR_SHAPES };
const refused = (api: string, reason: Reason) =>
  denial(shapes, api, reason, "No.", { "retry-after": "7" }).answer.deny;

test.each<[Reason, number, string]>([
  ["limit_exceeded", 429, "ThrottlingException"],
  ["policy_evaluation_failed", 403, "AccessDeniedException"],
  ["price_unknown", 403, "AccessDeniedException"],
  ["store_unavailable", 503, "ServiceUnavailableException"],
])("%s", (reason, status, exception) => {
  for (const api of ["bedrock.converse", "bedrock.invoke", "bedrock.countTokens"]) {
    expect(refused(api, reason)).toEqual({
      status,
      headers: {
        "content-type": "application/json",
        "x-amzn-errortype": exception,
        "retry-after": "7",
      },
      body: '{"message":"No."}',
    });
  }
});

test.each<[403 | 429, string]>([
  [403, "AccessDeniedException"],
  [429, "ThrottlingException"],
])("a budget's %i", (status, exception) => {
  expect(refused("bedrock.invoke", { code: "no_budget_defined", status })?.headers).toEqual({
    "content-type": "application/json",
    "x-tollgate-reason": "no_budget_defined",
    "x-amzn-errortype": exception,
    "retry-after": "7",
  });
});

test.each(["openai.chat", "anthropic.messages", "cohere.chat"])("%s has none", (api) => {
  expect(refused(api, "limit_exceeded")?.headers).toEqual({
    "content-type": "application/json",
    "retry-after": "7",
  });
});
