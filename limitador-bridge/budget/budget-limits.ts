/** The limits that a payer's request for a model counts on, from the organization down. Pure. */
import type { LimitClaim } from "../ledger/store/store.ts";
import type { Window } from "../ledger/window.ts";
import type { LlmBudget } from "../policy/kinds/llm-budget.ts";
import { ANYONE } from "../policy/kinds/llm-budget-schema.ts";
import type { Payer } from "../policy/policy-set.ts";
import { percentDown, percentUp, sumOf } from "./amount.ts";
import type { BudgetMatch } from "./budget-index.ts";
import { keyPart, organizationKey, teamKey } from "./budget-key.ts";
import { matchesModel } from "./model-pattern.ts";

/** The widest first. */
export const LEVELS = ["organization", "team", "app", "user", "model", "task"] as const;
export type Level = (typeof LEVELS)[number];

/** A task does not begin anew with the month; its counter lives from its first request. */
const TASK_WINDOW: Window = { kind: "fixed", lengthMs: 31 * 86_400_000 };
const FULL_PERCENT = 100;
/** Where cost routing is on and no threshold says when to save. */
const ROUTING_PRESSURE_PERCENT = 80;

/** A limit with what messages say of it. Amounts are nano-USD. */
export interface BudgetLimit {
  level: Level;
  /** The organization, team, app, user, model pattern or task; null: not known. */
  name: string | null;
  team: string | null;
  policy: string;
  contact: string;
  key: string;
  /** The whole budget or ceiling; utilization is of this. */
  budgetNanoUsd: number;
  /** From here on requests are refused. */
  limitNanoUsd: number;
  /** How far over the limit a request may go that begins under it. */
  allowanceNanoUsd: number;
  window: Window;
  enforced: boolean;
  /** From here on the cheaper model is used; null: never. */
  pressureNanoUsd: number | null;
  /** See LimitClaim.shardBy. */
  shardBy: string;
}

/** Temporary increases in force, nano-USD. */
export interface Grants {
  team?: number;
  organization?: number;
}

/** The limits of a request that runs `model`; null where it names none. */
export function budgetLimits(
  match: BudgetMatch,
  payer: Payer,
  model: string | null,
  grants: Grants,
): BudgetLimit[] {
  const ceilings = new Ceilings(match);
  return [
    ...totals(match, payer, grants),
    ...ceilings.named("app", payer.app, match.budget.apps),
    ...ceilings.named("user", payer.user, match.budget.users),
    ...ceilings.models(model),
    ...ceilings.task(payer.task),
  ];
}

/** The limits of the organization and of the team. */
export function totals(match: BudgetMatch, payer: Payer, grants: Grants): BudgetLimit[] {
  const { budget, team, organization } = match;
  const isEssential = payer.app !== null && budget.essentialApps.has(payer.app);
  const buffer = isEssential ? budget.emergencyBufferPercent : 0;
  const own = total("team", budget, team, team, grants.team ?? 0, buffer);
  if (organization === null) return [own];
  const { organization: name } = organization;
  return [total("organization", organization, name, team, grants.organization ?? 0, 0), own];
}

function total(
  level: "organization" | "team",
  budget: LlmBudget,
  name: string | null,
  team: string | null,
  grantNanoUsd: number,
  bufferPercent: number,
): BudgetLimit {
  const budgetNanoUsd = sumOf(budget.monthlyNanoUsd, grantNanoUsd);
  const reject = budget.thresholds.find(({ action }) => action === "reject");
  const regular = percentDown(budgetNanoUsd, reject?.percent ?? FULL_PERCENT);
  const limitNanoUsd = percentDown(regular, FULL_PERCENT + bufferPercent);
  const farthest = sumOf(regular, percentDown(regular, budget.overshootPercent));
  const key = level === "team" ? teamKey(name) : organizationKey(name ?? "");
  return {
    level,
    name,
    team,
    policy: budget.policy,
    contact: budget.contact,
    key,
    budgetNanoUsd,
    limitNanoUsd,
    // The emergency buffer and the overshoot do not add up.
    allowanceNanoUsd: Math.max(0, farthest - limitNanoUsd),
    window: { kind: "calendar", period: "month", timeZone: budget.timeZone },
    enforced: budget.mode === "enforce",
    pressureNanoUsd: pressure(budget, budgetNanoUsd),
    shardBy: key,
  };
}

function pressure(budget: LlmBudget, budgetNanoUsd: number): number | null {
  const own = budget.thresholds.find(({ action }) => action === "alert_and_downgrade");
  const preset = budget.costRouting === null ? null : ROUTING_PRESSURE_PERCENT;
  const percent = own?.percent ?? preset;
  return percent === null ? null : percentUp(budgetNanoUsd, percent);
}

/** The ceilings inside a team's budget. Each is kept to the nano-dollar: no overshoot. */
class Ceilings {
  readonly #match: BudgetMatch;

  constructor(match: BudgetMatch) {
    this.#match = match;
  }

  #ceiling(level: Level, name: string | null, part: string, amountNanoUsd: number): BudgetLimit {
    const { budget, team } = this.#match;
    const { policy, contact, timeZone, mode } = budget;
    return {
      level,
      name,
      team,
      policy,
      contact,
      key: `${teamKey(team)}/${level}/${part}`,
      budgetNanoUsd: amountNanoUsd,
      limitNanoUsd: amountNanoUsd,
      allowanceNanoUsd: 0,
      window: level === "task" ? TASK_WINDOW : { kind: "calendar", period: "month", timeZone },
      enforced: mode === "enforce",
      pressureNanoUsd: null,
      shardBy: teamKey(team),
    };
  }

  /** The ceiling of this app or user, or the one for each that is not named. */
  named(
    level: "app" | "user",
    name: string | null,
    ceilings: ReadonlyMap<string, number>,
  ): BudgetLimit[] {
    const own = name === null || name === ANYONE ? undefined : ceilings.get(name);
    const amountNanoUsd = own ?? ceilings.get(ANYONE);
    if (amountNanoUsd === undefined) return [];
    return [this.#ceiling(level, name, keyPart(name), amountNanoUsd)];
  }

  models(model: string | null): BudgetLimit[] {
    return this.#match.budget.modelLimits.flatMap(({ pattern, maxNanoUsd }) => {
      if (maxNanoUsd === null || !matchesModel(pattern, model ?? "")) return [];
      return [this.#ceiling("model", pattern, keyPart(pattern), maxNanoUsd)];
    });
  }

  task(task: string | null): BudgetLimit[] {
    const { taskMaxNanoUsd } = this.#match.budget;
    if (taskMaxNanoUsd === null || task === null) return [];
    return [this.#ceiling("task", task, keyPart(task), taskMaxNanoUsd)];
  }
}

/** What a request holds on a limit. */
export function claimOf(
  limit: BudgetLimit,
  amounts: { reserveNanoUsd: number; onExpiryNanoUsd: number },
): LimitClaim {
  const { key, limitNanoUsd, allowanceNanoUsd, window, enforced, shardBy } = limit;
  const { reserveNanoUsd, onExpiryNanoUsd } = amounts;
  return {
    key,
    unit: "usd",
    limit: limitNanoUsd,
    window,
    // A shadow claim is never refused, so that nothing else would bound what it adds up to.
    reserve: enforced ? reserveNanoUsd : Math.min(reserveNanoUsd, limitNanoUsd),
    onExpiry: onExpiryNanoUsd,
    enforced,
    shardBy,
    ...(allowanceNanoUsd > 0 ? { allowance: allowanceNanoUsd } : {}),
  };
}
