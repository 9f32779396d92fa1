import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse as parseYaml } from "yaml";
import { load, problemsOf, request } from "../policy/fixture.ts";
import { budgetsOf, budgetText, EXAMPLE, parse, USD } from "./budget-fixture.ts";

describe("the document's budget", () => {
  test("is accepted without a warning, to the nano-dollar", () => {
    const [budget] = budgetsOf(EXAMPLE);
    const notifyChannel = "#ml-team-costs";
    expect(budget).toEqual({
      policy: "ml-platform/ml-team-budget",
      team: "ml-team",
      organization: null,
      monthlyNanoUsd: 8000 * USD,
      thresholds: [
        { percent: 50, action: "alert", notifyChannel },
        { percent: 80, action: "alert_and_downgrade", notifyChannel },
        { percent: 100, action: "reject", notifyChannel },
      ],
      modelLimits: [
        {
          pattern: "claude-opus*",
          maxNanoUsd: 3000 * USD,
          allowedApps: ["research-assistant", "code-review"],
        },
        { pattern: "gpt-4o", maxNanoUsd: 2000 * USD, allowedApps: ["chatbot", "summarizer"] },
        { pattern: "gpt-4o-mini", maxNanoUsd: 1000 * USD, allowedApps: null },
        { pattern: "llama-3*", maxNanoUsd: 500 * USD, allowedApps: null },
      ],
      defaultModel: "gpt-4o-mini",
      cheapModel: "gpt-4o-mini",
      costRouting: {
        cheapModel: "gpt-4o-mini",
        expensiveModel: "gpt-4o",
        complexityThreshold: 500,
      },
      apps: new Map(),
      users: new Map(),
      taskMaxNanoUsd: null,
      timeZone: "UTC",
      overshootPercent: 5,
      essentialApps: new Set(),
      emergencyBufferPercent: 10,
      mode: "enforce",
      failureMode: "allow",
      enforcement: "lease",
      unknownModel: { rule: "deny" },
      reservation: "worst-case",
      defaultMaxOutputTokens: null,
      capMaxOutputTokens: false,
      onExhausted: "continue",
      inputEstimate: "bytes",
      contact: "the platform team",
      teamsWithoutBudget: "budget",
      unknownPayer: "deny",
      warnings: [],
    });
  });

  test("stands beside an identity that trusts three headers", () => {
    const file = "policies/examples/team-budgets/identity.yaml";
    const loaded = load({ [file]: readFileSync(file, "utf8"), "ml-team.yaml": EXAMPLE });
    expect(problemsOf(loaded)).toEqual([]);
    const headers = { "x-team": "ml-team", "x-app": "chatbot", "x-user": "alice" };
    expect(loaded.set.payer(request({ headers }))).toEqual({
      team: "ml-team",
      app: "chatbot",
      user: "alice",
      task: null,
    });
  });
});

test("all extensions", () => {
  const [budget] = budgetsOf(
    budgetText(`  team: "*"
  monthlyBudgetUSD: 0.000000001
  alertThresholds:
    - {percent: 90, action: reject}
    - {percent: 40, action: alert}
  modelLimits: [{modelPattern: "*", allowedApps: []}, {modelPattern: m, maxMonthlyUSD: 0}]
  defaultModel: small
  costRouting: {cheapModel: tiny}
  organization: acme
  apps: {web: {maxMonthlyUSD: 0}, "*": {maxMonthlyUSD: 0.000000001}}
  users: {alice: {maxMonthlyUSD: 0}}
  tasks: {maxUSD: 2.5}
  timeZone: Europe/Berlin
  overshootPercent: 0
  essentialApps: [web]
  emergencyBufferPercent: 20
  mode: shadow
  failureMode: deny
  enforcement: ask
  unknownModel: {priceAs: gpt-4o}
  reservation: expected
  defaultMaxOutputTokens: 1000
  capMaxOutputTokens: true
  onExhausted: cut
  inputEstimate: tokenizer
  contact: finance@example.com
  teamsWithoutBudget: deny
  unknownPayer: budget
`),
  );
  expect(budget).toEqual({
    policy: "default/b",
    team: "*",
    organization: "acme",
    monthlyNanoUsd: 1,
    thresholds: [
      { percent: 40, action: "alert", notifyChannel: null },
      { percent: 90, action: "reject", notifyChannel: null },
    ],
    modelLimits: [
      { pattern: "*", maxNanoUsd: null, allowedApps: null },
      { pattern: "m", maxNanoUsd: 0, allowedApps: null },
    ],
    defaultModel: "small",
    cheapModel: "tiny",
    costRouting: null,
    apps: new Map([
      ["web", 0],
      ["*", 1],
    ]),
    users: new Map([["alice", 0]]),
    taskMaxNanoUsd: 2.5 * USD,
    timeZone: "Europe/Berlin",
    overshootPercent: 0,
    essentialApps: new Set(["web"]),
    emergencyBufferPercent: 20,
    mode: "shadow",
    failureMode: "deny",
    enforcement: "ask",
    unknownModel: { rule: "priceAs", model: "gpt-4o" },
    reservation: "expected",
    defaultMaxOutputTokens: 1000,
    capMaxOutputTokens: true,
    onExhausted: "cut",
    inputEstimate: "tokenizer",
    contact: "finance@example.com",
    teamsWithoutBudget: "deny",
    unknownPayer: "budget",
    warnings: [],
  });
});

