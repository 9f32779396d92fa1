import { describe, expect, test } from "vitest";
import { createHost, type HostOptions, RefusedError } from "./host.ts";
import { releaseWasm, startFilter } from "./tollgate.ts";

const OBJECT = "the plugin configuration must be a JSON object";
const CLUSTER = "cluster: expected the name of the Envoy cluster of the budget service";

describe("a plugin configuration is refused with the key's name", () => {
  test.each<[NonNullable<HostOptions["pluginConfiguration"]>, string]>([
    ["{", OBJECT],
    ["[]", OBJECT],
    ["{}", CLUSTER],
    [{ cluster: "" }, "cluster: expected a string that is not empty"],
    [{ cluster: 5 }, "cluster: expected a string that is not empty"],
    [{ cluster: "c", token: 1 }, "token: expected a string that is not empty"],
    [{ cluster: "c", hold_headers: "yes" }, "hold_headers: expected true or false"],
    [{ cluster: "c", failure_mode: "open" }, 'failure_mode: expected "allow" or "deny"'],
    [
      { cluster: "c", poll_interval_ms: 0 },
      "poll_interval_ms: expected a whole number from 50 to 60000",
    ],
    [
      { cluster: "c", poll_interval_ms: 1.5 },
      "poll_interval_ms: expected a whole number from 50 to 60000",
    ],
    [{ cluster: "c", clutser: "x" }, "clutser: unknown key of the plugin configuration"],
  ])("%j", (pluginConfiguration, message) => {
    const host = createHost({ wasm: releaseWasm(), pluginConfiguration });
    expect(() => host.start()).toThrow(RefusedError);
    expect(host.logs.map(({ level, message: text }) => [level, text])).toEqual([
      ["error", message],
    ]);
  });

  test("none at all", () => {
    const host = createHost({ wasm: releaseWasm() });
    expect(() => host.start()).toThrow(RefusedError);
    expect(host.logs).toHaveLength(1);
  });
});

test("the configuration reaches the calls to the service", () => {
  const host = startFilter({ configuration: { token: "secret", authority: "budget.local" } });
  host.advance(10);
  const call = host.pendingCall("/v1/filter-config");
  expect(call.cluster).toBe("tollgate");
  expect(call.headers.toObject()).toEqual({
    ":method": "GET",
    ":path": "/v1/filter-config",
    ":authority": "budget.local",
    authorization: "Bearer secret",
  });
});

test("the release module is small and imports nothing but env.proxy_*", () => {
  const wasm = releaseWasm();
  const imports = WebAssembly.Module.imports(new WebAssembly.Module(new Uint8Array(wasm)));
  const foreign = imports.filter(({ module, name }) => {
    return module !== "env" || !name.startsWith("proxy_");
  });
  expect(foreign).toEqual([]);
  expect(wasm.length).toBeLessThan(64 * 1024);
});

test("ids are unlike between workers of one Envoy and between Envoys", () => {
  const worker = startFilter();
  const other = startFilter({ host: { shared: worker.shared } });
  const far = startFilter({ host: { properties: { xds: { node: { id: "other-envoy" } } } } });
  const near = startFilter({ host: { properties: { xds: { node: { id: "this-envoy" } } } } });
  const ids = [worker, other, far, near].map((host) => {
    host.advance(10);
    host.pendingCall("/v1/filter-config").respond(200, {}, ID_CONFIG);
    host.openStream({
      requestHeaders: { ":method": "POST", ":path": "/v1/chat/completions" },
      endOfStream: true,
    });
    return host.pendingCall("/v1/admit").json().id;
  });
  expect(new Set(ids).size).toBe(4);
});

const ID_CONFIG = {
  version: "v1",
  failureMode: "allow",
  apis: [{ api: "a", path: "/chat/completions", errorShape: "openai", includeUsage: false }],
  sniff: false,
  attributes: { headers: [], properties: [], metadata: [] },
  request: { model: [], stream: [], maxOutputTokens: [], choices: [], prompt: [], body: [] },
  response: { usage: [], facts: [], text: [], base64: [], headers: [] },
  errors: {},
};
