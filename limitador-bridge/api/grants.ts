/** POST and GET /v1/budgets/{team}/grants: temporary increases of a team's budget. */
import type { FastifyInstance } from "fastify";
import Type, { type Static } from "typebox";
import type { Log } from "../admission/ports.ts";
import type { AuditLog } from "../audit/audit-log.ts";
import type { GrantBook } from "../budget/grants.ts";
import { ApiError } from "../errors.ts";
import type { Metrics } from "../metrics.ts";
import type { PolicySet } from "../policy/policy-set.ts";
import { MAX_USD, usdToNanoUsd } from "../policy/usd-amount.ts";
import { GrantAnswer, grantAnswer } from "./budget-answer.ts";
import { noBudget, TeamParams } from "./budgets.ts";
import { callStore } from "./store-call.ts";

/** RFC 3339, with its zone. */
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/i;

const Body = Type.Object(
  {
    /** A number, or a decimal as text. */
    amountUSD: Type.Union([Type.Number(), Type.String({ maxLength: 20 })]),
    /** RFC 3339; in force until then. */
    expiresAt: Type.String({ maxLength: 40 }),
    reason: Type.String({ minLength: 1, maxLength: 1000 }),
    author: Type.String({ minLength: 1, maxLength: 200 }),
  },
  { additionalProperties: false },
);
type Body = Static<typeof Body>;
const List = Type.Object({ grants: Type.Array(GrantAnswer) });

export interface GrantsParts {
  policies: () => PolicySet;
  grants: GrantBook;
  audit: Pick<AuditLog, "append">;
  metrics: Metrics;
  log: Log;
  nowMs: () => number;
}

export function registerGrants(app: FastifyInstance, parts: GrantsParts): void {
  const list = {
    summary: "Increases of a team's budget that are in force, the oldest first",
    params: TeamParams,
    response: { 200: List },
  };
  app.get<{ Params: TeamParams }>("/v1/budgets/:team/grants", { schema: list }, async (request) => {
    const { team } = checkTeam(parts, request.params);
    return { grants: parts.grants.list(team, parts.nowMs()).map(grantAnswer) };
  });

  const add = {
    summary: "Increase a team's budget for a time, at once",
    params: TeamParams,
    body: Body,
    response: { 201: GrantAnswer },
  };
  app.post<{ Params: TeamParams; Body: Body }>(
    "/v1/budgets/:team/grants",
    { schema: add, config: { bearer: true } },
    async ({ params, body }, reply) => {
      const { team } = checkTeam(parts, params);
      const createdAtMs = parts.nowMs();
      const { reason, author } = body;
      const given = { team, ...readTerms(body, createdAtMs), createdAtMs, reason, author };
      // Who grants is written down first: no increase goes without a trace.
      await parts.audit.append([{ action: "grant", ...given }]);
      const grant = await callStore(parts, () => parts.grants.add(given));
      parts.log.info({ ...grant }, "budget increased by a grant");
      return reply.code(201).send(grantAnswer(grant));
    },
  );
}

function checkTeam({ policies }: GrantsParts, params: TeamParams): TeamParams {
  if (policies().budgets.match(params).kind !== "budget") throw noBudget(params.team);
  return params;
}

function readTerms({ amountUSD, expiresAt }: Body, nowMs: number) {
  const amountNanoUsd = usdToNanoUsd(amountUSD);
  if (amountNanoUsd === null || amountNanoUsd === 0) {
    const expected = `an amount above 0 up to ${MAX_USD} USD with at most 9 decimals`;
    throw new ApiError("invalid_request", `body: /amountUSD must be ${expected}`);
  }
  const expiresAtMs = TIME.test(expiresAt) ? Date.parse(expiresAt) : Number.NaN;
  if (expiresAtMs > nowMs) return { amountNanoUsd, expiresAtMs };
  const expected = "a time to come as in RFC 3339, e.g. 2026-12-31T18:00:00Z";
  throw new ApiError("invalid_request", `body: /expiresAt must be ${expected}`);
}
