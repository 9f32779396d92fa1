/** What is kept back while the service is not there, so that it can start. */
import { expect, test } from "vitest";
import { startable } from "../../../limitador-bridge/kubernetes/startable.ts";

const object = (kind: string, name: string, spec: object, apiVersion = "tollgate.dev/v1alpha1") =>
  JSON.stringify({ apiVersion, kind, metadata: { name, namespace: "ml" }, spec });
const budget = (name: string, team: string, monthlyBudgetUSD: number | string = 100) =>
  object("LLMBudget", name, { team, monthlyBudgetUSD }, "ai.systemhardening.com/v1");
const identity = (name: string) => object("Identity", name, { team: "auth.identity.team" });
const none = new Map<string, string>();

test("a broken object is kept back, the others are not", () => {
  const good = budget("good", "a");
  const wanted = new Map([
    ["broken.yaml", budget("broken", "b", "much")],
    ["good.yaml", good],
  ]);
  expect(startable({ wanted, others: none, lastGood: none })).toEqual({
    texts: new Map([["good.yaml", good]]),
    refused: new Map([
      [
        "broken.yaml",
        "broken.yaml:1:146: spec.monthlyBudgetUSD: " +
          'expected an amount from 0 to 9007199 USD with at most 9 decimals, found "much"',
      ],
    ]),
  });
});

test("its last version that the service accepted goes on", () => {
  const wanted = new Map([["b.yaml", budget("b", "b", "much")]]);
  const lastGood = new Map([["b.yaml", budget("b", "b", 5)]]);
  expect(startable({ wanted, others: none, lastGood }).texts).toEqual(lastGood);
});

test("not where that clashes with what is in force now", () => {
  const wanted = new Map([
    ["b.yaml", budget("b", "b", "much")],
    ["new.yaml", budget("new", "b")],
  ]);
  const lastGood = new Map([["b.yaml", budget("b", "b", 5)]]);
  const { texts } = startable({ wanted, others: none, lastGood });
  expect([...texts.keys()]).toEqual(["new.yaml"]);
});

test("of two objects for one thing the first goes on, and files beside go before all", () => {
  const wanted = new Map([
    ["one.yaml", budget("one", "a")],
    ["two.yaml", budget("two", "a")],
    ["identity.yaml", identity("theirs")],
  ]);
  const others = new Map([["/policies/config/identity.yaml", identity("ours")]]);
  const { texts, refused } = startable({ wanted, others, lastGood: none });
  expect([...texts.keys()]).toEqual(["one.yaml"]);
  expect(refused).toEqual(
    new Map([
      [
        "two.yaml",
        "two.yaml:1:81: metadata.name: LLMBudget ml/two and LLMBudget ml/one are both for " +
          'team "a"; the other one is defined in one.yaml:1:1',
      ],
      [
        "identity.yaml",
        "identity.yaml:1:76: metadata.name: only one Identity can be in force, " +
          "and Identity ml/ours is defined in /policies/config/identity.yaml:1:1",
      ],
    ]),
  );
});
