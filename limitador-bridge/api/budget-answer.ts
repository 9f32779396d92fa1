/** Budgets and grants as the API answers them. */

import Type, { type Static } from "typebox";
import { utilizationText } from "../budget/amount.ts";
import type { BudgetState } from "../budget/budget-state.ts";
import type { Grant } from "../budget/grants.ts";
import { jsonInteger, nanoUsdText } from "../nano-usd-text.ts";
import type { SpendRow } from "../reports/spend.ts";

const NullableText = Type.Union([Type.String(), Type.Null()]);
const NanoUsd = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
/** A decimal, exact. */
const Usd = Type.String();

const Forecast = Type.Object({
  atEndNanoUsd: NanoUsd,
  atEndUsd: Usd,
  daysUntilExhausted: Type.Union([Type.Number(), Type.Null()]),
  exhaustsBeforeReset: Type.Boolean(),
});

export const Budget = Type.Object({
  level: Type.Union([Type.Literal("organization"), Type.Literal("team")]),
  /** null: payers whose team is not known. */
  name: NullableText,
  /** namespace/name of the LLMBudget. */
  policy: Type.String(),
  organization: NullableText,
  mode: Type.Union([Type.Literal("enforce"), Type.Literal("shadow")]),
  /** With what is granted. */
  budgetNanoUsd: NanoUsd,
  budgetUsd: Usd,
  grantedNanoUsd: NanoUsd,
  spentNanoUsd: NanoUsd,
  spentUsd: Usd,
  /** Held by requests in flight. */
  heldNanoUsd: NanoUsd,
  remainingNanoUsd: NanoUsd,
  remainingUsd: Usd,
  /** Spent / budget, with two decimals rounded down. */
  utilization: Type.Number(),
  forecast: Type.Union([Forecast, Type.Null()]),
  thresholds: Type.Array(
    Type.Object({
      percent: Type.Integer(),
      action: Type.String(),
      notifyChannel: NullableText,
      reached: Type.Boolean(),
    }),
  ),
  startsAt: Type.String(),
  resetsAt: Type.String(),
});

export const GrantAnswer = Type.Object({
  id: Type.String(),
  /** Whose budget it increases: one of both. */
  team: Type.Optional(Type.String()),
  organization: Type.Optional(Type.String()),
  amountNanoUsd: NanoUsd,
  amountUsd: Usd,
  createdAt: Type.String(),
  expiresAt: Type.String(),
  reason: Type.String(),
  author: Type.String(),
});

/** Money of one app or model; digits as text where a JSON number would not be exact. */
const Share = Type.Object({
  name: NullableText,
  requests: Type.Union([Type.Integer(), Type.String()]),
  costNanoUsd: Type.Union([Type.Integer(), Type.String()]),
  costUsd: Usd,
});
export const Shares = Type.Array(Share);

export function budgetAnswer(state: BudgetState): Static<typeof Budget> {
  const { budget, budgetNanoUsd, spentNanoUsd, remainingNanoUsd } = state;
  return {
    level: state.level,
    name: state.name,
    policy: budget.policy,
    organization: budget.organization,
    mode: budget.mode,
    budgetNanoUsd,
    budgetUsd: nanoUsdText(budgetNanoUsd),
    grantedNanoUsd: state.grantedNanoUsd,
    spentNanoUsd,
    spentUsd: nanoUsdText(spentNanoUsd),
    heldNanoUsd: state.heldNanoUsd,
    remainingNanoUsd,
    remainingUsd: nanoUsdText(remainingNanoUsd),
    utilization: Number(utilizationText(spentNanoUsd, budgetNanoUsd)),
    forecast: forecastAnswer(state.forecast),
    thresholds: state.thresholds,
    startsAt: new Date(state.startsAtMs).toISOString(),
    resetsAt: new Date(state.resetsAtMs).toISOString(),
  };
}

function forecastAnswer(forecast: BudgetState["forecast"]) {
  return forecast === null ? null : { ...forecast, atEndUsd: nanoUsdText(forecast.atEndNanoUsd) };
}

export function grantAnswer(grant: Grant): Static<typeof GrantAnswer> {
  const { id, amountNanoUsd, createdAtMs, expiresAtMs, reason, author } = grant;
  return {
    id,
    ...("team" in grant ? { team: grant.team } : { organization: grant.organization }),
    amountNanoUsd,
    amountUsd: nanoUsdText(amountNanoUsd),
    createdAt: new Date(createdAtMs).toISOString(),
    expiresAt: new Date(expiresAtMs).toISOString(),
    reason,
    author,
  };
}

export function shareAnswer(row: SpendRow, by: "app" | "model"): Static<typeof Share> {
  return {
    name: row.group[by] ?? null,
    requests: jsonInteger(row.requests),
    costNanoUsd: jsonInteger(row.costNanoUsd),
    costUsd: nanoUsdText(row.costNanoUsd),
  };
}
