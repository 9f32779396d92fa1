/** POST /v1/admit: may this request run? Of a worker with many at once, several in one call. */
import type { FastifyInstance } from "fastify";
import Type from "typebox";
import { Compile } from "typebox/compile";
import { admit } from "../admission/admit.ts";
import type { AdmissionParts } from "../admission/case.ts";
import {
  AdmitAnswer,
  AdmitAnswers,
  AdmitBatch,
  type AdmitFailure,
  AdmitRequest,
  MAX_ASKS,
} from "../contract/filter.ts";
import { errorBody, toApiError } from "../errors.ts";
import { describeInvalid, validatorCompiler } from "./validation.ts";

/** Asks are validated one by one: a bad one must not keep those beside it from an answer. */
const LooseBatch = Type.Object({
  requests: Type.Array(Type.Unknown(), {
    minItems: 1,
    maxItems: MAX_ASKS,
  }),
});
const oneAsk = Compile(AdmitRequest);

type Body = AdmitRequest | { requests: unknown[] };

export function registerAdmit(app: FastifyInstance, parts: AdmissionParts): void {
  const schema = {
    summary: "Decide on a request, or on several, and hold what each may use",
    body: Type.Union([AdmitRequest, AdmitBatch]),
    response: { 200: Type.Union([AdmitAnswer, AdmitAnswers]) },
  };
  app.post<{ Body: Body }>(
    "/v1/admit",
    {
      schema,
      config: { bearer: true },
      validatorCompiler: (route) => {
        const batch = validatorCompiler({ ...route, schema: LooseBatch });
        const single = validatorCompiler({ ...route, schema: AdmitRequest });
        return (body: unknown) => (isBatch(body) ? batch(body) : single(body));
      },
    },
    async ({ body, log }) => {
      const end = parts.metrics.admitSeconds.startTimer();
      try {
        return isBatch(body)
          ? { answers: await Promise.all(body.requests.map((one) => answerOf(parts, one, log))) }
          : await admit(parts, body);
      } finally {
        end();
      }
    },
  );
}

function isBatch(body: unknown): body is { requests: unknown[] } {
  return typeof body === "object" && body !== null && Object.hasOwn(body, "requests");
}

/** One answer of a batch; what goes wrong with it is its own. */
async function answerOf(
  parts: AdmissionParts,
  request: unknown,
  log: { error(fields: object, message: string): void },
): Promise<AdmitAnswer | AdmitFailure> {
  if (!oneAsk.Check(request)) {
    return errorBody("invalid_request", describeInvalid(oneAsk, request));
  }
  try {
    return await admit(parts, request);
  } catch (thrown) {
    const { code, message } = toApiError(thrown);
    log.error({ err: thrown, id: request.id }, "one ask of a batch failed");
    return errorBody(code, message);
  }
}
