/** Which budget, or which ceiling inside one, a counter is of. Pure. */
import type { Payer } from "../policy/policy-set.ts";
import type { BudgetIndex } from "./budget-index.ts";
import { nameOfPart } from "./budget-key.ts";
import { type BudgetLimit, budgetLimits, totals } from "./budget-limits.ts";
import type { GrantSource } from "./grants.ts";

/** See budget-key.ts. */
const ORGANIZATION_KEY = /^org\/([^/|\n]+)$/;
const TEAM_KEY = /^budget\/([^/|\n]+)(?:\/(app|user|model|task)\/([^/|\n]+))?$/;
const NOBODY: Payer = { team: null, app: null, user: null, task: null };

/**
 * The limit that a counter's key stands for, as it is in force at `nowMs`; null where the key is
 * not of a budget, or nothing limits it any more. Of a team it is the limit of apps that are not
 * essential.
 */
export function budgetOfCounter(
  key: string,
  budgets: BudgetIndex,
  grants: GrantSource,
  nowMs: number,
): BudgetLimit | null {
  const organization = ORGANIZATION_KEY.exec(key)?.[1];
  if (organization !== undefined) {
    const match = budgets.organizationMatch(nameOfPart(organization));
    const limits = match === null ? [] : totals(match, NOBODY, grants.of(match, nowMs));
    return limits.find((limit) => limit.key === key) ?? null;
  }
  const [, team, level, part = ""] = TEAM_KEY.exec(key) ?? [];
  if (team === undefined) return null;
  const found = budgets.match({ team: nameOfPart(team) });
  if (found.kind !== "budget") return null;
  const name = nameOfPart(part);
  const payer = level === undefined ? NOBODY : { ...NOBODY, [level]: name };
  const model = level === "model" ? name : null;
  const limits = budgetLimits(found.match, payer, model, grants.of(found.match, nowMs));
  return limits.find((limit) => limit.key === key) ?? null;
}
