/** LLMBudget (ai.systemhardening.com/v1): known, and said not to be enforced. */
import type { PolicyKind } from "./kind.ts";

export const llmBudgetKind: PolicyKind<null> = {
  apiVersion: "ai.systemhardening.com/v1",
  kind: "LLMBudget",
  load: () => ({
    object: null,
    problems: [],
    refusal:
      "the kind LLMBudget (ai.systemhardening.com/v1) is not supported yet: nothing is enforced",
  }),
};
