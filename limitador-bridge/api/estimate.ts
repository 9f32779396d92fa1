/** POST /v1/estimate: tokens, cost and verdict of a request before it is sent. */
import type { FastifyInstance, FastifyRequest } from "fastify";
import Type, { type Static } from "typebox";
import type { AdmissionParts } from "../admission/case.ts";
import type { ApiRoute, LlmRequest } from "../contract/filter.ts";
import { Attributes } from "../contract/filter.ts";
import { ApiError } from "../errors.ts";
import { isRequestBody, pathOfBody } from "../estimate/plain-body.ts";
import {
  NO_COST,
  type Preview,
  type PreviewCost,
  PreviewUnavailable,
  preview,
} from "../estimate/preview.ts";
import { promptText } from "../estimate/preview-prompt.ts";
import {
  type AskedRequest,
  isMetered,
  llmRequest,
  type RequestPointers,
} from "../estimate/preview-request.ts";
import { createTokenCounter, type TokenCounter } from "../estimate/token-worker-pool.ts";
import { type Store, UNITS } from "../ledger/store/store.ts";
import { nanoUsdText } from "../nano-usd-text.ts";
import { callStore } from "./store-call.ts";

/** A request body by itself: see isRequestBody and pathOfBody. */
const PlainBody = Type.Object(
  { model: Type.Optional(Type.String()) },
  { additionalProperties: true, not: { required: ["body"] } },
);
const Body = Type.Object(
  {
    /** e.g. openai.chat.completions; told by the path where not given. */
    api: Type.Optional(Type.String()),
    /** Of the request, e.g. /v1/chat/completions. */
    path: Type.Optional(Type.String()),
    /** The request body: the object, or its text. */
    body: Type.Union([Type.Object({}), Type.String()]),
    /** Request headers, for policies that read them. */
    headers: Type.Optional(Type.Record(Type.String(), Type.String())),
    /** Whatever else Envoy would tell of the request, as in /v1/admit. */
    attributes: Type.Optional(Attributes),
  },
  { additionalProperties: false },
);
type Body = Static<typeof Body>;

const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const NullableText = Type.Union([Type.String(), Type.Null()]);
const Limit = Type.Object({
  /** Key of the counter, as the ledger names it. */
  counter: Type.String(),
  unit: Type.String({ enum: [...UNITS] }),
  limit: Count,
  used: Count,
  held: Count,
  remaining: Count,
  /** What this request would hold. */
  reserve: Count,
  /** false: in shadow mode, refuses nothing. */
  enforced: Type.Boolean(),
  fits: Type.Boolean(),
  resetsAt: Type.String(),
});
const Answer = Type.Object({
  /** false: the filter lets it pass without asking; nothing is counted or charged. */
  metered: Type.Boolean(),
  api: NullableText,
  requestedModel: NullableText,
  /** The model that would run. */
  model: NullableText,
  tokens: Type.Object({
    input: Count,
    inputSource: Type.String({ enum: ["tokenizer", "bytes"] }),
    inputIsPartial: Type.Boolean(),
    expectedOutput: Count,
    maxOutput: Count,
  }),
  /** null: the model has no known price. */
  cost: Type.Union([
    Type.Object({
      lowNanoUsd: Count,
      expectedNanoUsd: Count,
      worstNanoUsd: Count,
      lowUsd: Type.String(),
      expectedUsd: Type.String(),
      worstUsd: Type.String(),
    }),
    Type.Null(),
  ]),
  verdict: Type.Union([Type.Literal("allow"), Type.Literal("deny")]),
  /** Status and code of the refusal; null where it is allowed. */
  status: Type.Union([Type.Integer(), Type.Null()]),
  code: NullableText,
  why: Type.String(),
  /** Where a stream would be cut, in bytes of output text; null: nowhere. */
  cutAfterOutputBytes: Type.Union([Count, Type.Null()]),
  /** What the client would be told in headers. */
  headers: Type.Record(Type.String(), Type.String()),
  limits: Type.Array(Limit),
});

export interface EstimateParts extends Omit<AdmissionParts, "store" | "shapes" | "leases"> {
  store: Pick<Store, "counters">;
  capture: { apis: ApiRoute[]; request: RequestPointers; errors: Record<string, string> };
  /** A thread of its own where not given. */
  tokens?: TokenCounter;
}

