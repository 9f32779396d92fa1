/** The document's budget, prices, and a ledger that decides as the stores do. */
import { readFileSync } from "node:fs";
import { budgetHeaders } from "../../../limitador-bridge/budget/answer.ts";
import { BudgetIndex, type BudgetMatch } from "../../../limitador-bridge/budget/budget-index.ts";
import { exceeded } from "../../../limitador-bridge/budget/denial.ts";
import {
  type BudgetPlan,
  type PlanOption,
  type PlanRequest,
  planRequest,
} from "../../../limitador-bridge/budget/plan.ts";
import type { ModelCost } from "../../../limitador-bridge/budget/routing.ts";
import type { CounterView, LimitClaim } from "../../../limitador-bridge/ledger/store/store.ts";
import { windowAt } from "../../../limitador-bridge/ledger/window.ts";
import type { LlmBudget } from "../../../limitador-bridge/policy/kinds/llm-budget.ts";
import { POLICY_KINDS } from "../../../limitador-bridge/policy/kinds/registry.ts";
import { problemText } from "../../../limitador-bridge/policy/load.ts";
import { parsePolicyFile } from "../../../limitador-bridge/policy/policy-file.ts";
import type { Payer } from "../../../limitador-bridge/policy/policy-set.ts";

export const USD = 1_000_000_000;
export const NOW_MS = Date.UTC(2026, 10, 21, 12);
export const DECEMBER_MS = Date.UTC(2026, 11, 1);
export const EXAMPLE = readFileSync("policies/examples/team-budgets/ml-team.yaml", "utf8");

/** An LLMBudget whose spec is given at two spaces' indent. */
export function budgetText(spec: string, name = "b"): string {
  return (
    "apiVersion: ai.systemhardening.com/v1\nkind: LLMBudget\n" +
    `metadata: {name: ${name}}\nspec:\n${spec}`
  );
}

export function parse(text: string) {
  const { documents, problems } = parsePolicyFile("b.yaml", text, POLICY_KINDS);
  const budgets = documents.flatMap(({ object }) => (object === null ? [] : [object as LlmBudget]));
  return {
    budgets,
    problems: problems.map(problemText),
    warnings: budgets.flatMap(({ warnings }) => warnings.map(problemText)),
  };
}

/** The budgets of a text that must be good. */
export function budgetsOf(text: string): LlmBudget[] {
  const { budgets, problems } = parse(text);
  if (problems.length > 0) throw new Error(problems.join("\n"));
  return budgets;
}

export function payer(parts: Partial<Payer> = {}): Payer {
  return { team: "ml-team", app: "chatbot", user: "alice", task: null, ...parts };
}

/** What the team's requests are matched with; the text must have a budget for it. */
export function matchOf(text: string, who: Payer = payer()): BudgetMatch {
  const outcome = new BudgetIndex(budgetsOf(text)).match(who);
  if (outcome.kind !== "budget") throw new Error(`no budget: ${outcome.kind}`);
  return outcome.match;
}

/** nano-USD for one request, in the proportions of the document's price list. */
const COSTS: Record<string, number> = {
  "claude-opus-4": 75_000_000,
  "gpt-4o": 10_000_000,
  "gpt-4o-2024-08-06": 10_000_000,
  "gpt-4o-mini": 600_000,
  "llama-3-8b": 80_000,
};

/** Worst case as listed, half of it expected, a tenth for the input. */
export function costOf(model: string): ModelCost | null {
  const worstCaseNanoUsd = COSTS[model];
  if (worstCaseNanoUsd === undefined) return null;
  return {
    inputNanoUsd: worstCaseNanoUsd / 10,
    expectedNanoUsd: worstCaseNanoUsd / 2,
    worstCaseNanoUsd,
  };
}

export function planRequestOf(parts: Partial<PlanRequest> = {}): PlanRequest {
  return {
    payer: payer(),
    model: "gpt-4o",
    requiredModel: null,
    promptTokens: 600,
    costOf,
    ...parts,
  };
}

/** The plan of a request that must not be denied at once. */
export function planOf(match: BudgetMatch, parts: Partial<PlanRequest> = {}): BudgetPlan {
  const result = planRequest(match, planRequestOf(parts));
  if (result.kind === "plan") return result.plan;
  throw new Error(`denied: ${result.denial.message}`);
}

export interface Decision {
  taken: PlanOption | null;
  counters: CounterView[];
  violated: CounterView[];
}

/** The store's rules, on plain numbers: the first option whose claims all fit. */
export class Ledger {
  readonly #counters = new Map<string, { used: number; held: number }>();

  /** Sets what was spent, nano-USD by key. */
  constructor(used: Record<string, number> = {}) {
    for (const [key, amount] of Object.entries(used)) {
      this.#counters.set(key, { used: amount, held: 0 });
    }
  }

  reserve({ options }: BudgetPlan): Decision {
    const violated: CounterView[] = [];
    for (const option of options) {
      const enforced = option.claims.filter((claim) => claim.enforced);
      const over = enforced.filter((claim) => !this.#fits(claim));
      if (over.length === 0 && enforced.every((claim) => this.#isOpen(claim))) {
        for (const claim of option.claims) this.#hold(claim);
        return { taken: option, counters: option.claims.map(this.#view), violated: [] };
      }
      violated.push(...over.map(this.#view));
    }
    return { taken: null, counters: options[0]?.claims.map(this.#view) ?? [], violated };
  }

  #of({ key }: LimitClaim) {
    return this.#counters.get(key) ?? { used: 0, held: 0 };
  }

  #hold(claim: LimitClaim): void {
    const { used, held } = this.#of(claim);
    this.#counters.set(claim.key, { used, held: held + claim.reserve });
  }

  #fits(claim: LimitClaim): boolean {
    const { used, held } = this.#of(claim);
    const taken = used + held;
    const { limit, reserve, allowance } = claim;
    const isUnder = taken < limit;
    if (allowance !== undefined) return isUnder && taken + reserve <= limit + allowance;
    return reserve > 0 ? taken + reserve <= limit : isUnder;
  }

  #isOpen(claim: LimitClaim): boolean {
    const { used, held } = this.#of(claim);
    const { reserve, below = Number.POSITIVE_INFINITY, from = 0 } = claim;
    return used + held + reserve < below && used + held >= from;
  }

  #view = (claim: LimitClaim): CounterView => {
    const { used, held } = this.#of(claim);
    const { key, unit, limit, window } = claim;
    return {
      key,
      unit,
      window,
      limit,
      used,
      held,
      remaining: Math.max(0, limit - used - held),
      resetsAtMs: windowAt(window, NOW_MS).endMs,
    };
  };
}

/** Model that runs, reason and headers; or the denial's code. */
export function decide(
  match: ReturnType<typeof matchOf>,
  used: Record<string, number>,
  parts: Partial<PlanRequest> = {},
) {
  const plan = planOf(match, parts);
  const decision = new Ledger(used).reserve(plan);
  const { taken } = decision;
  const headers = budgetHeaders(plan, taken, decision.counters);
  if (taken !== null) return { model: taken.model, why: taken.why, headers };
  return { denied: exceeded(plan, decision)?.code, headers };
}
