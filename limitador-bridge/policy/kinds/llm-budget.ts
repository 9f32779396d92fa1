/** LLMBudget (ai.systemhardening.com/v1): what a team may spend in a month, and on what. */
import type { PolicyProblem } from "../policy-set.ts";
import { checkSchema } from "../schema-check.ts";
import type { SourceDocument } from "../source-document.ts";
import type { LoadedObject, PolicyKind } from "./kind.ts";
import { BudgetCompiler } from "./llm-budget-compiler.ts";
import { ANYONE, API_VERSION, KIND, LlmBudgetSchema } from "./llm-budget-schema.ts";

export type ThresholdAction = "alert" | "alert_and_downgrade" | "reject";

export interface Threshold {
  percent: number;
  action: ThresholdAction;
  notifyChannel: string | null;
}

export interface ModelLimit {
  /** The model's name or a glob, as it is written. */
  pattern: string;
  /** Null: no ceiling. */
  maxNanoUsd: number | null;
  /** Null: every app. */
  allowedApps: readonly string[] | null;
}

export interface CostRouting {
  cheapModel: string;
  expensiveModel: string;
  /** Prompts of fewer tokens go to the cheap model. */
  complexityThreshold: number;
}

export type GapRule = "budget" | "allow" | "deny";
export type UnknownModel = { rule: "deny" } | { rule: "free" } | { rule: "priceAs"; model: string };

/** A budget that can be applied. Amounts are nano-USD, percents integers. */
export interface LlmBudget {
  /** namespace/name */
  policy: string;
  /** Null: the total of an organization; "*": each team without a budget of its own. */
  team: string | null;
  /** The organization that the team belongs to, or whose total this is. */
  organization: string | null;
  monthlyNanoUsd: number;
  /** Ascending, each percent once. */
  thresholds: readonly Threshold[];
  modelLimits: readonly ModelLimit[];
  defaultModel: string | null;
  /** As written, also where routing is off: then the model to downgrade to. */
  cheapModel: string | null;
  /** Null: off. */
  costRouting: CostRouting | null;
  /** Ceilings in nano-USD by name; "*" is for each one that is not named. */
  apps: ReadonlyMap<string, number>;
  users: ReadonlyMap<string, number>;
  /** Ceiling of each task; null: none. */
  taskMaxNanoUsd: number | null;
  timeZone: string;
  overshootPercent: number;
  essentialApps: ReadonlySet<string>;
  emergencyBufferPercent: number;
  mode: "enforce" | "shadow";
  failureMode: "allow" | "deny";
  /** "ask": every request asks, there are no leases. */
  enforcement: "lease" | "ask";
  unknownModel: UnknownModel;
  reservation: "worst-case" | "expected" | "none";
  defaultMaxOutputTokens: number | null;
  capMaxOutputTokens: boolean;
  /** "cut": a stream ends where what is held for it is used up. */
  onExhausted: "continue" | "cut";
  /** Where input tokens come from before the request has run. */
  inputEstimate: "bytes" | "tokenizer";
  /** Whom to ask for more. */
  contact: string;
  teamsWithoutBudget: GapRule;
  unknownPayer: GapRule;
  /** Allowed, but probably not what was meant. */
  warnings: readonly PolicyProblem[];
}

/** Who the budget is for, in words. Two budgets in force never have the same subject. */
function budgetSubject({ team, organization }: LlmBudget): string {
  if (team === null) return `organization "${organization}"`;
  return team === ANYONE ? "teams without a budget" : `team "${team}"`;
}

function load(document: SourceDocument): LoadedObject<LlmBudget> {
  const wrong = checkSchema(document, LlmBudgetSchema);
  if (wrong.length > 0) return { object: null, problems: wrong };
  const compiler = new BudgetCompiler(document);
  return { object: compiler.compile(), problems: compiler.problems };
}

export const llmBudgetKind: PolicyKind<LlmBudget> = {
  apiVersion: API_VERSION,
  kind: KIND,
  schema: LlmBudgetSchema,
  subject: budgetSubject,
  warnings: ({ warnings }) => warnings,
  load,
};
