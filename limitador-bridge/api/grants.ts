/**
 * POST and GET /v1/budgets/{team}/grants: temporary increases of the budget of a team or an
 * organization.
 */
import type { FastifyInstance } from "fastify";
import Type, { type Static } from "typebox";
import type { Log } from "../admission/ports.ts";
import type { AuditLog } from "../audit/audit-log.ts";
import type { GrantBook, GrantOwner } from "../budget/grants.ts";
import { ApiError } from "../errors.ts";
import type { Metrics } from "../metrics.ts";
import { ANYONE } from "../policy/kinds/llm-budget-schema.ts";
import type { PolicySet } from "../policy/policy-set.ts";
import { MAX_USD, usdToNanoUsd } from "../policy/usd-amount.ts";
import { timeOfText } from "../reports/time-text.ts";
import { GrantAnswer, grantAnswer } from "./budget-answer.ts";
import { noBudget, TeamParams } from "./budgets.ts";
import { callStore } from "./store-call.ts";

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
const Query = Type.Object(
  {
    /**
     * Whose budget the name is of. Where not given: of the team that has a budget of its own, else
     * of the organization, else of a team under the budget for "*".
     */
    kind: Type.Optional(Type.Union([Type.Literal("team"), Type.Literal("organization")])),
  },
  { additionalProperties: false },
);
type Query = Static<typeof Query>;
interface Asked {
  Params: TeamParams;
  Querystring: Query;
}
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
    summary: "Increases of a team's or organization's budget in force, the oldest first",
    params: TeamParams,
    querystring: Query,
    response: { 200: List },
  };
  app.get<Asked>("/v1/budgets/:team/grants", { schema: list }, async ({ params, query }) => {
    const owner = ownerOf(parts, params, query);
    return { grants: parts.grants.list(owner, parts.nowMs()).map(grantAnswer) };
  });

  const add = {
    summary: "Increase a team's or organization's budget for a time, at once",
    params: TeamParams,
    querystring: Query,
    body: Body,
    response: { 201: GrantAnswer },
  };
  app.post<Asked & { Body: Body }>(
    "/v1/budgets/:team/grants",
    { schema: add, config: { bearer: true } },
    async ({ params, query, body }, reply) => {
      const owner = ownerOf(parts, params, query);
      const createdAtMs = parts.nowMs();
      const { reason, author } = body;
      const given = { ...owner, ...readTerms(body, createdAtMs), createdAtMs, reason, author };
      // Who grants is written down first: no increase goes without a trace.
      await parts.audit.append([{ action: "grant", ...given }]);
      const grant = await callStore(parts, () => parts.grants.add(given));
      parts.log.info({ ...grant }, "budget increased by a grant");
      return reply.code(201).send(grantAnswer(grant));
    },
  );
}

/** Whose budget is meant. @throws ApiError not_found */
function ownerOf({ policies }: GrantsParts, { team }: TeamParams, { kind }: Query): GrantOwner {
  const { budgets } = policies();
  const found = budgets.match({ team });
  const isTeam = found.kind === "budget" && kind !== "organization";
  if (isTeam && (kind === "team" || found.match.budget.team !== ANYONE)) return { team };
  if (kind !== "team" && budgets.organizationMatch(team) !== null) return { organization: team };
  if (isTeam) return { team };
  throw noBudget(team, kind);
}

function readTerms({ amountUSD, expiresAt }: Body, nowMs: number) {
  const amountNanoUsd = usdToNanoUsd(amountUSD);
  if (amountNanoUsd === null || amountNanoUsd === 0) {
    const expected = `an amount above 0 up to ${MAX_USD} USD with at most 9 decimals`;
    throw new ApiError("invalid_request", `body: /amountUSD must be ${expected}`);
  }
  const expiresAtMs = timeOfText(expiresAt);
  if (expiresAtMs !== null && expiresAtMs > nowMs) return { amountNanoUsd, expiresAtMs };
  const expected = "a time to come as in RFC 3339, e.g. 2026-12-31T18:00:00Z";
  throw new ApiError("invalid_request", `body: /expiresAt must be ${expected}`);
}
