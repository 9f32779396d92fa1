/** Gateways of one name in several namespaces: whose policies count a route's requests. */
import { describe, expect, test } from "vitest";
import { type LoadedPolicies, problemText } from "../../../limitador-bridge/policy/load.ts";
import { load, matched, problemsOf, request } from "./fixture.ts";
import { files, httpRoute, onGateway, onRoute, prefix, withRole } from "./route-fixture.ts";

/** The policy in this namespace. */
const within = (namespace: string, policy: string) =>
  policy.replace("metadata:\n", `metadata:\n  namespace: ${namespace}\n`);
const inForAll = (policy: string) => withRole(policy, "overrides", "atomic");
/** The route `name` in this namespace takes the path `/name`. */
const route = (name: string, parent: string, namespace?: string) =>
  httpRoute(
    name,
    `{parentRefs: [${parent}], rules: [{matches: [${prefix(`/${name}`)}]}]}`,
    namespace === undefined ? "" : `, namespace: ${namespace}`,
  );

function limitsAt(loaded: LoadedPolicies, ...paths: string[]): string[][] {
  expect(problemsOf(loaded)).toEqual([]);
  return paths.map((path) => matched(loaded, request({ path })));
}
const warningsOf = (loaded: LoadedPolicies) => loaded.warnings.map(problemText);

const chat = route("chat", "{name: gw, namespace: infra}", "team-a");
const infra = within("infra", onGateway("gw", "infra", "infra"));
const own = within("team-a", onRoute("chat", "own", "own"));
const other = within("team-b", inForAll(onGateway("gw", "other", "other")));

describe("where the namespaces are told", () => {
  test("another team's Gateway of the same name has nothing to do with a route", () => {
    const loaded = load(files(chat, infra, own, other));
    expect(limitsAt(loaded, "/chat", "/elsewhere")).toEqual([["own"], ["other", "infra"]]);
    expect(warningsOf(loaded)).toEqual([
      "policies.yaml:31:70: spec.targetRef.name: no HTTPRoute in the policies folder has the " +
        'parentRef "gw" in the namespace "team-b" (there is one in the namespace "infra"): ' +
        "in force only for requests that none of them takes",
    ]);
  });

  test("each counts the routes of its own, and a parentRef without one is in the route's", () => {
    const loaded = load(files(chat, infra, own, other, route("b", "{name: gw}", "team-b")));
    expect(limitsAt(loaded, "/chat", "/b")).toEqual([["own"], ["other"]]);
    expect(limitsAt(load(files(chat, infra, other)), "/chat")).toEqual([["infra"]]);
    expect(warningsOf(loaded)).toEqual([]);
  });

  test("a policy beside its Gateway's namespace counts on, in nobody's place", () => {
    const loaded = load(files(chat, own, other, route("edge", "{name: edge}", "infra")));
    expect(limitsAt(loaded, "/chat", "/edge", "/x")).toEqual([["own", "other"], [], ["other"]]);
    expect(limitsAt(load(files(chat, other)), "/chat")).toEqual([["other"]]);
    expect(warningsOf(loaded)).toEqual([
      "policies.yaml:22:70: spec.targetRef.name: no HTTPRoute in the policies folder has the " +
        'parentRef "gw" in the namespace "team-b" (there is one in the namespace "infra"): ' +
        "in force for its requests all the same, beside their other limits",
    ]);
  });

  test("routes that say no Gateway are still counted by every one", () => {
    const open = httpRoute("open", `{rules: [{matches: [${prefix("/open")}]}]}`);
    const loaded = load(files(chat, infra, other, open));
    expect(limitsAt(loaded, "/chat", "/open")).toEqual([["infra"], ["other", "infra"]]);
    expect(warningsOf(loaded)).toEqual([]);
  });

  test("without HTTPRoutes every Gateway's policies count all requests", () => {
    const second = within("team-b", onGateway("gw", "second", "second"));
    expect(limitsAt(load(files(infra, second)), "/x")).toEqual([["infra", "second"]]);
  });
});

describe("where a namespace is not told, the name decides", () => {
  test.each([
    ["of the policy", onGateway("gw", "p", "limit"), chat],
    ["of the route", infra.replace("{infra:", "{limit:"), route("chat", "{name: gw}")],
    ["of both", onGateway("gw", "p", "limit"), route("chat", "{name: gw}")],
  ])("%s", (_, policy, httpRoute) => {
    const loaded = load(files(httpRoute, policy));
    expect(limitsAt(loaded, "/chat")).toEqual([["limit"]]);
    expect(warningsOf(loaded)).toEqual([]);
  });
});

test("a parentRef's namespace is a text", () => {
  expect(problemsOf(load(route("chat", "{name: gw, namespace: 7}")))).toEqual([
    "policies.yaml:4:43: spec.parentRefs[0].namespace: expected the parent's namespace, found 7",
  ]);
});
