/** Who pays, by each source that a budget may trust. */
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { load, problemsOf, request } from "../policy/fixture.ts";

const identity = (spec: string) => `apiVersion: tollgate.dev/v1alpha1
kind: Identity
metadata: {name: default}
spec:
${spec}`;
const budget = (team: string, spec = "") => `apiVersion: ai.systemhardening.com/v1
kind: LLMBudget
metadata: {name: ${team === "*" ? "others" : team}}
spec:
  team: "${team}"
  monthlyBudgetUSD: 1
${spec}`;

/** What an Identity makes of a request, and which budget it then spends from. */
function payer(spec: string, parts: Parameters<typeof request>[0], others = "") {
  const files = {
    "i.yaml": identity(spec),
    "b.yaml": budget("ml-team"),
    "o.yaml": budget("*", others),
  };
  const loaded = load(files);
  expect(problemsOf(loaded)).toEqual([]);
  const found = loaded.set.payer(request(parts));
  const matched = loaded.set.budgets.match(found);
  const outcome =
    matched.kind === "budget"
      ? matched.match.budget.policy
      : matched.kind === "deny"
        ? matched.denial.code
        : matched.kind;
  return { team: found.team, app: found.app, user: found.user, outcome };
}

const KEY = "sk-team-7f3a";
const HASH = createHash("sha256").update(KEY).digest("hex");
const JWT = "envoy.filters.http.jwt_authn";

describe("sources", () => {
  test("claims of a JWT that jwt_authn has checked", () => {
    const claims = { sub: "ann", team: "ml-team", azp: "chatbot" };
    expect(
      payer("  team: auth.identity.team\n  app: auth.identity.azp\n  user: auth.identity.sub\n", {
        attributes: { metadata: { [JWT]: { identity: claims } } },
      }),
    ).toEqual({ team: "ml-team", app: "chatbot", user: "ann", outcome: "default/ml-team" });
  });

  test("what ext_authz left", () => {
    const spec =
      `  team: auth.identity.metadata.annotations["team"]\n` + "  user: auth.identity.userid\n";
    const auth = { identity: { userid: "ann", metadata: { annotations: { team: "ml-team" } } } };
    expect(payer(spec, { auth })).toEqual({
      ...{ team: "ml-team", app: null, user: "ann" },
      outcome: "default/ml-team",
    });
  });

  test("the principal of mutual TLS", () => {
    const spec =
      `  team: connection.uri_san_peer_certificate.split("/ns/")[1].split("/")[0]\n` +
      `  app: connection.uri_san_peer_certificate.split("/sa/")[1]\n`;
    const uri = "spiffe://cluster.local/ns/ml-team/sa/chatbot";
    const attributes = { connection: { uri_san_peer_certificate: uri } };
    expect(payer(spec, { attributes })).toEqual({
      ...{ team: "ml-team", app: "chatbot", user: null },
      outcome: "default/ml-team",
    });
  });

  const keys =
    `  team: '{"${HASH}": "ml-team"}[sha256(request.headers["x-api-key"])]'\n` +
    `  user: sha256(request.headers["x-api-key"])\n  trustedHeaders: [x-api-key]\n`;

  test("API keys, of which the policy has only the hash", () => {
    expect(payer(keys, { headers: { "x-api-key": KEY } })).toEqual({
      ...{ team: "ml-team", app: null, user: HASH },
      outcome: "default/ml-team",
    });
  });

  test.each([
    ["another key", { "x-api-key": "sk-other" }],
    ["no key", {}],
  ])("%s is of no known team", (_, headers) => {
    expect(payer(keys, { headers })).toMatchObject({ team: null, outcome: "no_budget_defined" });
  });
});

describe("a payer that cannot be told", () => {
  const spec = "  team: auth.identity.team\n";

  test.each([
    ["", "no_budget_defined"],
    ["  unknownPayer: deny\n", "no_budget_defined"],
    ["  unknownPayer: allow\n", "none"],
    ["  unknownPayer: budget\n", "default/others"],
  ])("follows %j: %s", (rule, outcome) => {
    expect(payer(spec, {}, rule)).toMatchObject({ team: null, outcome });
  });

  test("a header that nobody vouches for is no source", () => {
    const loaded = load(identity('  team: request.headers["x-team"]\n'));
    expect(problemsOf(loaded)).toEqual([
      'policies.yaml:5:9: spec.team: reads the header "x-team", which anyone can set unless a ' +
        "proxy in front removes it: list it in spec.trustedHeaders if that is so",
    ]);
  });
});
