import { expect, test } from "vitest";
import { problemText } from "../../../limitador-bridge/policy/load.ts";
import { load } from "./fixture.ts";

const budget = (name: string, spec: string) => `apiVersion: ai.systemhardening.com/v1
kind: LLMBudget
metadata: {name: ${name}}
spec:
${spec}  monthlyBudgetUSD: 10
`;
const ofTeam = budget("a", "  team: a\n  organization: acme\n");

test("a team's organization that has no budget is told of, with its place", () => {
  const { warnings, problems, set } = load(ofTeam);
  expect(problems).toEqual([]);
  expect(warnings.map(problemText)).toEqual([
    "policies.yaml:6:17: spec.organization: no LLMBudget for the organization " +
      '"acme" (one without a team) is in force: nothing limits its total',
  ]);
  expect(set.status()[0]).toMatchObject({ accepted: true, warnings });
});

test("nothing is told where it has one, or none is named", () => {
  const total = budget("total", "  organization: acme\n");
  expect(load(`${ofTeam}---\n${total}`).warnings).toEqual([]);
  expect(load(budget("b", "  team: b\n")).warnings).toEqual([]);
});
