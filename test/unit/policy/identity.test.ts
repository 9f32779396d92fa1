import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { load, problemsOf, request } from "./fixture.ts";

const identity = (spec: string) =>
  `apiVersion: tollgate.dev/v1alpha1\nkind: Identity\nmetadata: {name: default}\nspec:\n${spec}`;

describe("without an Identity", () => {
  test.each([
    [{ auth: { identity: { userid: "alice" } } }, "alice"],
    [{ auth: { identity: {} } }, null],
    [{}, null],
  ])("%j is user %j", (parts, user) => {
    expect(load({}).set.payer(request(parts))).toEqual({ team: null, app: null, user, task: null });
  });

  test("the filter is asked for the user id", () => {
    expect(load({}).set.needs).toEqual({
      headers: [],
      properties: [
        { name: "request.host", type: "string" },
        { name: "request.method", type: "string" },
        { name: "request.path", type: "string" },
      ],
      metadata: [
        ["envoy.filters.http.ext_authz", "identity", "userid"],
        ["envoy.filters.http.jwt_authn", "identity", "userid"],
      ],
      bodyPointers: [],
    });
  });
});

describe("the example of the tiers", async () => {
  const file = "policies/examples/kuadrant-tiers/identity.yaml";
  const loaded = load({ [file]: await readFile(file, "utf8") });
  const headers = { "X-Team": "ml", "x-app": "chatbot", "x-user": "header-user" };

  test("is accepted", () => {
    expect(problemsOf(loaded)).toEqual([]);
    expect(loaded.set.needs.headers).toEqual(["x-app", "x-team", "x-user"]);
  });

  test.each([
    [
      { headers, auth: { identity: { userid: "alice" } } },
      { team: "ml", app: "chatbot", user: "alice", task: null },
    ],
    [{ headers }, { team: "ml", app: "chatbot", user: "header-user", task: null }],
    [{ headers: { "x-app": "" } }, { team: null, app: null, user: null, task: null }],
  ])("%j", (parts, payer) => {
    expect(loaded.set.payer(request(parts))).toEqual(payer);
  });
});

describe("fields", () => {
  test("numbers are names, maps and failures are unknown", () => {
    const loaded = load(
      identity(
        "  team: auth.team\n  app: auth.app\n  user: auth.user\n  task: requestBodyJSON('/task')\n",
      ),
    );
    const auth = { team: 7, app: { a: 1 }, user: null };
    expect(loaded.set.payer(request({ auth }))).toEqual({
      team: "7",
      app: null,
      user: null,
      task: null,
    });
    expect(loaded.set.needs.bodyPointers).toEqual(["/task"]);
  });
});

describe("headers that nobody said to trust", () => {
  const untrusted = (header: string) =>
    `reads the header "${header}", which anyone can set unless a proxy in front removes it: ` +
    `list it in spec.trustedHeaders if that is so`;
  test.each([
    ['  team: request.headers["x-team"]\n', `policies.yaml:5:9: spec.team: ${untrusted("x-team")}`],
    [
      "  user: 'has(request.headers[\"X-User\"]) ? 1 : 2'\n",
      `policies.yaml:5:9: spec.user: ${untrusted("x-user")}`,
    ],
    ["  app: request.useragent\n", `policies.yaml:5:8: spec.app: ${untrusted("user-agent")}`],
    ["  team: request.host\n", `policies.yaml:5:9: spec.team: ${untrusted(":authority")}`],
    ["  team: request.headers.host\n", `policies.yaml:5:9: spec.team: ${untrusted(":authority")}`],
    [
      "  app: request.headers[request.method]\n  trustedHeaders: [x-a]\n",
      "policies.yaml:5:8: spec.app: reads any header: read each one by its literal name",
    ],
    ["  teem: '1'\n", 'policies.yaml:5:3: spec.teem: unknown field "teem"; did you mean "team"?'],
    [
      "  team: '{1: 2}'\n",
      "policies.yaml:5:10: spec.team: the expression must give a single value, found map<int, int>",
    ],
  ])("%j", (spec, problem) => {
    expect(problemsOf(load(identity(spec)))).toEqual([problem]);
  });

  test.each(["host", ":authority"])("request.host may be trusted as %s", (name) => {
    const spec = `  team: request.host.split(".")[0]\n  trustedHeaders: ["${name}"]\n`;
    const loaded = load(identity(spec));
    expect(problemsOf(loaded)).toEqual([]);
    expect(loaded.set.payer(request()).team).toBe("llm");
  });

  test("trusted headers are compared without letter case", () => {
    const spec = '  team: request.headers["x-team"]\n  trustedHeaders: [X-Team]\n';
    expect(problemsOf(load(identity(spec)))).toEqual([]);
  });
});
