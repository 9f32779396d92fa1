/** From the service's answers to the objects' status, and what a service finds that starts. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { RunningMirror, until } from "./running-mirror.ts";

const BUDGETS = "llmbudgets";
const A = "llmbudget.ml.a.yaml";
const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
const AMOUNT = "expected an amount from 0 to 9007199 USD with at most 9 decimals";
const budget = (team: string, monthlyBudgetUSD: number | string = 100) => ({
  team,
  monthlyBudgetUSD,
});

let mirror: RunningMirror;
let { cluster, service } = {} as RunningMirror;

beforeEach(async () => {
  mirror = new RunningMirror(BUDGETS, "tokenratelimitpolicies", "identities");
  ({ cluster, service } = mirror);
  await mirror.open();
});
afterEach(() => mirror.close());

const statusOf = (name: string) => cluster.object(BUDGETS, "ml", name).status;
const verdict = (name: string) => {
  const [condition] = (statusOf(name)?.conditions ?? []) as Record<string, unknown>[];
  return condition?.observedGeneration === cluster.object(BUDGETS, "ml", name).metadata.generation
    ? condition?.reason
    : undefined;
};

describe("a status", () => {
  test("is written once, as a merge patch, and again when something changed", async () => {
    service.spent.set("ml/a", 12_500_000_000);
    cluster.apply(BUDGETS, "ml", "a", budget("a"));
    mirror.start();
    await until(() => verdict("a") === "Accepted");
    const time = expect.stringMatching(RFC3339);
    expect(cluster.patches).toEqual([
      {
        path: "/apis/ai.systemhardening.com/v1/namespaces/ml/llmbudgets/a/status",
        contentType: "application/merge-patch+json",
        body: {
          status: {
            observedGeneration: 1,
            conditions: [
              {
                type: "Accepted",
                status: "True",
                reason: "Accepted",
                message: "in force",
                lastTransitionTime: time,
                observedGeneration: 1,
              },
            ],
            currentSpendUSD: 12.5,
            budgetUtilization: 0.25,
            lastUpdated: time,
          },
        },
      },
    ]);
    service.spent.set("ml/a", 12_600_000_000);
    await until(() => cluster.patches.length === 2);
    expect(cluster.patches[1]?.body).toEqual({
      status: { currentSpendUSD: 12.6, budgetUtilization: 0.25, lastUpdated: time },
    });
    // No file was written for any of them: list, watch and patches are all that was asked.
    const asked = cluster.requests.filter((line) => line.includes("/llmbudgets"));
    expect(asked.map((line) => line.split(" ")[0])).toEqual(["GET", "GET", "PATCH", "PATCH"]);
    expect(mirror.log.filter(({ message }) => message === "policy files changed")).toHaveLength(1);
  });

  test("says what is wrong, and whether the last good version is in force", async () => {
    cluster.apply(BUDGETS, "ml", "a", budget("a"));
    cluster.apply(BUDGETS, "ml", "b", budget("b", "much"));
    mirror.start();
    await until(() => verdict("a") === "Accepted" && verdict("b") === "Invalid");
    expect(statusOf("b")).toMatchObject({
      observedGeneration: 1,
      conditions: [{ status: "False", message: `spec.monthlyBudgetUSD: ${AMOUNT}, found "much"` }],
    });
    expect(statusOf("b")).not.toHaveProperty("currentSpendUSD");
    cluster.apply(BUDGETS, "ml", "a", budget("a", "more"));
    await until(() => verdict("a") === "LastGoodInForce");
    expect(statusOf("a")).toMatchObject({
      observedGeneration: 2,
      conditions: [{ status: "False", message: `spec.monthlyBudgetUSD: ${AMOUNT}, found "more"` }],
    });
  });

  test("is not written where it is another's, or where the CRD has none", async () => {
    cluster.installed.set("identities", { hasStatus: false });
    cluster.apply("identities", "ml", "i", { team: "auth.identity.team" });
    cluster.apply("tokenratelimitpolicies", "ml", "t", { limits: {} });
    cluster.apply(BUDGETS, "ml", "a", budget("a"));
    mirror.start();
    await until(() => verdict("a") === "Accepted" && mirror.files().length === 3);
    const written = cluster.requests.filter((line) => line.startsWith("PATCH"));
    expect(written).toEqual([
      "PATCH /apis/ai.systemhardening.com/v1/namespaces/ml/llmbudgets/a/status",
    ]);
  });

  test("that is refused is told, and written later", async () => {
    cluster.refusals.push({ line: "PATCH ", status: 409 });
    cluster.apply(BUDGETS, "ml", "a", budget("a"));
    mirror.start();
    await until(() => verdict("a") === "Accepted");
    const told = mirror.log.filter(({ message }) => message === "status not written");
    expect(told.map(({ fields }) => fields)).toEqual([
      {
        object: "LLMBudget ml/a",
        why: "writing the status of LLMBudget ml/a: 409 refused by the test",
      },
    ]);
  });
});

describe("while the service does not run", () => {
  test("it finds what it can start with; the rest comes when it runs", async () => {
    await service.stop();
    cluster.apply(BUDGETS, "ml", "a", budget("a"));
    cluster.apply(BUDGETS, "ml", "b", budget("b", "much"));
    mirror.start();
    await until(() => mirror.files().length === 1);
    expect(mirror.files()).toEqual([A]);
    await service.start();
    await until(() => verdict("b") === "Invalid");
    expect(mirror.files()).toEqual([A, "llmbudget.ml.b.yaml"]);
    await service.stop();
    await until(() => mirror.files().length === 1);
    expect(mirror.log.filter(({ level }) => level === "warn").map(({ fields }) => fields)).toEqual([
      { why: "the service does not run" },
      {
        problem: `llmbudget.ml.b.yaml:11:25: spec.monthlyBudgetUSD: ${AMOUNT}, found "much"`,
      },
      { why: "the service does not run" },
    ]);
  });

  test("a version that it had accepted stands in for a broken one", async () => {
    cluster.apply(BUDGETS, "ml", "a", budget("a", 100));
    mirror.start();
    await until(() => verdict("a") === "Accepted");
    cluster.apply(BUDGETS, "ml", "a", budget("a", "much"));
    await until(() => verdict("a") === "LastGoodInForce");
    expect(mirror.spec(A)).toEqual(budget("a", "much"));
    await service.stop();
    await until(() => JSON.stringify(mirror.spec(A)) === JSON.stringify(budget("a", 100)));
    await service.start();
    await until(() => JSON.stringify(mirror.spec(A)) === JSON.stringify(budget("a", "much")));
    expect(verdict("a")).toBe("LastGoodInForce");
  });
});

describe("while the service answers badly", () => {
  const why = "/v1/policies answered 500: sick";
  const isTold = () => mirror.log.some(({ fields }) => fields.why === why);

  test("nothing is kept back from it, and changes reach it", async () => {
    cluster.apply(BUDGETS, "ml", "a", budget("a", "much"));
    mirror.start();
    await until(() => verdict("a") === "Invalid");
    service.isSick = true;
    await until(isTold);
    cluster.apply(BUDGETS, "ml", "b", budget("b", "much"));
    await until(() => mirror.files().length === 2);
    expect(mirror.files()).toEqual([A, "llmbudget.ml.b.yaml"]);
    expect(statusOf("b")).toBe(undefined);
  });

  test("its files stay as they are, where it never answered", async () => {
    service.isSick = true;
    cluster.apply(BUDGETS, "ml", "a", budget("a"));
    mirror.start();
    await until(() => isTold() && cluster.watches(BUDGETS) === 1);
    expect(mirror.files()).toEqual([]);
    service.isSick = false;
    await until(() => verdict("a") === "Accepted");
    expect(mirror.files()).toEqual([A]);
  });
});
