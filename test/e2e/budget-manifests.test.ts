/** The filter as the manifests of Istio and Envoy Gateway configure it, in a real Envoy. */
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isMap, parseDocument, type YAMLSeq } from "yaml";
import { at, objectIn, type Plain } from "../unit/envoy/files.ts";
import { send } from "./client.ts";
import { PROJECT_ROOT, type Stack, startStack } from "./harness.ts";
import { IDENTITY } from "./policies.ts";
import { recordOf } from "./service-api.ts";
import { ask, OUTPUT_TOKENS, PROMPT_TOKENS } from "./traffic.ts";

const TOKEN = "not-known-to-clients";
const HTTP_FILTERS = [
  ...["static_resources", "listeners", 0, "filter_chains", 0, "filters", 0],
  ...["typed_config", "http_filters"],
];

const shipped: [string, () => Plain][] = [
  [
    "istio/envoy-filter.yaml",
    () =>
      at(
        objectIn("istio/envoy-filter.yaml", "EnvoyFilter"),
        "spec",
        "configPatches",
        0,
        "patch",
        "value",
      ),
  ],
  [
    "gateway/tollgate.yaml",
    () =>
      at(
        objectIn("gateway/tollgate.yaml", "EnvoyPatchPolicy"),
        "spec",
        "jsonPatches",
        1,
        "operation",
        "value",
      ),
  ],
];

/** The shipped filter, with the cluster and the host of the bootstrap in place of the mesh's. */
async function filledIn(filter: Plain): Promise<Plain> {
  const wasm = await readFile(join(PROJECT_ROOT, "build/tollgate.wasm"));
  const text = JSON.stringify(filter)
    .replaceAll("outbound|8080||tollgate.tollgate.svc.cluster.local", "tollgate")
    .replace("http://tollgate.tollgate.svc.cluster.local:8080", "http://tollgate")
    .replace("$" + "{WASM_SHA256}", createHash("sha256").update(wasm).digest("hex"))
    .replace("$" + "{API_TOKEN}", TOKEN);
  return JSON.parse(text) as Plain;
}

/** The bootstrap of make up with another tollgate filter. */
async function bootstrapWith(filter: Plain, folder: string): Promise<string> {
  const document = parseDocument(
    await readFile(join(PROJECT_ROOT, "envoy/bootstrap.yaml"), "utf8"),
  );
  const filters = document.getIn(HTTP_FILTERS) as YAMLSeq;
  const place = filters.items.findIndex((item) => isMap(item) && item.get("name") === "tollgate");
  filters.items[place] = document.createNode(filter);
  const file = join(folder, "bootstrap.yaml");
  await writeFile(file, String(document));
  return file;
}

describe.each(shipped)("%s", (_, read) => {
  let folder: string;
  let stack: Stack;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tollgate-manifests-"));
    const file = await bootstrapWith(await filledIn(read()), folder);
    stack = await startStack({
      policies: { "identity.yaml": IDENTITY },
      env: { ENVOY_BOOTSTRAP: file, API_TOKEN: TOKEN },
    });
  });
  afterAll(async () => {
    await stack?.stop();
    await rm(folder, { recursive: true });
  });

  test("Envoy fetches the filter from the service, and it meters", async () => {
    const { requestId, reply } = await ask(stack.proxyUrl, {});
    expect(reply.status).toBe(200);
    const record = await recordOf(stack.apiUrl, requestId);
    expect(record).toMatchObject({
      user: "ann",
      source: "reported",
      tokens: { input: PROMPT_TOKENS, output: OUTPUT_TOKENS },
    });
  });

  test("the filter's metrics have the names that the alert rules know", async () => {
    const { text } = await send(`${stack.adminUrl}/stats/prometheus`);
    expect(text).toMatch(/^tollgate_settlements_lost\{.*\} 0$/m);
  });
});
