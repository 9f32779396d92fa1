/** Budgets of teams whose organization has no budget: nothing limits its total. Pure. */
import { type LlmBudget, llmBudgetKind } from "./kinds/llm-budget.ts";
import type { PolicyDocument } from "./policy-file.ts";
import type { PolicyProblem } from "./policy-set.ts";
import type { SourceDocument } from "./source-document.ts";

/** What is probably not meant, by the document of the team's budget. */
export function organizationWarnings(
  documents: readonly PolicyDocument[],
): Map<SourceDocument, PolicyProblem[]> {
  const budgets = documents.flatMap(({ kind, object, source }) =>
    kind?.kind === llmBudgetKind.kind && object !== null
      ? [{ source, budget: object as LlmBudget }]
      : [],
  );
  const limited = new Set(
    budgets.flatMap(({ budget: { team, organization } }) => (team === null ? [organization] : [])),
  );
  return new Map(
    budgets.flatMap(({ source, budget: { organization } }): [SourceDocument, PolicyProblem[]][] => {
      if (organization === null || limited.has(organization)) return [];
      const message =
        `no LLMBudget for the organization ${JSON.stringify(organization)} (one without a team) ` +
        "is in force: nothing limits its total";
      return [[source, [source.problem(["spec", "organization"], message)]]];
    }),
  );
}
