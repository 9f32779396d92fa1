/** What a policy's target means: which requests it counts, and whose place its limits take. */
import { describe, expect, test } from "vitest";
import { type LoadedPolicies, problemText } from "../../../limitador-bridge/policy/load.ts";
import { load, matched, problemsOf, request } from "./fixture.ts";
import {
  files,
  httpRoute,
  onGateway,
  onRoute,
  onSection,
  prefix,
  withRole,
} from "./route-fixture.ts";

const gateway = onGateway("gw", "gw", "gateway");
const rule = (path: string, name = "x") => `{name: ${name}, matches: [${prefix(path)}]}`;
/** rule-1: /v1/images, rule-2: /v1/chat. */
const chat = httpRoute("chat", `{rules: [${rule("/v1/images")}, ${rule("/v1/chat", "talk")}]}`);
const batch = httpRoute("batch", `{rules: [{matches: [${prefix("/v1/batches")}]}]}`);

const warningsOf = (loaded: LoadedPolicies) => loaded.warnings.map(problemText);

/** The limits that count requests to these paths. */
function limitsAt(loaded: LoadedPolicies, ...paths: string[]): string[][] {
  expect(problemsOf(loaded)).toEqual([]);
  return paths.map((path) => matched(loaded, request({ path })));
}

describe("HTTPRoutes that are in the folder", () => {
  test("a policy counts its route's requests, and leaves the others to the Gateway's", () => {
    const loaded = load(
      files(gateway, chat, batch, onRoute("chat", "a", "chats"), onRoute("batch", "b", "batches")),
    );
    expect(limitsAt(loaded, "/v1/chat", "/v1/images", "/v1/batches", "/v1/other")).toEqual([
      ["chats"],
      ["chats"],
      ["batches"],
      ["gateway"],
    ]);
    expect(warningsOf(loaded)).toEqual([]);
  });

  test("a request that takes rule-2 is counted on that policy's limit and on no other", () => {
    const loaded = load(
      files(gateway, chat, onRoute("chat", "a", "chats"), onSection("chat", "rule-2", "b", "two")),
    );
    expect(loaded.set.match(request({ path: "/v1/chat/completions" }))).toEqual({
      limits: [
        {
          policy: "default/b",
          limit: "two",
          key: "default/b/two/total/fixed:3600000",
          unit: "total",
          amount: 1,
          window: { kind: "fixed", lengthMs: 3_600_000 },
          reservation: "none",
          mode: "enforce",
          failureMode: "allow",
        },
      ],
      errors: [],
    });
    expect(limitsAt(loaded, "/v1/images", "/v1/other")).toEqual([["chats"], ["gateway"]]);
    expect(warningsOf(loaded)).toEqual([]);
  });

  test("a rule is named by its name, too", () => {
    const loaded = load(files(gateway, chat, onSection("chat", "talk", "b", "talk")));
    expect(limitsAt(loaded, "/v1/chat", "/v1/images")).toEqual([["talk"], ["gateway"]]);
  });

  test("a policy lies in its route's namespace", () => {
    const elsewhere = onRoute("chat", "a", "chats").replace(
      "name: a\n",
      "name: a\n  namespace: b\n",
    );
    const loaded = load(files(gateway, chat, elsewhere));
    expect(limitsAt(loaded, "/v1/chat", "/x")).toEqual([
      ["gateway", "chats"],
      ["gateway", "chats"],
    ]);
    expect(warningsOf(loaded)).toEqual([
      'policies.yaml:21:72: spec.targetRef.name: no HTTPRoute "chat" in the policies folder ' +
        '(there is one in the namespace "default"): in force for all requests, beside Gateway ' +
        "defaults",
    ]);
    const same = load(
      files(gateway, chat.replace("{name: chat", "{name: chat, namespace: b"), elsewhere),
    );
    expect(limitsAt(same, "/v1/chat", "/x")).toEqual([["chats"], ["gateway"]]);
  });

  test("a Gateway's policy counts routes attached to it, and those that do not say", () => {
    const attached = (name: string, parents: string, path: string) =>
      httpRoute(name, `{parentRefs: ${parents}, rules: [{matches: [${prefix(path)}]}]}`);
    const loaded = load(
      files(
        onGateway("one", "g1", "first"),
        onGateway("two", "g2", "second"),
        attached("a", "[{name: one}]", "/a"),
        attached("b", "[{group: gateway.networking.k8s.io, kind: Gateway, name: two}]", "/b"),
        attached("c", "[{name: one}, {name: two}]", "/c"),
        attached("d", "[]", "/d"),
        attached("e", '[{group: "", kind: Service, name: one}]', "/e"),
      ),
    );
    expect(limitsAt(loaded, "/a", "/b", "/c", "/d", "/e", "/f")).toEqual([
      ["first"],
      ["second"],
      ["first", "second"],
      ["first", "second"],
      ["first", "second"],
      ["first", "second"],
    ]);
    expect(warningsOf(loaded)).toEqual([]);
  });

  test("a change of a route is a change of what is in force", () => {
    const policies = onRoute("batch", "b", "batches");
    const versions = [batch, batch.replace("batches", "jobs")].map(
      (route) => load(files(route, policies)).set.version,
    );
    expect(versions[0]).not.toBe(versions[1]);
  });
});