export function registerEstimate(app: FastifyInstance, parts: EstimateParts): void {
  const onFault = (error: Error) => parts.log.error({ err: error }, "token counter failed");
  const tokens = parts.tokens ?? createTokenCounter({ onFault });
  app.addHook("onClose", () => tokens.close());
  const schema = {
    summary: "Tokens, cost and verdict of a request, before it is sent; nothing is reserved",
    body: Body,
    response: { 200: Answer },
  };
  const route = { schema, preValidation: wrapPlainBody, config: { otherBody: PlainBody } };
  app.post<{ Body: Body }>("/v1/estimate", route, async ({ body }) => {
    const { json, bytes } = parsed(body.body);
    const path = body.path ?? null;
    const policies = parts.policies();
    const { bodyPointers } = policies.needs;
    const asked = { api: body.api ?? null, path, body: json, bodyBytes: bytes };
    const apis = [...(policies.apiRoutes ?? []), ...parts.capture.apis];
    const reading = { apis, request: parts.capture.request, bodyPointers };
    const llm = llmRequest(asked, reading);
    const named = { api: llm.api, requestedModel: llm.model };
    if (!isMetered(asked, reading)) return { metered: false, ...named, ...unmetered(asked, llm) };
    const request = { attributes: attributesOf(body), llm, prompt: promptText(json) };
    const shapes = { ...parts.capture, apis };
    const found = await previewed({ ...parts, shapes, tokens }, request);
    return { metered: true, ...named, ...answerOf(found) };
  });
}

/** What is no envelope but a request body is put into one. */
async function wrapPlainBody(request: FastifyRequest): Promise<void> {
  const { body } = request;
  if (!isRequestBody(body) || Object.hasOwn(body, "body")) return;
  request.body = { path: pathOfBody(body), body };
}

/** The answer for a request that passes the filter without being looked at. */
function unmetered({ path }: AskedRequest, { model }: LlmRequest) {
  const tokens = { input: 0, inputSource: "bytes", inputIsPartial: false } as const;
  return {
    model,
    tokens: { ...tokens, expectedOutput: 0, maxOutput: 0 },
    cost: costAnswer(NO_COST),
    verdict: "allow",
    status: null,
    code: null,
    why:
      `Requests to ${path} are not metered: it is no path of a known API, and the body does not ` +
      "have both a model's name and a prompt.",
    cutAfterOutputBytes: null,
    headers: {},
    limits: [],
  } as const;
}

/** A store that is away is the service's fault and not the request's. */
async function previewed(...args: Parameters<typeof preview>): Promise<Preview> {
  try {
    return await preview(...args);
  } catch (error) {
    if (!(error instanceof PreviewUnavailable)) throw error;
    return callStore(args[0], () => Promise.reject(error.cause));
  }
}

function parsed(body: Body["body"]): { json: Record<string, unknown>; bytes: number } {
  if (typeof body !== "string") {
    return {
      json: body as Record<string, unknown>,
      bytes: Buffer.byteLength(JSON.stringify(body)),
    };
  }
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch (error) {
    throw new ApiError("invalid_request", `body: /body is not JSON: ${(error as Error).message}`);
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new ApiError("invalid_request", "body: /body must be a JSON object");
  }
  return { json: json as Record<string, unknown>, bytes: Buffer.byteLength(body) };
}

/** What is nested in the caller's own attributes wins over what is dotted here. */
function attributesOf({ path, headers, attributes }: Body): Record<string, unknown> {
  return {
    "request.method": "POST",
    ...(path === undefined ? {} : { "request.path": path }),
    ...(headers === undefined ? {} : { "request.headers": headers }),
    ...attributes,
  };
}

function costAnswer(cost: PreviewCost) {
  return {
    ...cost,
    lowUsd: nanoUsdText(cost.lowNanoUsd),
    expectedUsd: nanoUsdText(cost.expectedNanoUsd),
    worstUsd: nanoUsdText(cost.worstNanoUsd),
  };
}

function answerOf({ tokens, cost, isFree, answer, model, limits }: Preview) {
  const { error } =
    answer.deny === undefined
      ? { error: null }
      : (JSON.parse(answer.deny.body) as { error: { code: string; message: string } });
  return {
    model,
    tokens,
    cost: cost === null ? null : costAnswer(cost),
    verdict: answer.verdict,
    status: answer.deny?.status ?? null,
    code: error?.code ?? null,
    why: error?.message ?? whyAllowed(answer, limits, isFree),
    cutAfterOutputBytes: answer.cut?.afterOutputBytes ?? null,
    headers: answer.deny?.headers ?? answer.responseHeaders,
    limits: limits.map(limitOf),
  };
}

function whyAllowed(
  { model, maxOutputTokens, cut }: Preview["answer"],
  limits: Preview["limits"],
  isFree: boolean,
): string {
  const said = [
    limits.length === 0 ? "No limit counts this request." : "All limits have room for it.",
  ];
  if (isFree) said.push("The provider charges nothing for it.");
  if (model !== undefined) said.push(`It would run on ${model} instead.`);
  if (maxOutputTokens !== undefined) {
    said.push(`Its output would be limited to ${maxOutputTokens} tokens.`);
  }
  if (cut !== undefined) {
    said.push(`Its stream would be cut after ${cut.afterOutputBytes} bytes of text.`);
  }
  return said.join(" ");
}

function limitOf({ claim, view, fits }: Preview["limits"][number]): Static<typeof Limit> {
  return {
    counter: view.key,
    unit: view.unit,
    limit: view.limit,
    used: view.used,
    held: view.held,
    remaining: view.remaining,
    reserve: claim.reserve,
    enforced: claim.enforced,
    fits,
    resetsAt: new Date(view.resetsAtMs).toISOString(),
  };
}
