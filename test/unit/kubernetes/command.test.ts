/** `tollgate kubernetes`: its options, and --once for an init container. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { KUBERNETES_USAGE, kubernetes } from "../../../limitador-bridge/cli/kubernetes.ts";
import { MIRRORED_KINDS } from "../../../limitador-bridge/kubernetes/kinds.ts";
import { RunningMirror } from "./running-mirror.ts";

let mirror: RunningMirror;
let printed = "";

beforeEach(async () => {
  printed = "";
  mirror = new RunningMirror("llmbudgets", "identities");
  await mirror.open();
});
afterEach(() => mirror.close());

function run(args: string[], env: Record<string, string> = {}) {
  return kubernetes(args, {
    env: { KUBECONFIG: mirror.kubeConfig, LOG_LEVEL: "silent", ...env },
    stdout: (text) => {
      printed += text;
    },
    stderr: () => {},
    read: () => Promise.reject(new Error("nothing to read")),
  });
}

describe("--once", () => {
  beforeEach(() => {
    const { cluster } = mirror;
    cluster.apply("llmbudgets", "ml", "a", { team: "a", monthlyBudgetUSD: 100 });
    cluster.apply("llmbudgets", "ml", "broken", { team: "b", monthlyBudgetUSD: "much" });
    cluster.apply("llmbudgets", "ml", "0-again", { team: "a", monthlyBudgetUSD: 5 });
    cluster.apply("identities", "ml", "default", { team: "auth.identity.team" });
  });

  test("writes what a service starts with, the older of two for one team, and ends", async () => {
    const { cluster } = mirror;
    expect(await run(["--once", "--folder", mirror.mirrored])).toBe(0);
    expect(mirror.files()).toEqual(["identity.ml.default.yaml", "llmbudget.ml.a.yaml"]);
    expect(cluster.watches("llmbudgets")).toBe(0);
    expect(cluster.patches).toEqual([]);
    expect(cluster.requests.map((line) => line.replace(/^GET \/apis\//, ""))).toEqual([
      "kuadrant.io/v1alpha1",
      "ai.systemhardening.com/v1",
      "ai.systemhardening.com/v1/llmbudgets",
      "tollgate.dev/v1alpha1",
      "tollgate.dev/v1alpha1/identities",
      "tollgate.dev/v1alpha1",
      "tollgate.dev/v1alpha1",
      "gateway.networking.k8s.io/v1",
    ]);
  });

  test("keeps back what the policies beside it exclude", async () => {
    const config = join(mirror.folder, "config");
    mkdirSync(config);
    const identity = { apiVersion: "tollgate.dev/v1alpha1", kind: "Identity" };
    const ours = { ...identity, metadata: { name: "ours" }, spec: { team: "auth.identity.team" } };
    writeFileSync(join(config, "identity.yaml"), JSON.stringify(ours));
    const folder = ["--once", "--folder", mirror.mirrored];
    expect(await run(folder, { POLICIES: mirror.folder })).toBe(0);
    expect(mirror.files()).toEqual(["llmbudget.ml.a.yaml"]);
    expect(await run([...folder, "--policies", mirror.mirrored])).toBe(0);
    expect(mirror.files()).toEqual(["identity.ml.default.yaml", "llmbudget.ml.a.yaml"]);
  });

  test("tries a list again, and takes one namespace only", async () => {
    mirror.cluster.refusals.push({ line: "/llmbudgets", status: 429 });
    expect(await run(["--once", "--folder", mirror.mirrored, "--namespace", "other"])).toBe(0);
    expect(mirror.files()).toEqual([]);
    const path = "GET /apis/ai.systemhardening.com/v1/namespaces/other/llmbudgets";
    expect(mirror.cluster.requests.filter((line) => line === path)).toHaveLength(2);
  });
});

describe("the command refuses", () => {
  test.each<[string, string[], Record<string, string>, string]>([
    ["no folder", [], {}, `--folder: missing\n\n${KUBERNETES_USAGE}`],
    ["an unknown option", ["--fodler", "x"], {}, "Unknown option '--fodler'"],
    [
      "a service that is none",
      ["--folder", "x", "--api", "8080"],
      {},
      "--api: expected http://host",
    ],
    [
      "no cluster",
      ["--folder", "x"],
      { KUBECONFIG: "" },
      "no cluster: expected KUBECONFIG, or a pod",
    ],
    [
      "a kubeconfig that is not there",
      ["--folder", "x"],
      { KUBECONFIG: "/nowhere/config" },
      'KUBECONFIG "/nowhere/config": ENOENT',
    ],
  ])("%s", async (_, args, env, message) => {
    await expect(run(args, env)).rejects.toThrow(message);
  });

  test("a policy folder that is not there", async () => {
    const folder = ["--once", "--folder", mirror.mirrored, "--policies", "/nowhere"];
    await expect(run(folder)).rejects.toThrow("cannot read the policy folder: ENOENT");
  });
});

test("--help names every kind", async () => {
  expect(await run(["--help"])).toBe(0);
  expect(printed).toBe(`${KUBERNETES_USAGE}\n`);
  expect(MIRRORED_KINDS.filter(({ kind }) => !printed.includes(kind))).toEqual([]);
});