describe("Gateway, route and rule", () => {
  const section = (...names: string[]) => onSection("chat", "rule-2", "s", ...names);
  const route = (...names: string[]) => onRoute("chat", "r", ...names);
  test.each<[string, string[], string[]]>([
    [
      "the most specific limits stand alone",
      [onGateway("gw", "g", "a"), route("b"), section("c")],
      ["c"],
    ],
    [
      "merged defaults add their names from every level",
      [
        withRole(onGateway("gw", "g", "a", "b", "c"), "defaults", "merge"),
        withRole(route("b", "c"), "defaults", "merge"),
        section("c"),
      ],
      ["c", "b", "a"],
    ],
    [
      "… where the route's are atomic, only those of the Gateway",
      [withRole(onGateway("gw", "g", "a"), "defaults", "merge"), route("b"), section("c")],
      ["c", "a"],
    ],
    [
      "the route's overrides replace the rule's limits",
      [withRole(route("b"), "overrides", "atomic"), section("c")],
      ["b"],
    ],
    [
      "… by name where they are merged",
      [withRole(route("b", "c"), "overrides", "merge"), section("c", "d")],
      ["b", "c", "d"],
    ],
    [
      "the Gateway's overrides replace both",
      [withRole(onGateway("gw", "g", "a"), "overrides", "atomic"), route("b"), section("c")],
      ["a"],
    ],
  ])("%s", (_, policies, expected) => {
    expect(limitsAt(load(files(chat, ...policies)), "/v1/chat")).toEqual([expected]);
  });
});

describe("targets that are not in the folder", () => {
  test("one route is the route of all requests", () => {
    const loaded = load(files(gateway, onRoute("llm", "a", "one"), onRoute("llm", "b", "two")));
    expect(limitsAt(loaded, "/v1/chat", "/x")).toEqual([
      ["one", "two"],
      ["one", "two"],
    ]);
    const meaning =
      'no HTTPRoute "llm" in the policies folder: taken for the route of all requests, ' +
      "in place of Gateway defaults";
    const warning = `policies.yaml:14:72: spec.targetRef.name: ${meaning}`;
    expect(warningsOf(loaded)).toEqual([warning]);
    expect(loaded.set.status().map(({ warnings = [] }) => warnings.map(problemText))).toEqual([
      [],
      [warning],
      [warning],
    ]);
  });

  test.each<[string, string[], string[], string[]]>([
    [
      "several routes switch nothing off",
      [onRoute("a", "a", "one"), onRoute("b", "b", "two")],
      ["gateway", "one", "two"],
      ['no HTTPRoute "a" in', 'no HTTPRoute "b" in'],
    ],
    [
      "nor does a rule",
      [onSection("a", "rule-1", "a", "one")],
      ["gateway", "one"],
      ['no HTTPRoute "a" with the rule "rule-1" in'],
    ],
    [
      "nor a route beside those that are there",
      [batch, onRoute("a", "a", "one")],
      ["gateway", "one"],
      ['no HTTPRoute "a" in'],
    ],
  ])("%s", (_, more, expected, warnings) => {
    const loaded = load(files(gateway, ...more));
    expect(limitsAt(loaded, "/v1/batches", "/x")).toEqual([expected, expected]);
    expect(loaded.warnings.map(({ message }) => message)).toEqual(
      warnings.map(
        (warning) =>
          `${warning} the policies folder: in force for all requests, beside Gateway defaults`,
      ),
    );
  });

  test("they count beside the limits of routes, and merged names stay on both sides", () => {
    const loaded = load(
      files(
        withRole(onGateway("gw", "g", "both", "more"), "defaults", "merge"),
        batch,
        onRoute("batch", "b", "batches"),
        onRoute("a", "a", "both"),
      ),
    );
    const policies = (path: string) =>
      loaded.set.match(request({ path })).limits.map(({ policy, limit }) => `${policy} ${limit}`);
    expect(policies("/v1/batches")).toEqual([
      "default/b batches",
      "default/g both",
      "default/g more",
      "default/a both",
    ]);
    expect(policies("/x")).toEqual(["default/g both", "default/g more", "default/a both"]);
  });

  test("a rule that its route does not have counts the route, and switches nothing off", () => {
    const loaded = load(
      files(
        gateway,
        chat,
        onSection("chat", "rule-2", "s", "talk"),
        onSection("chat", "rule-3", "t", "lost"),
      ),
    );
    expect(limitsAt(loaded, "/v1/chat", "/v1/images", "/x")).toEqual([
      ["talk", "lost"],
      ["gateway", "lost"],
      ["gateway"],
    ]);
    expect(loaded.warnings.map(({ field, message }) => [field, message])).toEqual([
      [
        "spec.targetRef.sectionName",
        'the HTTPRoute "chat" has no rule "rule-3": in force for all requests of the route, ' +
          "beside its other limits",
      ],
    ]);
  });

  test("a listener is not known: the whole Gateway is counted", () => {
    const listener = gateway.replace("name: gw}", "name: gw, sectionName: https}");
    const loaded = load(listener);
    expect(limitsAt(loaded, "/x")).toEqual([["gateway"]]);
    expect(warningsOf(loaded)).toEqual([
      'policies.yaml:6:87: spec.targetRef.sectionName: the listener "https" is not known here: ' +
        'in force for all requests of the Gateway "gw"',
    ]);
  });

  test("a Gateway that no route is attached to", () => {
    const attached = httpRoute("r", "{parentRefs: [{name: other}]}");
    const loaded = load(files(gateway, attached, onRoute("r", "p", "own")));
    expect(limitsAt(loaded, "/x")).toEqual([["own"]]);
    expect(warningsOf(loaded)).toEqual([
      "policies.yaml:6:70: spec.targetRef.name: no HTTPRoute in the policies folder has the " +
        'parentRef "gw": in force only for requests that none of them takes',
    ]);
  });
});

describe("the status", () => {
  test("says nothing of warnings where there are none", () => {
    const statuses = load(files(gateway, chat)).set.status();
    expect(statuses.map((status) => "warnings" in status)).toEqual([false, false]);
  });
});
