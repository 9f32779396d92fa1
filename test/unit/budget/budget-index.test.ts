import { describe, expect, test } from "vitest";
import { BudgetIndex, type MatchOutcome } from "../../../limitador-bridge/budget/budget-index.ts";
import { budgetsOf, budgetText } from "./budget-fixture.ts";

const OWN = budgetText("  team: ml\n  monthlyBudgetUSD: 10\n", "ml");
const ANY = (more = "") =>
  budgetText(`  team: "*"\n  monthlyBudgetUSD: 1\n  contact: finance\n${more}`, "any");

const indexOf = (...texts: string[]) => new BudgetIndex(budgetsOf(texts.join("---\n")));

/** `policy/team` of a match, the message of a denial, or "none". */
function told(outcome: MatchOutcome): string {
  if (outcome.kind === "budget") return `${outcome.match.budget.policy} for ${outcome.match.team}`;
  return outcome.kind === "deny" ? outcome.denial.message : "none";
}

describe("who spends from which budget", () => {
  test.each<[string, string[], string | null, string]>([
    ["its own", [OWN, ANY()], "ml", "default/ml for ml"],
    ["no budget at all", [], "ml", "none"],
    ["other teams' budgets only", [OWN], "web", "none"],
    ["an unknown payer, other teams' budgets only", [OWN], null, "none"],
    ["the one for everybody", [OWN, ANY()], "web", "default/any for web"],
    ["a team that calls itself *", [OWN, ANY()], "*", "default/any for *"],
    ["allowed", [ANY("  teamsWithoutBudget: allow\n")], "web", "none"],
    [
      "refused",
      [ANY("  teamsWithoutBudget: deny\n")],
      "web",
      'Team "web" has no budget, and requests without a budget are refused ' +
        "(LLMBudget default/any). Ask finance for one.",
    ],
    ["refused in shadow", [ANY("  teamsWithoutBudget: deny\n  mode: shadow\n")], "web", "none"],
    [
      "an unknown payer",
      [ANY()],
      null,
      "The payer's team is not known, and requests without a budget are refused " +
        "(LLMBudget default/any). Ask finance for one.",
    ],
    ["an unknown payer, allowed", [ANY("  unknownPayer: allow\n")], null, "none"],
    ["unknown payers together", [ANY("  unknownPayer: budget\n")], null, "default/any for null"],
  ])("%s", (_, texts, team, expected) => {
    expect(told(indexOf(...texts).match({ team }))).toBe(expected);
  });

  test("a refusal is a 429 that no waiting helps", () => {
    expect(indexOf(ANY()).match({ team: null })).toEqual({
      kind: "deny",
      denial: {
        code: "no_budget_defined",
        status: 429,
        message:
          "The payer's team is not known, and requests without a budget are refused " +
          "(LLMBudget default/any). Ask finance for one.",
        policy: "default/any",
        resetsAtMs: null,
      },
    });
  });
});

describe("organizations", () => {
  const total = budgetText("  organization: acme\n  monthlyBudgetUSD: 50\n", "acme");
  const member = budgetText("  team: ml\n  organization: acme\n  monthlyBudgetUSD: 10\n", "ml");

  test("a team's total is found by name", () => {
    const [found] = indexOf(member, total).teams();
    expect(found?.organization?.policy).toBe("default/acme");
  });

  test("one that has no budget limits nothing", () => {
    const [found] = indexOf(member).teams();
    expect(found?.organization).toBe(null);
  });

  test("a total is no team's budget", () => {
    const index = indexOf(total);
    expect([index.teams(), index.headers, told(index.match({ team: "acme" }))]).toEqual([
      [],
      [],
      "none",
    ]);
  });
});

test("the filter is asked for X-Require-Model where there are budgets", () => {
  expect([indexOf().headers, indexOf(OWN).headers]).toEqual([[], ["x-require-model"]]);
});
