/**
 * What a budget makes of a request: the models it may run on, in order of preference, each with
 * what it would hold; the store takes the first that fits, in one atomic step. Pure.
 */
import type { LimitClaim } from "../ledger/store/store.ts";
import type { Payer } from "../policy/policy-set.ts";
import type { BudgetMatch } from "./budget-index.ts";
import { type BudgetLimit, budgetLimits, claimOf, type Grants } from "./budget-limits.ts";
import { appNotAllowed, type BudgetDenial, priceUnknown } from "./denial.ts";
import {
  downgradeOf,
  FREE,
  type ModelCost,
  type PricedModel,
  pricedModel,
  type RoutingReason,
  refusingLimit,
  routed,
} from "./routing.ts";

export interface PlanRequest {
  payer: Payer;
  /** As the client named it; null: it did not. */
  model: string | null;
  /** X-Require-Model; null: not sent. */
  requiredModel: string | null;
  /** As counted or learned, without a margin. */
  promptTokens: number;
  /** What this request would cost on a model; null: no price is known. */
  costOf: (model: string) => ModelCost | null;
  /** Whether the response is a stream that can be ended early. */
  canCut?: boolean;
  /** Whether the API that is called can serve the model; not given: every model. */
  servable?: (model: string) => boolean;
  grants?: Grants;
}

export interface PlanOption {
  /** The model that runs; null: the request names none. */
  model: string | null;
  why: RoutingReason;
  /** Runs on another model than the client named. */
  changed: boolean;
  /** …and on a cheaper one. */
  downgraded: boolean;
  /** The model whose price counts; null: it runs free. */
  priceModel: string | null;
  /** One limit for each claim, in the same order. */
  limits: BudgetLimit[];
  claims: LimitClaim[];
}

export interface BudgetPlan {
  match: BudgetMatch;
  /** The model that the client named. */
  requestedModel: string | null;
  /** At least one. */
  options: PlanOption[];
  /** What happens when the store is away. */
  failureMode: "allow" | "deny";
}

export type PlanResult =
  | { kind: "plan"; plan: BudgetPlan }
  | { kind: "deny"; denial: BudgetDenial };

/** Plans a request that spends from `match`. */
export function planRequest(match: BudgetMatch, request: PlanRequest): PlanResult {
  return new Planner(match, request).plan();
}

interface Choice {
  model: string | null;
  why: RoutingReason;
  priced: PricedModel;
}

class Planner {
  readonly #match: BudgetMatch;
  readonly #request: PlanRequest;

  constructor(match: BudgetMatch, request: PlanRequest) {
    this.#match = match;
    this.#request = request;
  }

  plan(): PlanResult {
    const { budget, organization } = this.#match;
    const isShadow = budget.mode === "shadow";
    const denial = isShadow ? undefined : this.#notAllowed();
    if (denial !== undefined) return { kind: "deny", denial };
    const { model, why } = isShadow ? this.#asRequested() : this.#firstChoice();
    const priced = pricedModel(budget, model, this.#request.costOf);
    const neverDenies = isShadow && organization?.mode !== "enforce";
    if (priced === null && !neverDenies) {
      return { kind: "deny", denial: priceUnknown(budget, model) };
    }
    // In shadow nothing is refused, so that what has no price is counted as nothing.
    const firsts = this.#options({ model, why, priced: priced ?? FREE });
    const options = isShadow || why === "required" ? firsts : this.#withDowngrade(model, firsts);
    return {
      kind: "plan",
      plan: {
        match: this.#match,
        requestedModel: this.#request.model,
        options,
        failureMode: this.#failureMode(),
      },
    };
  }

  /** An app that asks for a model that is not for it is told so, whatever routing would do. */
  #notAllowed(): BudgetDenial | undefined {
    const { budget } = this.#match;
    const { payer, model, requiredModel } = this.#request;
    const asked = requiredModel ?? model;
    if (asked === null) return undefined;
    const refusing = refusingLimit(budget, payer.app, asked);
    if (refusing === undefined) return undefined;
    return appNotAllowed(budget, payer.app, asked, refusing.allowedApps);
  }

  #asRequested(): Pick<Choice, "model" | "why"> {
    return { model: this.#request.model, why: "as_requested" };
  }

