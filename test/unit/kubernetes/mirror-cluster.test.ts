/** From the objects of a cluster to the files of a folder, while both run. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { RunningMirror, until } from "./running-mirror.ts";

const BUDGETS = "llmbudgets";
const A = "llmbudget.ml.a.yaml";
const budget = (team: string, monthlyBudgetUSD: number | string = 100) => ({
  team,
  monthlyBudgetUSD,
});

let mirror: RunningMirror;
let { cluster } = {} as RunningMirror;

beforeEach(async () => {
  mirror = new RunningMirror(BUDGETS, "identities");
  ({ cluster } = mirror);
  await mirror.open();
});
afterEach(() => mirror.close());

const isWatching = () => cluster.watches(BUDGETS) === 1;
const counted = (line: string) => cluster.requests.filter((each) => each.includes(line)).length;
const lists = () => counted("GET /apis/ai.systemhardening.com/v1/llmbudgets") - watchCalls();
const watchCalls = () => counted("/llmbudgets?watch=true");

describe("files", () => {
  test("follow what is listed, added, modified and deleted", async () => {
    cluster.apply(BUDGETS, "ml", "a", budget("a"));
    cluster.apply("identities", "tollgate", "default", { team: "auth.identity.team" });
    mirror.start();
    await until(() => mirror.files().length === 2);
    expect(mirror.files()).toEqual(["identity.tollgate.default.yaml", A]);
    expect(readFileSync(join(mirror.mirrored, A), "utf8")).toBe(`{
  "apiVersion": "ai.systemhardening.com/v1",
  "kind": "LLMBudget",
  "metadata": {
    "name": "a",
    "namespace": "ml",
    "creationTimestamp": "2026-11-01T00:00:10Z"
  },
  "spec": {
    "team": "a",
    "monthlyBudgetUSD": 100
  }
}
`);
    await until(isWatching);
    cluster.apply(BUDGETS, "ml", "b", budget("b"));
    await until(() => mirror.files().includes("llmbudget.ml.b.yaml"));
    cluster.apply(BUDGETS, "ml", "a", budget("a", 200));
    await until(() => JSON.stringify(mirror.spec(A)) === JSON.stringify(budget("a", 200)));
    cluster.remove(BUDGETS, "ml", "a");
    await until(() => mirror.files().length === 2);
    expect(mirror.files()).toEqual(["identity.tollgate.default.yaml", "llmbudget.ml.b.yaml"]);
    expect(lists()).toBe(1);
  });

  test("of objects that were deleted meanwhile go, those of others stay", async () => {
    mkdirSync(mirror.mirrored);
    for (const name of [A, "mine.yaml", "apiroute.ml.x.yaml"]) {
      writeFileSync(join(mirror.mirrored, name), "{}");
    }
    mirror.start();
    await until(() => mirror.files().length === 2);
    expect(mirror.files()).toEqual(["apiroute.ml.x.yaml", "mine.yaml"]);
  });

  test("are those of one namespace, where one is named", async () => {
    cluster.apply(BUDGETS, "ml", "a", budget("a"));
    cluster.apply(BUDGETS, "other", "b", budget("b"));
    mirror.start("ml");
    await until(() => mirror.files().length > 0 && isWatching());
    cluster.apply(BUDGETS, "other", "c", budget("c"));
    cluster.apply(BUDGETS, "ml", "d", budget("d"));
    await until(() => mirror.files().length === 2);
    expect(mirror.files()).toEqual([A, "llmbudget.ml.d.yaml"]);
    expect(counted("/apis/ai.systemhardening.com/v1/namespaces/ml/llmbudgets?")).toBe(1);
  });

  test("a kind that is installed later is found", async () => {
    mirror.start();
    await until(() => counted("GET /apis/tollgate.dev/v1alpha1 ") + counted("kuadrant.io") > 1);
    const resource = "tokenratelimitpolicies.kuadrant.io";
    const missing = () => mirror.log.filter(({ fields }) => fields.resource === resource);
    await until(() => counted("GET /apis/kuadrant.io/v1alpha1") > 2);
    expect(missing().map(({ message }) => message)).toEqual(["not installed"]);
    cluster.installed.set("tokenratelimitpolicies", { hasStatus: true });
    cluster.apply("tokenratelimitpolicies", "gw", "llm", { limits: {} });
    await until(() => mirror.files().includes("tokenratelimitpolicy.gw.llm.yaml"));
  });
});

describe("watches", () => {
  beforeEach(async () => {
    cluster.apply(BUDGETS, "ml", "a", budget("a"));
    mirror.start();
    await until(() => isWatching() && mirror.files().length === 1);
  });

  test("that end go on from where they were, without a list", async () => {
    expect(cluster.endWatches(BUDGETS)).toBe(1);
    cluster.apply(BUDGETS, "ml", "b", budget("b"));
    await until(() => mirror.files().length === 2 && isWatching());
    cluster.breakWatches(BUDGETS);
    cluster.remove(BUDGETS, "ml", "b");
    await until(() => mirror.files().length === 1 && isWatching());
    expect(lists()).toBe(1);
    expect(watchCalls()).toBe(3);
  });

  test("of a version that is forgotten begin with a list", async () => {
    cluster.endWatches(BUDGETS);
    cluster.remove(BUDGETS, "ml", "a");
    cluster.compact();
    cluster.apply(BUDGETS, "ml", "b", budget("b"));
    await until(() => mirror.files()[0] === "llmbudget.ml.b.yaml" && isWatching());
    expect(mirror.files()).toEqual(["llmbudget.ml.b.yaml"]);
    expect(lists()).toBe(2);
    const { message, fields } = mirror.log.find(({ message }) => message === "listing again") ?? {};
    expect(message).toBe("listing again");
    expect(fields?.why).toMatch(
      /^watching llmbudgets\.ai\.systemhardening\.com: 410 too old resource version: \d+$/,
    );
  });

  test("that are refused are tried again, and nothing is removed meanwhile", async () => {
    for (let i = 0; i < 3; i++) cluster.refusals.push({ line: "/llmbudgets?watch", status: 403 });
    cluster.refusals.push({ line: "/llmbudgets?watch", status: 410 });
    cluster.refusals.push({ line: "GET /apis/ai.systemhardening.com/v1/llm", status: 503 });
    cluster.endWatches(BUDGETS);
    await until(() => cluster.refusals.length === 0 && isWatching());
    expect(mirror.files()).toEqual([A]);
    expect(
      mirror.log.filter(({ level }) => level === "warn").map(({ fields }) => fields.why),
    ).toEqual([
      "watching llmbudgets.ai.systemhardening.com: 403 Forbidden",
      "watching llmbudgets.ai.systemhardening.com: 403 Forbidden",
      "watching llmbudgets.ai.systemhardening.com: 403 Forbidden",
      "listing llmbudgets.ai.systemhardening.com: 503 refused by the test",
    ]);
  });

  test("of a kind that is taken away wait until it is back; its files stay", async () => {
    cluster.installed.delete(BUDGETS);
    cluster.endWatches(BUDGETS);
    await until(() => mirror.log.some(({ fields }) => `${fields.resource}`.startsWith(BUDGETS)));
    expect(mirror.files()).toEqual([A]);
    cluster.remove(BUDGETS, "ml", "a");
    cluster.installed.set(BUDGETS, { hasStatus: true });
    await until(() => mirror.files().length === 0 && isWatching());
    expect(lists()).toBe(2);
  });

  test("of an API server that is away go on when it is back", async () => {
    await cluster.stop();
    await until(() => mirror.log.some(({ level }) => level === "warn"));
    expect(mirror.files()).toEqual([A]);
    cluster.apply(BUDGETS, "ml", "b", budget("b"));
    await cluster.start();
    await until(() => mirror.files().length === 2);
    expect(lists()).toBe(1);
  });
});
