import { expect, test } from "vitest";
import { matchRequest } from "../../../limitador-bridge/policy/match-memo.ts";
import type { PolicySet, RequestContext } from "../../../limitador-bridge/policy/policy-set.ts";
import { admitRequest, policySet } from "../service/service-fixture.ts";

const { llm } = admitRequest("x");
const attributes = (user: string) => ({ "request.headers": { "x-user": user } });

/** Counts how often it is evaluated; as if an expression read `llm.inputBytes`. */
function counting(isLeasable: boolean): PolicySet & { evaluations: () => number } {
  let evaluations = 0;
  const match = ({ llm: { inputBytes } }: RequestContext) => {
    evaluations += 1;
    const [limit] = policySet([{ amount: inputBytes }], []).match({
      attributes: { request: { headers: new Map() } },
      llm,
    }).limits;
    return { limits: limit === undefined ? [] : [limit], errors: [] };
  };
  return { ...policySet([], []), isLeasable, match, evaluations: () => evaluations };
}

test("requests that differ in unread sizes alone are matched once", () => {
  const policies = counting(true);
  const first = matchRequest(policies, attributes("u1"), llm);
  const other = { ...llm, inputBytes: 9_999, maxOutputTokens: 7 };
  expect(matchRequest(policies, attributes("u1"), other)).toBe(first);
  expect(policies.evaluations()).toBe(1);
  expect(matchRequest(policies, attributes("u2"), llm).payer.user).toBe("u2");
  expect(policies.evaluations()).toBe(2);
});

test("where an expression reads a size, each size is matched by itself", () => {
  const policies = counting(false);
  const amounts = [40, 41, 40].map((inputBytes) => {
    const { limits } = matchRequest(policies, attributes("u1"), { ...llm, inputBytes });
    return limits[0]?.amount;
  });
  expect(amounts).toEqual([40, 41, 40]);
  expect(policies.evaluations()).toBe(2);
});

test("another set of policies is asked anew", () => {
  const [one, other] = [counting(true), counting(true)];
  for (const policies of [one, other, one]) matchRequest(policies, attributes("u1"), llm);
  expect([one.evaluations(), other.evaluations()]).toEqual([1, 1]);
});

test("what is too long to compare is evaluated each time", () => {
  const policies = counting(true);
  for (let n = 0; n < 2; n += 1) {
    expect(matchRequest(policies, attributes("x".repeat(4_096)), llm).likeness).toBeNull();
  }
  expect(policies.evaluations()).toBe(2);
});
