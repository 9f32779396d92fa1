/** How far each budget is used up, read from the ledger. */
import { counterId } from "../ledger/counter.ts";
import type { CounterView, Store } from "../ledger/store/store.ts";
import { windowAt } from "../ledger/window.ts";
import type { LlmBudget } from "../policy/kinds/llm-budget.ts";
import { ANYONE } from "../policy/kinds/llm-budget-schema.ts";
import { percentUp, sumOf } from "./amount.ts";
import type { BudgetIndex, BudgetMatch } from "./budget-index.ts";
import { nameOfPart } from "./budget-key.ts";
import { type BudgetLimit, totals } from "./budget-limits.ts";
import { type Forecast, forecast } from "./forecast.ts";
import type { GrantSource } from "./grants.ts";

/** Counters looked at in one go; a budget that is not among them is looked up by its key. */
const MAX_SCANNED = 10_000;
const NOBODY = { team: null, app: null, user: null, task: null };
const TEAM_KEY = /^budget\/([^/\n]+)$/;

/** One budget in its present period. Amounts are nano-USD. */
export interface BudgetState {
  level: "organization" | "team";
  /** null: payers whose team is not known. */
  name: string | null;
  budget: LlmBudget;
  /** With what is granted. */
  budgetNanoUsd: number;
  grantedNanoUsd: number;
  spentNanoUsd: number;
  heldNanoUsd: number;
  /** max(0, budget − spent − held) */
  remainingNanoUsd: number;
  /** null: the period has just begun. */
  forecast: Forecast | null;
  thresholds: (LlmBudget["thresholds"][number] & { reached: boolean })[];
  startsAtMs: number;
  resetsAtMs: number;
}

export interface BudgetStateParts {
  store: Pick<Store, "counters">;
  budgets: BudgetIndex;
  grants: GrantSource;
  nowMs: number;
}

/**
 * The organizations' budgets, then those of teams: of those with one of their own, and of those
 * under the budget for "*" that have spent something.
 * @throws what the store throws
 */
export async function readBudgets(parts: BudgetStateParts): Promise<BudgetState[]> {
  const views = new Map<string, CounterView>();
  const keys = new Set<string>();
  let scanned = 0;
  for (const prefix of ["org/", "budget/"]) {
    const found = await parts.store.counters(prefix, MAX_SCANNED);
    scanned = Math.max(scanned, found.length);
    for (const view of found) {
      views.set(counterId(view), view);
      if (view.unit === "usd") keys.add(view.key);
    }
  }
  const limits = [...ownLimits(parts), ...otherTeams(parts, keys)];
  const states: BudgetState[] = [];
  for (const limit of limits) {
    const known = views.get(counterIdOf(limit.limit));
    const isMissing = known === undefined && scanned >= MAX_SCANNED;
    states.push(stateOf(parts, limit, isMissing ? await viewOf(parts, limit.limit) : known));
  }
  return states;
}

/** One team's budget, and that of its organization; empty: none limits it. */
export async function readTeam(parts: BudgetStateParts, team: string): Promise<BudgetState[]> {
  const found = parts.budgets.match({ team });
  if (found.kind !== "budget") return [];
  const limits = limitsOf(parts, found.match).reverse();
  const views = await Promise.all(limits.map(({ limit }) => viewOf(parts, limit)));
  return limits.map((limit, i) => stateOf(parts, limit, views[i]));
}

interface OwnedLimit {
  limit: BudgetLimit;
  budget: LlmBudget;
}

function limitsOf({ grants, nowMs }: BudgetStateParts, match: BudgetMatch): OwnedLimit[] {
  return totals(match, NOBODY, grants.of(match, nowMs)).map((limit) => ({
    limit,
    budget: limit.level === "team" ? match.budget : (match.organization ?? match.budget),
  }));
}

function ownLimits(parts: BudgetStateParts): OwnedLimit[] {
  const { budgets } = parts;
  const teams = budgets.teams().flatMap((match) => limitsOf(parts, match));
  // Also where no team belongs to it.
  const organizations = budgets.budgets
    .filter(({ team }) => team === null)
    .flatMap((budget) => limitsOf(parts, { budget, team: null, organization: budget }));
  return [
    ...organizations.filter(({ limit }) => limit.level === "organization"),
    ...teams.filter(({ limit }) => limit.level === "team"),
  ];
}

function otherTeams(parts: BudgetStateParts, keys: ReadonlySet<string>) {
  return [...keys].flatMap((key): OwnedLimit[] => {
    const part = TEAM_KEY.exec(key)?.[1];
    if (part === undefined) return [];
    const found = parts.budgets.match({ team: nameOfPart(part) });
    if (found.kind !== "budget" || found.match.budget.team !== ANYONE) return [];
    return limitsOf(parts, found.match).filter(({ limit }) => limit.level === "team");
  });
}

/** Not the key alone: the counter of the time zone that a budget had before has the same one. */
function counterIdOf({ key, window }: BudgetLimit): string {
  return counterId({ key, unit: "usd", window });
}

async function viewOf(
  { store }: BudgetStateParts,
  limit: BudgetLimit,
): Promise<CounterView | undefined> {
  const id = counterIdOf(limit);
  // Some time zones' names begin with another's.
  const views = await store.counters(id, 10);
  return views.find((view) => counterId(view) === id);
}

function stateOf(
  { nowMs }: BudgetStateParts,
  { limit, budget }: OwnedLimit,
  view: CounterView | undefined,
): BudgetState {
  const { budgetNanoUsd, window, name } = limit;
  const { startMs, endMs } = windowAt(window, nowMs);
  const spentNanoUsd = view?.used ?? 0;
  const heldNanoUsd = view?.held ?? 0;
  return {
    level: limit.level === "team" ? "team" : "organization",
    name,
    budget,
    budgetNanoUsd,
    grantedNanoUsd: budgetNanoUsd - budget.monthlyNanoUsd,
    spentNanoUsd,
    heldNanoUsd,
    remainingNanoUsd: Math.max(0, budgetNanoUsd - sumOf(spentNanoUsd, heldNanoUsd)),
    forecast: forecast({
      spentNanoUsd,
      budgetNanoUsd,
      elapsedMs: nowMs - startMs,
      periodMs: endMs - startMs,
    }),
    thresholds: budget.thresholds.map((threshold) => ({
      ...threshold,
      reached: spentNanoUsd >= percentUp(budgetNanoUsd, threshold.percent),
    })),
    startsAtMs: startMs,
    resetsAtMs: endMs,
  };
}
