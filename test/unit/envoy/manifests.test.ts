/** The manifests say what the service and the filter take. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { SERVICE_KINDS } from "../../../limitador-bridge/admission/price-source.ts";
import { readAlertConfig } from "../../../limitador-bridge/alerts/config.ts";
import { readSettings } from "../../../limitador-bridge/cli/up-settings.ts";
import { readConfig } from "../../../limitador-bridge/config.ts";
import { loadPolicies, problemText } from "../../../limitador-bridge/policy/load.ts";
import { allWith, at, documentsOf, filesWith, objectIn, type Plain, textOf } from "./files.ts";

const API_PORT = 8080;
/** What the plugin takes; see plugin/configuration.ts. */
const PLUGIN_KEYS = ["cluster", "failure_mode", "hold_headers", "max_request_body_bytes", "token"];

const kubernetes = filesWith(".yaml").filter((file) => file.startsWith("kubernetes/"));

test.each(filesWith(".yaml", ".yml"))("%s is valid YAML", (file) => {
  expect(documentsOf(file).length).toBeGreaterThan(0);
});

test("the ports of the manifests are those of make up", () => {
  const config = readConfig({ POLICIES: "policies" });
  const up = readSettings({});
  expect([config.apiPort, up.apiPort, up.proxyPort, up.adminPort]).toEqual([
    API_PORT,
    API_PORT,
    10000,
    9901,
  ]);
  const ports = kubernetes
    .flatMap(documentsOf)
    .flatMap((object) => allWith(object, "containerPort"));
  expect([...new Set(ports)].sort()).toEqual([API_PORT, 9901, 10000].sort());
});

test("kustomization.yaml has every file, and the images as parameters", () => {
  const [kustomization] = documentsOf("kubernetes/kustomization.yaml");
  const resources = at<string[]>(kustomization, "resources").map((name) => `kubernetes/${name}`);
  const own = kubernetes.filter((file) => !/kustomization|team-namespace/.test(file));
  expect(resources.sort()).toEqual(own.sort());
  const images = kubernetes.flatMap(documentsOf).flatMap((object) => allWith(object, "image"));
  const parameters = at<{ name: string }[]>(kustomization, "images").map(({ name }) => name);
  expect([...new Set(images)].sort()).toEqual(parameters.sort());
});

/** The environment of a container, secrets by the name of their key. */
function environment(container: Plain): Record<string, string> {
  const entries = at<{ name: string; value?: string; valueFrom?: Plain }[]>(container, "env");
  return Object.fromEntries(
    entries.map(({ name, value, valueFrom }) => [
      name,
      value ??
        (name === "STORE" ? "redis://redis:6379" : String(at(valueFrom, "secretKeyRef", "key"))),
    ]),
  );
}

test("the service takes the variables of its StatefulSet", () => {
  const pods = objectIn("kubernetes/budget-service.yaml", "StatefulSet");
  expect(at(pods, "spec", "replicas")).toBe(2);
  const [container = {}] = at<Plain[]>(pods, "spec", "template", "spec", "containers");
  const env = environment(container);
  const read = (path: string) =>
    path.endsWith("slack-webhook") ? "https://hooks.slack.com/services/x" : "token";
  const config = readConfig(env, read, () => true);
  expect(config).toMatchObject({
    host: "0.0.0.0",
    apiPort: API_PORT,
    store: "redis://redis:6379",
    policies: "/etc/tollgate/policies",
    // The image's own, with the output limits of common models; the ConfigMap's go before them.
    prices: join(import.meta.dirname, "../../../policies/prices"),
    state: "/var/lib/tollgate/state",
    journal: "/var/lib/tollgate/journal",
    apiToken: "token",
    reconcileIntervalMs: 900_000,
  });
  expect(readAlertConfig(env, read)).toMatchObject({
    slackUrl: "https://hooks.slack.com/services/x",
    deadLetterFile: "/var/lib/tollgate/dead-letters.jsonl",
  });
  const readers = ["../limitador-bridge/config.ts", "../limitador-bridge/alerts/config.ts"];
  const known = readers.map(textOf).join("");
  const unknown = Object.keys(env).filter((name) => !known.includes(name.replace(/_FILE$/, "")));
  expect(unknown).toEqual([]);
  const mounts = at<{ mountPath: string }[]>(container, "volumeMounts");
  const folders = mounts.map(({ mountPath }) => mountPath);
  const below = `${config.policies}/`;
  expect(folders.filter((folder) => folder.startsWith(below))).toHaveLength(3);
  for (const path of [config.state, config.journal]) {
    expect(folders.some((folder) => path?.startsWith(folder))).toBe(true);
  }
  expect(allWith(pods, "path").filter((path) => path === "/readyz")).toHaveLength(1);
});

