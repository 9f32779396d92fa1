/** GET /v1/budgets and /v1/budgets/{team}: what is spent, held and left, and where it goes. */
import type { FastifyInstance } from "fastify";
import Type, { type Static } from "typebox";
import type { Log } from "../admission/ports.ts";
import {
  type BudgetState,
  type BudgetStateParts,
  readBudgets,
  readTeam,
} from "../budget/budget-state.ts";
import type { GrantBook } from "../budget/grants.ts";
import { ApiError } from "../errors.ts";
import type { RecordPage, Store } from "../ledger/store/store.ts";
import type { Metrics } from "../metrics.ts";
import type { PolicySet } from "../policy/policy-set.ts";
import { SpendTally } from "../reports/spend.ts";
import {
  Budget,
  budgetAnswer,
  GrantAnswer,
  grantAnswer,
  Shares,
  shareAnswer,
} from "./budget-answer.ts";
import { callStore } from "./store-call.ts";

const PAGE_LENGTH = 1000;
/** Apps, and models; what comes after them is refused rather than half told. */
const MAX_SHARES = 100_000;

export const TeamParams = Type.Object({ team: Type.String({ minLength: 1, maxLength: 253 }) });
export type TeamParams = Static<typeof TeamParams>;

const List = Type.Object({ budgets: Type.Array(Budget) });
const One = Type.Object({
  ...Budget.properties,
  /** The budget above; null: there is none. */
  organizationBudget: Type.Union([Budget, Type.Null()]),
  /** Of this period, the most expensive first. */
  byApp: Shares,
  byModel: Shares,
  grants: Type.Array(GrantAnswer),
});

export interface BudgetsParts {
  store: Pick<Store, "counters" | "records">;
  policies: () => PolicySet;
  grants: GrantBook;
  metrics: Metrics;
  log: Log;
  nowMs: () => number;
}

export function registerBudgets(app: FastifyInstance, parts: BudgetsParts): void {
  const list = {
    summary: "Budgets of organizations and teams in their present period",
    response: { 200: List },
  };
  app.get("/v1/budgets", { schema: list }, async () => {
    const states = await callStore(parts, () => readBudgets(stateParts(parts)));
    return { budgets: states.map(budgetAnswer) };
  });

  const one = {
    summary: "A team's budget, with its spending by app and model, and its grants",
    params: TeamParams,
    response: { 200: One },
  };
  app.get<{ Params: TeamParams }>("/v1/budgets/:team", { schema: one }, async ({ params }) => {
    const { team } = params;
    const [state, above] = await callStore(parts, () => readTeam(stateParts(parts), team));
    if (state === undefined) throw noBudget(team);
    const [byApp, byModel] = await callStore(parts, () => shares(parts, state, team));
    return {
      ...budgetAnswer(state),
      organizationBudget: above === undefined ? null : budgetAnswer(above),
      byApp: byApp.rows().map((row) => shareAnswer(row, "app")),
      byModel: byModel.rows().map((row) => shareAnswer(row, "model")),
      grants: parts.grants.list({ team }, parts.nowMs()).map(grantAnswer),
    };
  });

  watchSpending(parts);
}

/** The error for a team, or organization, that no budget limits. */
export function noBudget(name: string, kind: "team" | "organization" = "team"): ApiError {
  return new ApiError("not_found", `no budget is in force for ${kind} "${name}"`);
}

function stateParts({ store, policies, grants, nowMs }: BudgetsParts): BudgetStateParts {
  return { store, budgets: policies().budgets, grants, nowMs: nowMs() };
}

/** Sums the period's usage records of a team. */
async function shares(
  { store }: BudgetsParts,
  { startsAtMs }: BudgetState,
  team: string,
): Promise<[SpendTally, SpendTally]> {
  const byApp = new SpendTally(["app"], MAX_SHARES);
  const byModel = new SpendTally(["model"], MAX_SHARES);
  let cursor: string | null = null;
  do {
    const page: RecordPage = await store.records({
      team,
      sinceMs: startsAtMs,
      limit: PAGE_LENGTH,
      ...(cursor === null ? {} : { cursor }),
    });
    for (const record of page.records) {
      if (record.outcome === "denied") continue;
      byApp.add(record);
      byModel.add(record);
    }
    cursor = page.next;
  } while (cursor !== null);
  return [byApp, byModel];
}

/** Lets the gauges read from the ledger; while it is away they keep what they had. */
function watchSpending(parts: BudgetsParts): void {
  let last: Awaited<ReturnType<typeof readBudgets>> = [];
  parts.metrics.budget.watch(async () => {
    try {
      last = await readBudgets(stateParts(parts));
    } catch (error) {
      parts.metrics.storeErrors.inc();
      parts.log.error({ err: error }, "store failed: the gauges of budgets are not up to date");
    }
    return last
      .filter(({ level }) => level === "team")
      .map(({ name, budgetNanoUsd, spentNanoUsd }) => ({
        team: name,
        budgetNanoUsd,
        spentNanoUsd,
      }));
  });
}
