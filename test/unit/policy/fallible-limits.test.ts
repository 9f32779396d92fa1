import { expect, test } from "vitest";
import { fallibleLimits } from "../../../limitador-bridge/policy/fallible-limits.ts";
import { load, policy } from "./fixture.ts";

const RATE = "rates: [{limit: 1, window: 1m}]";
const LIMITS = policy(`  limits:
    fixed: {${RATE}}
    when: {${RATE}, when: [{predicate: 'request.headers["x"] == "y"'}]}
    counters: {${RATE}, counters: [{expression: auth.identity.userid}]}
    amount: {${RATE}, reservation: {amount: 'int(request.headers["x"])'}}
    fixed-amount: {${RATE}, reservation: {amount: 5}}
`);
const ROUTE = `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r}
spec:
  rules: [{matches: [{path: {type: RegularExpression, value: /a.*b}}]}]
`;

test("limits with expressions, whatever these are for", () => {
  const { documents, problems } = load(LIMITS);
  expect(problems).toEqual([]);
  expect(fallibleLimits(documents)).toEqual([
    { policy: "default/p", limit: "when" },
    { policy: "default/p", limit: "counters" },
    { policy: "default/p", limit: "amount" },
  ]);
});

test("HTTPRoutes have one name together, that of their failures", () => {
  const { documents, problems } = load([ROUTE, ROUTE.replace("name: r", "name: s")].join("---\n"));
  expect(problems).toEqual([]);
  const route = { policy: "HTTPRoute", limit: "matches" };
  expect(fallibleLimits(documents)).toEqual([route, route]);
});

test("not what is out of force", () => {
  expect(fallibleLimits(load(LIMITS.replace("limit: 1,", "limit: one,")).documents)).toEqual([]);
});