const AMOUNT = "expected an amount from 0 to 9007199 USD with at most 9 decimals";
const PATTERN =
  'expected a model\'s name, or a pattern with at most 8 "*" for any characters, found';

describe("problems", () => {
  const base = "  team: x\n  monthlyBudgetUSD: 10\n";
  test.each<[string, string[]]>([
    ["  team: x\n", [`4:1: spec.monthlyBudgetUSD: is missing: ${AMOUNT}`]],
    [
      "  monthlyBudgetUSD: 10\n",
      [
        "4:1: spec.team: is missing: expected a team's name " +
          "(or spec.organization alone, for an organization's total)",
      ],
    ],
    [
      "  team: x\n  monthlyBudgetUSD: 9007199.1\n",
      [`6:21: spec.monthlyBudgetUSD: ${AMOUNT}, found 9007199.1`],
    ],
    ["  team: x\n  monthlyBudgetUSD: -1\n", [`6:21: spec.monthlyBudgetUSD: ${AMOUNT}, found -1`]],
    [
      "  team: x\n  monthlyBudgetUSD: 0.0000000001\n",
      [`6:21: spec.monthlyBudgetUSD: ${AMOUNT}, found 1e-10`],
    ],
    [
      '  team: x\n  monthlyBudgetUSD: "10"\n',
      [`6:21: spec.monthlyBudgetUSD: ${AMOUNT}, found "10"`],
    ],
    [
      `${base}  monthlyBudget: 5\n`,
      ['7:3: spec.monthlyBudget: unknown field "monthlyBudget"; did you mean "monthlyBudgetUSD"?'],
    ],
    [
      `${base}  alertThresholds: [{percent: 50, action: alert}, {percent: 50, action: reject}]\n`,
      ["7:61: spec.alertThresholds[1].percent: " + "50 is already used by spec.alertThresholds[0]"],
    ],
    [
      `${base}  alertThresholds: [{percent: 0, action: stop}]\n`,
      [
        "7:31: spec.alertThresholds[0].percent: expected an integer from 1 to 200, found 0",
        '7:42: spec.alertThresholds[0].action: expected "alert" or "alert_and_downgrade" ' +
          'or "reject", found "stop"',
      ],
    ],
    [
      `${base}  modelLimits: [{modelPattern: "gpt-[45]*", maxMonthlyUSD: 1}]\n`,
      [`7:32: spec.modelLimits[0].modelPattern: ${PATTERN} "gpt-[45]*"`],
    ],
    [
      `${base}  modelLimits: [{modelPattern: "a*b*c*d*e*f*g*h*i*", maxMonthlyUSD: 1}]\n`,
      [`7:32: spec.modelLimits[0].modelPattern: ${PATTERN} "a*b*c*d*e*f*g*h*i*"`],
    ],
    [
      `${base}  modelLimits: [{modelPattern: a, maxMonthlyUSD: 1}, {modelPattern: A}]\n`,
      [
        "7:54: spec.modelLimits[1]: expected maxMonthlyUSD or allowedApps, found neither",
        '7:69: spec.modelLimits[1].modelPattern: "A" is already used by spec.modelLimits[0]',
      ],
    ],
    [
      `${base}  costRouting: {enabled: true, cheapModel: m}\n`,
      [
        "7:3: spec.costRouting.expensiveModel: is missing: " +
          "expected a model's name, since costRouting is enabled",
      ],
    ],
    [
      `${base}  timeZone: Berlin\n`,
      ['7:13: spec.timeZone: expected an IANA time zone such as "Europe/Berlin", found "Berlin"'],
    ],
    [
      `${base}  overshootPercent: 101\n`,
      ["7:21: spec.overshootPercent: expected an integer from 0 to 100, found 101"],
    ],
    [
      `${base}  unknownModel: allow\n`,
      ['7:17: spec.unknownModel: expected "deny" or "free" or {priceAs: model}, found "allow"'],
    ],
    [
      `${base}  onExhausted: stop\n`,
      ['7:16: spec.onExhausted: expected "continue" or "cut", found "stop"'],
    ],
    [
      `${base}  onExhausted: cut\n  reservation: none\n`,
      ['7:16: spec.onExhausted: cut needs a reservation, and spec.reservation is "none"'],
    ],
    [
      `${base}  inputEstimate: exact\n`,
      ['7:18: spec.inputEstimate: expected "bytes" or "tokenizer", found "exact"'],
    ],
    [`${base}  apps: {web: 5}\n`, ["7:15: spec.apps.web: expected a map, found 5"]],
    [
      `${base}  unknownPayer: allow\n`,
      ['7:3: spec.unknownPayer: is for the budget of all teams without their own: team "*"'],
    ],
    [
      "  organization: acme\n  monthlyBudgetUSD: 10\n  defaultModel: m\n",
      ["7:3: spec.defaultModel: is for teams, and this is the budget of an organization"],
    ],
  ])("%j", (spec, problems) => {
    const found = parse(budgetText(spec));
    expect(found.problems.toSorted()).toEqual(problems.map((text) => `b.yaml:${text}`).toSorted());
    expect(found.budgets).toEqual([]);
  });
});

