/** Grants for the budget of an organization. */
import { describe, expect, test } from "vitest";
import { budgeted, request, spend } from "./budgeted-service.ts";
import { ask } from "./service-fixture.ts";

const TEAM = "  team: blue\n  organization: acme\n  monthlyBudgetUSD: 1\n";
const ORGANIZATION = `  organization: acme
  monthlyBudgetUSD: 0.02
  alertThresholds: [{percent: 100, action: reject}]
`;
const ANYONE = '  team: "*"\n  monthlyBudgetUSD: 1\n';
const TERMS = {
  amountUSD: 0.01,
  expiresAt: "2026-03-02T00:00:00Z",
  reason: "launch week",
  author: "finance",
};

type Service = ReturnType<typeof budgeted>;
const post = ({ app }: Service, name: string, query = "") =>
  app.inject({ method: "POST", url: `/v1/budgets/${name}/grants${query}`, body: TERMS });
const owners = async ({ app }: Service, name: string, query = "") =>
  (await app.inject(`/v1/budgets/${name}/grants${query}`)).json().grants?.length;

test("in force for its teams at once, until they expire; written to the audit log", async () => {
  const service = budgeted([TEAM, ORGANIZATION]);
  await spend(service, "s", 2000);
  const { deny } = (await ask(service.app, request("a"))).body;
  expect(deny.headers["x-tollgate-reason"]).toBe("organization_budget_exceeded");
  const granted = await post(service, "acme");
  expect(granted.statusCode).toBe(201);
  const grant = {
    id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    organization: "acme",
    amountNanoUsd: 10_000_000,
    amountUsd: "0.01",
    createdAt: "2026-03-01T12:00:00.000Z",
    expiresAt: "2026-03-02T00:00:00.000Z",
    reason: "launch week",
    author: "finance",
  };
  expect(granted.json()).toEqual(grant);
  expect(service.audited).toEqual([
    expect.objectContaining({ action: "grant", organization: "acme", amountNanoUsd: 10_000_000 }),
  ]);
  expect((await ask(service.app, request("b"))).body.verdict).toBe("allow");
  const [organization, team] = (await service.app.inject("/v1/budgets")).json().budgets;
  expect(organization).toMatchObject({ name: "acme", budgetNanoUsd: 30_000_000 });
  expect([organization.grantedNanoUsd, team.grantedNanoUsd]).toEqual([10_000_000, 0]);
  expect((await service.app.inject("/v1/budgets/acme/grants")).json()).toEqual({ grants: [grant] });
  service.clock.nowMs = Date.UTC(2026, 2, 2);
  expect((await ask(service.app, request("c"))).body.verdict).toBe("deny");
});

describe("one name for both", () => {
  test.each([
    ["a team's budget of its own, not the organization's", TEAM.replace("blue", "acme"), "team"],
    ["the organization's, not a team's under the budget for all", ANYONE, "organization"],
  ])("means %s", async (_, spec, kind) => {
    const service = budgeted([spec, ORGANIZATION]);
    expect((await post(service, "acme")).json()[kind]).toBe("acme");
    const other = kind === "team" ? "organization" : "team";
    expect(await owners(service, "acme", `?kind=${kind}`)).toBe(1);
    expect(await owners(service, "acme", `?kind=${other}`)).toBe(0);
    const told = (await post(service, "acme", `?kind=${other}`)).json();
    expect([told[other], told[kind]]).toEqual(["acme", undefined]);
    expect(await owners(service, "acme", `?kind=${other}`)).toBe(1);
  });
});

test.each([
  ["red", "", 404, 'no budget is in force for team "red"'],
  ["blue", "?kind=organization", 404, 'no budget is in force for organization "blue"'],
  ["acme", "?kind=team", 404, 'no budget is in force for team "acme"'],
  ["acme", "?kind=user", 400, /^querystring: \/kind must /],
])("%s%s is %i", async (name, query, status, message) => {
  const service = budgeted([TEAM, ORGANIZATION]);
  const response = await post(service, name, query);
  expect(response.statusCode).toBe(status);
  expect(response.json().error.message).toMatch(message);
  expect(service.audited).toEqual([]);
});