test("the gateway's bootstrap reaches the service, with its token", () => {
  const deployment = objectIn("kubernetes/envoy.yaml", "Deployment");
  const pod = at(deployment, "spec", "template", "spec");
  const [init = {}] = at<Plain[]>(pod, "initContainers");
  const env = environment(init);
  const { UPSTREAM, PROXY_PORT, ENVOY_ADMIN_PORT, API_PORT: port } = env;
  expect([UPSTREAM, PROXY_PORT, ENVOY_ADMIN_PORT, port]).toEqual([
    "https://api.openai.com",
    "10000",
    "9901",
    "8080",
  ]);
  expect(env.API_TOKEN).toBe("api-token");
  const service = objectIn("kubernetes/budget-service.yaml", "Service");
  const [kustomization] = documentsOf("kubernetes/kustomization.yaml");
  const host = `${at(service, "metadata", "name")}.${kustomization?.namespace}.svc.cluster.local`;
  expect(env.API_HOST).toBe(host);
});

test("the policies and prices of the ConfigMaps are accepted", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tollgate-manifests-"));
  try {
    for (const map of documentsOf("kubernetes/policies.yaml")) {
      for (const [name, text] of Object.entries(at<Record<string, string>>(map, "data"))) {
        writeFileSync(join(folder, name), text);
      }
    }
    const { problems, documents } = await loadPolicies(folder, { kinds: SERVICE_KINDS });
    expect(problems.map(problemText)).toEqual([]);
    const kinds = documents.map(({ kind }) => kind?.kind);
    expect(kinds.sort()).toEqual(["Identity", "LLMBudget", "LLMBudget", "PriceTable"]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** Envoy's Wasm configuration in each place where it is shipped. */
const wasmFilters: [string, () => Plain, boolean][] = [
  [
    "bootstrap.yaml",
    () => {
      const [bootstrap] = documentsOf("bootstrap.yaml");
      const filters = allWith(bootstrap, "http_filters").flat() as Plain[];
      return filters.find(({ name }) => name === "tollgate") as Plain;
    },
    false,
  ],
  [
    "istio/envoy-filter.yaml",
    () => {
      const filter = objectIn("istio/envoy-filter.yaml", "EnvoyFilter");
      return at(filter, "spec", "configPatches", 0, "patch", "value");
    },
    true,
  ],
  [
    "gateway/tollgate.yaml",
    () => {
      const policy = objectIn("gateway/tollgate.yaml", "EnvoyPatchPolicy");
      return at(policy, "spec", "jsonPatches", 1, "operation", "value");
    },
    true,
  ],
];

describe.each(wasmFilters)("the filter in %s", (_, read) => {
  test("holds headers, and starts again after a trap", () => {
    const config = at(read(), "typed_config", "config");
    expect(config).toMatchObject({
      allow_on_headers_stop_iteration: true,
      failure_policy: "FAIL_RELOAD",
      fail_open: false,
      vm_config: { runtime: "envoy.wasm.runtime.v8" },
    });
  });

  test("has a plugin configuration with keys that the plugin takes", () => {
    const text = at<string>(read(), "typed_config", "config", "configuration", "value");
    const plugin = JSON.parse(text) as Plain;
    expect(Object.keys(plugin).filter((key) => !PLUGIN_KEYS.includes(key))).toEqual([]);
    expect(plugin).toMatchObject({ hold_headers: true, failure_mode: "deny" });
  });
});

test.each(wasmFilters.filter(([, , isRemote]) => isRemote))(
  "%s fetches the filter from the budget service, in the version that is expected",
  (_, read) => {
    const remote = at(read(), "typed_config", "config", "vm_config", "code", "remote");
    const url = new URL(at<string>(remote, "http_uri", "uri"));
    expect([url.host, url.pathname]).toEqual([
      "tollgate.tollgate.svc.cluster.local:8080",
      "/v1/filter.wasm",
    ]);
    expect(remote.sha256).toBe("$" + "{WASM_SHA256}");
  },
);

test("the bare WasmPlugin does not ask for what Istio cannot give it", () => {
  const plugin = objectIn("istio/wasm-plugin.yaml", "WasmPlugin");
  expect(at(plugin, "spec", "failStrategy")).toBe("FAIL_RELOAD");
  expect(Object.keys(at(plugin, "spec", "pluginConfig"))).toEqual([
    "cluster",
    "token",
    "failure_mode",
  ]);
});

test("Envoy Gateway puts the filter before each chain's router, with TLS and without", () => {
  const policy = objectIn("gateway/tollgate.yaml", "EnvoyPatchPolicy");
  expect(at(policy, "spec", "jsonPatches", 1, "operation", "jsonPath")).toBe(
    "$..http_filters[?(@.name=='envoy.filters.http.router')]",
  );
});

test("who adds objects to the policies sees all that the service reads", () => {
  const pod = at(objectIn("kubernetes/budget-service.yaml", "StatefulSet"), "spec", "template");
  const folders = (container: unknown) =>
    at<{ mountPath: string }[]>(container, "volumeMounts")
      .map(({ mountPath }) => mountPath)
      .filter((path) => path.startsWith("/etc/tollgate/policies/"))
      .sort();
  const containers = ["initContainers", "containers"].flatMap((list) =>
    at<Plain[]>(pod, "spec", list),
  );
  expect(containers.map(folders)).toEqual(
    Array(3).fill(["cluster", "config", "prices"].map((name) => `/etc/tollgate/policies/${name}`)),
  );
});

test("buffers are larger than the body that the filter takes, everywhere", () => {
  const bodyBytes = 33_554_432;
  for (const file of ["bootstrap.yaml", "istio/envoy-filter.yaml", "gateway/tollgate.yaml"]) {
    expect(textOf(file)).toContain(`"max_request_body_bytes": ${bodyBytes}`);
  }
  const bytes = ["bootstrap.yaml", "istio/envoy-filter.yaml"].flatMap((file) =>
    documentsOf(file).flatMap((each) => allWith(each, "per_connection_buffer_limit_bytes")),
  );
  expect(bytes).toEqual([50_331_648, 50_331_648]);
  const windows = ["bootstrap.yaml", "istio/envoy-filter.yaml"].flatMap((file) =>
    documentsOf(file).flatMap((each) => allWith(each, "initial_stream_window_size")),
  );
  expect(windows).toEqual([50_331_648, 50_331_648]);
  const policy = objectIn("gateway/tollgate.yaml", "ClientTrafficPolicy");
  expect(at(policy, "spec", "connection", "bufferLimit")).toBe("48Mi");
  expect(at(policy, "spec", "http2", "initialStreamWindowSize")).toBe("48Mi");
});

test("pods of a team's namespace reach the cluster and nothing else", () => {
  const policy = objectIn("kubernetes/team-namespace/network-policy.yaml", "NetworkPolicy");
  expect(at(policy, "spec")).toEqual({
    podSelector: {},
    policyTypes: ["Egress"],
    egress: [{ to: [{ namespaceSelector: {} }] }],
  });
});
