/** POST /v1/settle: what requests used. Answered when it is durable. */
import type { FastifyInstance } from "fastify";
import Type, { type Static } from "typebox";
import { Compile } from "typebox/compile";
import { LeaseReturn, SettleAnswer, SettleRequest } from "../contract/filter.ts";
import { type SettlementParts, settle } from "../settlement/settle.ts";
import { createTurns } from "../turns.ts";
import { validatorCompiler } from "./validation.ts";

/** Records are validated one by one, later: a bad one must not lose those beside it. */
const leaseReturn = Compile(LeaseReturn);
const Batch = Type.Object({
  records: Type.Array(Type.Unknown(), { maxItems: 1000 }),
  leases: Type.Optional(Type.Array(Type.Unknown(), { maxItems: 10_000 })),
});

export function registerSettle(app: FastifyInstance, parts: SettlementParts): void {
  const schema = {
    summary: "Settle requests that have ended; an id that is sent twice counts once",
    body: SettleRequest,
    response: { 200: SettleAnswer },
  };
  // A batch takes milliseconds: of several that come at once, asks must not wait for all.
  const turn = createTurns();
  app.post<{ Body: Static<typeof Batch> }>(
    "/v1/settle",
    {
      schema,
      config: { bearer: true },
      validatorCompiler: (route) => validatorCompiler({ ...route, schema: Batch }),
    },
    async (request) => {
      const end = parts.metrics.settleSeconds.startTimer();
      try {
        const { records, leases = [] } = request.body;
        await turn();
        const returned = leases.filter((one) => leaseReturn.Check(one));
        if (returned.length < leases.length) {
          const ignored = leases.length - returned.length;
          parts.log.error({ ignored }, "malformed lease returns: their holds end by themselves");
        }
        return await settle(parts, records, returned);
      } finally {
        end();
      }
    },
  );
}
