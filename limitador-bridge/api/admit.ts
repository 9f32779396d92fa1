/** POST /v1/admit: may this request run? */
import type { FastifyInstance } from "fastify";
import { admit } from "../admission/admit.ts";
import type { AdmissionParts } from "../admission/case.ts";
import { AdmitAnswer, AdmitRequest } from "../contract/filter.ts";

export function registerAdmit(app: FastifyInstance, parts: AdmissionParts): void {
  const schema = {
    summary: "Decide on a request, and hold what it may use",
    body: AdmitRequest,
    response: { 200: AdmitAnswer },
  };
  app.post<{ Body: AdmitRequest }>(
    "/v1/admit",
    { schema, config: { bearer: true } },
    async (request) => {
      const end = parts.metrics.admitSeconds.startTimer();
      const answer = await admit(parts, request.body);
      end();
      return answer;
    },
  );
}
