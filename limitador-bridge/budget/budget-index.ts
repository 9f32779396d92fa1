/** Which budget a payer spends from. Pure. */
import { PROMPT_POINTERS } from "../estimate/preview-prompt.ts";
import type { GapRule, LlmBudget } from "../policy/kinds/llm-budget.ts";
import { ANYONE } from "../policy/kinds/llm-budget-schema.ts";
import type { Payer } from "../policy/policy-set.ts";
import { type BudgetDenial, quoted } from "./denial.ts";

/** The request header that asks for a model and no other; the filter must send it. */
export const REQUIRE_MODEL_HEADER = "x-require-model";

/** The budgets that a payer spends from. */
export interface BudgetMatch {
  budget: LlmBudget;
  /** Whose spending is counted; null: all payers whose team is not known, together. */
  team: string | null;
  /** The total above the team's; null: it has none, or none is in force. */
  organization: LlmBudget | null;
}

export type MatchOutcome =
  | { kind: "budget"; match: BudgetMatch }
  /** No budget limits this payer. */
  | { kind: "none" }
  | { kind: "deny"; denial: BudgetDenial };

/** The budgets in force; made anew with every policy set. */
export class BudgetIndex {
  readonly #teams = new Map<string, LlmBudget>();
  readonly #organizations = new Map<string, LlmBudget>();
  readonly budgets: readonly LlmBudget[];

  constructor(budgets: readonly LlmBudget[]) {
    this.budgets = budgets;
    for (const budget of budgets) {
      const { team, organization } = budget;
      if (team !== null) this.#teams.set(team, budget);
      else if (organization !== null) this.#organizations.set(organization, budget);
    }
  }

  /** Request headers that the filter must send for budgets. */
  get headers(): string[] {
    return this.#teams.size > 0 ? [REQUIRE_MODEL_HEADER] : [];
  }

  /** JSON pointers of request bodies that the filter must send for budgets. */
  get bodyPointers(): readonly string[] {
    const counts = this.budgets.some(({ inputEstimate }) => inputEstimate === "tokenizer");
    return counts ? PROMPT_POINTERS : [];
  }

  /**
   * A team's own budget; else what the budget for "*" says of teams without one and of payers
   * whose team is not known. Where there is none, nothing limits them.
   */
  match({ team }: Pick<Payer, "team">): MatchOutcome {
    const own = team === null || team === ANYONE ? undefined : this.#teams.get(team);
    if (own !== undefined) return this.#found(own, team);
    const anyone = this.#teams.get(ANYONE);
    if (anyone === undefined) return { kind: "none" };
    const rule = team === null ? anyone.unknownPayer : anyone.teamsWithoutBudget;
    return this.#apply(rule, anyone, team);
  }

  /** Teams with a budget of their own, as it is matched. */
  teams(): BudgetMatch[] {
    return [...this.#teams].flatMap(([team, budget]) =>
      team === ANYONE ? [] : [{ budget, team, organization: this.#above(budget) }],
    );
  }

  /** An organization's budget with no team's under it; null: it has none. */
  organizationMatch(name: string | null): BudgetMatch | null {
    const budget = name === null ? undefined : this.#organizations.get(name);
    return budget === undefined ? null : { budget, team: null, organization: budget };
  }

  #apply(rule: GapRule, anyone: LlmBudget, team: string | null): MatchOutcome {
    if (rule === "budget") return this.#found(anyone, team);
    if (rule === "allow" || anyone.mode === "shadow") return { kind: "none" };
    const who =
      team === null ? "The payer's team is not known" : `Team ${quoted(team)} has no budget`;
    const message =
      `${who}, and requests without a budget are refused ` +
      `(LLMBudget ${anyone.policy}). Ask ${anyone.contact} for one.`;
    const denial = { code: "no_budget_defined", status: 429, message } as const;
    return { kind: "deny", denial: { ...denial, policy: anyone.policy, resetsAtMs: null } };
  }

  #found(budget: LlmBudget, team: string | null): MatchOutcome {
    return { kind: "budget", match: { budget, team, organization: this.#above(budget) } };
  }

  #above({ organization }: LlmBudget): LlmBudget | null {
    return organization === null ? null : (this.#organizations.get(organization) ?? null);
  }
}