  #firstChoice(): Pick<Choice, "model" | "why"> {
    const { model, requiredModel } = this.#request;
    if (requiredModel !== null) return { model: requiredModel, why: "required" };
    if (model === null) return this.#asRequested();
    return routed(this.#match.budget, this.#routing(model));
  }

  #routing(model: string) {
    const { payer, promptTokens, costOf, servable = () => true } = this.#request;
    return { app: payer.app, model, promptTokens, costOf, servable };
  }

  /**
   * One option; two of a stream that is cut when an expected reservation is used up: as long as
   * there is room the worst case is held, so that nothing is cut that need not be.
   */
  #options(choice: Choice): PlanOption[] {
    const { cost } = choice.priced;
    const reserveNanoUsd = this.#reserve(cost);
    const { onExhausted } = this.#match.budget;
    const isCut = onExhausted === "cut" && this.#request.canCut === true;
    const held =
      isCut && reserveNanoUsd < cost.worstCaseNanoUsd
        ? [cost.worstCaseNanoUsd, reserveNanoUsd]
        : [reserveNanoUsd];
    return held.map((nanoUsd) => this.#option(choice, nanoUsd));
  }

  #option({ model, why, priced }: Choice, reserveNanoUsd: number): PlanOption {
    const { payer, grants = {} } = this.#request;
    const { cost, priceModel } = priced;
    const limits = budgetLimits(this.#match, payer, model, grants);
    const amounts = { reserveNanoUsd, onExpiryNanoUsd: cost.inputNanoUsd };
    const changed = model !== this.#request.model;
    return {
      model,
      why,
      changed,
      downgraded: changed && this.#isCheaperThanRequested(cost),
      priceModel,
      limits,
      claims: limits.map((limit) => claimOf(limit, amounts)),
    };
  }

  #reserve({ worstCaseNanoUsd, expectedNanoUsd }: ModelCost): number {
    const { reservation } = this.#match.budget;
    if (reservation === "none") return 0;
    return reservation === "expected" ? expectedNanoUsd : worstCaseNanoUsd;
  }

  #isCheaperThanRequested(cost: ModelCost): boolean {
    const { model, costOf } = this.#request;
    const asked = pricedModel(this.#match.budget, model, costOf);
    return asked === null || cost.worstCaseNanoUsd < asked.cost.worstCaseNanoUsd;
  }

  /**
   * The first choice while every budget is below its threshold; for each budget that has one, the
   * cheaper model from there on. `from` is where `below` of the first choice ends, so that a model
   * whose own ceiling is reached is refused and not replaced.
   */
  #withDowngrade(model: string | null, firsts: PlanOption[]): PlanOption[] {
    const { budget } = this.#match;
    const target = model === null ? null : downgradeOf(budget, this.#routing(model));
    const priced = target === null ? null : pricedModel(budget, target, this.#request.costOf);
    // The one that holds the least is what still fits when the others do not.
    const least = firsts.at(-1);
    if (priced === null || least === undefined) return firsts;
    const pressured = least.limits.flatMap(({ enforced, pressureNanoUsd }, i) =>
      enforced && pressureNanoUsd !== null ? [{ i, belowNanoUsd: pressureNanoUsd }] : [],
    );
    const cheaper = pressured.flatMap(({ i, belowNanoUsd }) => {
      const options = this.#options({ model: target, why: "budget_pressure", priced });
      const from = Math.max(0, belowNanoUsd - (least.claims[i]?.reserve ?? 0));
      return options.map((option) => ({
        ...option,
        claims: withCondition(option.claims, i, { from }),
      }));
    });
    const below = (option: PlanOption): PlanOption => ({
      ...option,
      claims: pressured.reduce(
        (all, { i, belowNanoUsd }) => withCondition(all, i, { below: belowNanoUsd }),
        option.claims,
      ),
    });
    return [...firsts.map(below), ...cheaper];
  }

  #failureMode(): "allow" | "deny" {
    const { budget, organization } = this.#match;
    const denies = [budget, organization].some(
      (level) => level?.mode === "enforce" && level.failureMode === "deny",
    );
    return denies ? "deny" : "allow";
  }
}

function withCondition(
  claims: readonly LimitClaim[],
  at: number,
  condition: Pick<LimitClaim, "below" | "from">,
): LimitClaim[] {
  return claims.map((claim, i) => (i === at ? { ...claim, ...condition } : claim));
}