describe("what is allowed", () => {
  test("the largest budget", () => {
    const [budget] = budgetsOf(budgetText("  team: x\n  monthlyBudgetUSD: 9007199\n"));
    expect(budget?.monthlyNanoUsd).toBe(9_007_199_000_000_000);
  });

  test("ceilings over the budget, with a warning", () => {
    const { warnings } = parse(
      budgetText(`  team: x
  monthlyBudgetUSD: 10
  modelLimits: [{modelPattern: "gpt*", maxMonthlyUSD: 10.5}]
  apps: {web: {maxMonthlyUSD: 11}}
`),
    );
    expect(warnings).toEqual([
      "b.yaml:7:55: spec.modelLimits[0].maxMonthlyUSD: " +
        "10.5 is over the whole budget of 10 USD: it limits nothing",
      "b.yaml:8:31: spec.apps.web.maxMonthlyUSD: " +
        "11 is over the whole budget of 10 USD: it limits nothing",
    ]);
  });

  test("a downgrade without a model to go to, with a warning", () => {
    const { warnings } = parse(
      budgetText(
        "  team: x\n  monthlyBudgetUSD: 1\n" +
          "  alertThresholds: [{percent: 80, action: alert_and_downgrade}]\n",
      ),
    );
    expect(warnings).toEqual([
      "b.yaml:7:43: spec.alertThresholds[0].action: only alerts: there is no model to " +
        "downgrade to (spec.defaultModel or spec.costRouting.cheapModel)",
    ]);
  });
});

describe("what Kubernetes and editors are given", () => {
  const crd = parseYaml(readFileSync("policies/crd/llmbudgets.yaml", "utf8"));
  const schema = JSON.parse(readFileSync("policies/schema/llmbudget.json", "utf8"));
  const version = crd.spec.versions[0];
  const { spec, status } = version.schema.openAPIV3Schema.properties;

  test("the same fields as the service reads", () => {
    const fields = (properties: object) => Object.keys(properties).sort();
    expect(fields(spec.properties)).toEqual(fields(schema.properties.spec.properties));
    expect(fields(spec.properties.costRouting.properties)).toEqual(
      fields(schema.properties.spec.properties.costRouting.properties),
    );
  });

  test("status, printer columns and the short name", () => {
    expect(version.subresources).toEqual({ status: {} });
    expect(Object.keys(status.properties)).toEqual([
      "currentSpendUSD",
      "lastUpdated",
      "budgetUtilization",
      "observedGeneration",
      "conditions",
    ]);
    expect(version.additionalPrinterColumns.map((column: { name: string }) => column.name)).toEqual(
      ["Team", "Budget", "Spent", "Utilization"],
    );
    expect(crd.spec.names.shortNames).toEqual(["lb"]);
  });
});
