/** Why a budget refuses a request, and what the client is told. Pure. */

import type { CounterView } from "../ledger/store/store.ts";
import { nanoUsdText } from "../nano-usd-text.ts";
import type { LlmBudget } from "../policy/kinds/llm-budget.ts";
import { sumOf } from "./amount.ts";
import { type BudgetLimit, LEVELS, type Level } from "./budget-limits.ts";
import type { BudgetPlan, PlanOption } from "./plan.ts";

/** Clients choose some of the names; a message does not grow with them. */
const MAX_NAME_CHARS = 128;

const EXCEEDED = {
  organization: "organization_budget_exceeded",
  team: "monthly_budget_exceeded",
  app: "app_budget_exceeded",
  user: "user_budget_exceeded",
  model: "model_budget_exceeded",
  task: "task_budget_exceeded",
} as const satisfies Record<Level, string>;

export type BudgetDenialCode =
  | (typeof EXCEEDED)[Level]
  | "app_not_allowed_for_model"
  | "no_budget_defined"
  | "price_unknown";

export interface BudgetDenial {
  code: BudgetDenialCode;
  status: 403 | 429;
  message: string;
  /** namespace/name of the LLMBudget that refuses. */
  policy: string;
  /** When the limit resets; null: waiting does not help. */
  resetsAtMs: number | null;
}

/** The app may not use the model, whatever is left of the budget. */
export function appNotAllowed(
  budget: LlmBudget,
  app: string | null,
  model: string,
  allowedApps: readonly string[],
): BudgetDenial {
  const who = app === null ? "A request whose app is not known" : `App ${quoted(app)}`;
  const apps = allowedApps.map(quoted).join(", ");
  const message =
    `${who} may not use model ${quoted(model)}: it is for ${apps} (LLMBudget ${budget.policy}). ` +
    `Ask ${budget.contact} for access.`;
  return {
    code: "app_not_allowed_for_model",
    status: 403,
    message,
    policy: budget.policy,
    resetsAtMs: null,
  };
}

/** What the request would cost cannot be told. */
export function priceUnknown(budget: LlmBudget, model: string | null): BudgetDenial {
  const what =
    model === null ? "The request names no model" : `Model ${quoted(model)} has no known price`;
  const { policy, contact } = budget;
  const message = `${what}, and LLMBudget ${policy} counts money. Ask ${contact} to add a price.`;
  return { code: "price_unknown", status: 403, message, policy, resetsAtMs: null };
}

interface Reached {
  limit: BudgetLimit;
  view: CounterView;
  reserveNanoUsd: number;
}

/** What the store answers where it refuses; see ReserveResult. */
export interface Refused {
  counters: readonly CounterView[];
  violated: readonly CounterView[];
}

/**
 * The denial for what the store could not fit, or null where none of it is of a budget. Of several
 * limits the widest is told, for below it nothing would help.
 */
export function exceeded(plan: BudgetPlan, refused: Refused): BudgetDenial | null {
  const views = new Map(refused.violated.map((view) => [view.key, view]));
  const reached = openOptions(plan, refused).flatMap(({ limits, claims }) =>
    limits.flatMap((limit, i): Reached[] => {
      const view = views.get(limit.key);
      return view === undefined ? [] : [{ limit, view, reserveNanoUsd: claims[i]?.reserve ?? 0 }];
    }),
  );
  const [widest] = reached.sort(
    (a, b) => LEVELS.indexOf(a.limit.level) - LEVELS.indexOf(b.limit.level),
  );
  return widest === undefined ? null : denialOf(widest);
}

/** The options whose own limits refused them: not those that were not meant for this state. */
function openOptions({ options }: BudgetPlan, { counters, violated }: Refused): PlanOption[] {
  const taken = new Map(
    [...counters, ...violated].map(({ key, used, held }) => [key, sumOf(used, held)]),
  );
  return options.filter(({ claims }) =>
    claims.every(({ key, reserve, below = Number.POSITIVE_INFINITY, from = 0 }) => {
      const takenNanoUsd = taken.get(key);
      if (takenNanoUsd === undefined) return true;
      return takenNanoUsd + reserve < below && takenNanoUsd >= from;
    }),
  );
}

function denialOf({ limit, view, reserveNanoUsd }: Reached): BudgetDenial {
  const held = view.held > 0 ? `, ${nanoUsdText(view.held)} USD held by requests in flight` : "";
  const needs =
    reserveNanoUsd > 0 ? `; this request may cost ${nanoUsdText(reserveNanoUsd)} USD` : "";
  const message =
    `${subjectOf(limit)} used ${nanoUsdText(view.used)} of ${allowedText(limit)}${held}${needs} ` +
    `(LLMBudget ${limit.policy}). Resets at ${new Date(view.resetsAtMs).toISOString()}. ` +
    `Ask ${limit.contact} for more.`;
  return {
    code: EXCEEDED[limit.level],
    status: 429,
    message,
    policy: limit.policy,
    resetsAtMs: view.resetsAtMs,
  };
}

/** A name within a message. */
export function quoted(name: string | null): string {
  const text = name ?? "";
  return text.length > MAX_NAME_CHARS ? `"${text.slice(0, MAX_NAME_CHARS)}…"` : `"${text}"`;
}

function subjectOf({ level, name, team }: BudgetLimit): string {
  const teamText = team === null ? "Payers without a known team" : `Team ${quoted(team)}`;
  if (level === "team") return teamText;
  if (level === "organization") return `Organization ${quoted(name)}`;
  if (level === "model") return `${teamText} on model ${quoted(name)}`;
  if (name === null) return `${teamText} with no known ${level}`;
  return `${teamText}, ${level} ${quoted(name)},`;
}

function allowedText({ level, limitNanoUsd, budgetNanoUsd }: BudgetLimit): string {
  const period = level === "task" ? "for the task" : "a month";
  const amount = `${nanoUsdText(limitNanoUsd)} USD ${period}`;
  if (limitNanoUsd === budgetNanoUsd) return amount;
  return `${amount} (budget ${nanoUsdText(budgetNanoUsd)} USD)`;
}
