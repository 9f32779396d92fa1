import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { ConfigError, readConfig } from "../../../limitador-bridge/config.ts";

const files: Record<string, string> = { "/run/token": "from-file\n", "/run/bad": "two words" };
const readFile = (path: string) => {
  const content = files[path];
  if (content === undefined) throw new Error("ENOENT: no such file");
  return content;
};
const isFolder = (path: string) => path !== "/none";
const read = (env: Record<string, string>) =>
  readConfig({ POLICIES: "policies/examples/two-tier", ...env }, readFile, isFolder);

describe("readConfig", () => {
  test("a folder is looked for on the disk, and a file is none", () => {
    const expected = (path: string) => `POLICIES: expected a folder that is there, got "${path}"`;
    expect(readConfig({ POLICIES: "policies" }).policies).toBe("policies");
    for (const path of ["policies/none", "package.json", "package.json/x"]) {
      expect(() => readConfig({ POLICIES: path })).toThrow(new ConfigError(expected(path)));
    }
  });

  test("has defaults for all but the policies; empty is as good as not set", () => {
    expect(read({ HOST: "", API_PORT: "" })).toEqual({
      host: "127.0.0.1",
      apiPort: 8080,
      store: "embedded:./data",
      policies: "policies/examples/two-tier",
      prices: resolve("policies/prices"),
      apiToken: null,
      holdMs: 600_000,
      admitTimeoutMs: 1000,
      journal: "./data/journal-8080",
      state: "data/state",
      storeTimeoutMs: 40,
      reconcileIntervalMs: 900_000,
      prometheusUrl: null,
      genAiMetrics: false,
      wasm: resolve("build/tollgate.wasm"),
      logLevel: "info",
    });
  });

  test("reads what is set", () => {
    expect(
      read({
        HOST: "0.0.0.0",
        API_PORT: "0",
        STORE: "memory:",
        PRICES: "./prices",
        API_TOKEN: "abc.DEF-1=",
        HOLD_MS: "1000",
        ADMIT_TIMEOUT_MS: "50",
        JOURNAL: "/var/lib/tollgate",
        STORE_TIMEOUT_MS: "20",
        RECONCILE_INTERVAL: "0",
        PROMETHEUS_URL: "http://prometheus:9090",
        GEN_AI_METRICS: "on",
        TOLLGATE_WASM: "/opt/tollgate.wasm",
        LOG_LEVEL: "warn",
      }),
    ).toEqual({
      host: "0.0.0.0",
      apiPort: 0,
      store: "memory:",
      policies: "policies/examples/two-tier",
      prices: "./prices",
      apiToken: "abc.DEF-1=",
      holdMs: 1000,
      admitTimeoutMs: 50,
      journal: "/var/lib/tollgate",
      state: null,
      storeTimeoutMs: 20,
      reconcileIntervalMs: 0,
      prometheusUrl: "http://prometheus:9090",
      genAiMetrics: true,
      wasm: "/opt/tollgate.wasm",
      logLevel: "warn",
    });
    expect(read({ API_TOKEN_FILE: "/run/token" }).apiToken).toBe("from-file");
    expect(read({ API_PORT: "8081" }).journal).toBe("./data/journal-8081");
    expect(read({ RECONCILE_INTERVAL: "90s" }).reconcileIntervalMs).toBe(90_000);
    expect(read({ RECONCILE_INTERVAL: "24h" }).reconcileIntervalMs).toBe(86_400_000);
  });

  test.each([
    [{ POLICIES: "" }, "POLICIES: not set; expected a folder with policy files"],
    [{ POLICIES: "/none" }, 'POLICIES: expected a folder that is there, got "/none"'],
    [{ PRICES: "/none" }, 'PRICES: expected a folder that is there, got "/none"'],
    [{ GEN_AI_METRICS: "yes" }, 'GEN_AI_METRICS: expected one of on, off, got "yes"'],
    [{ API_PORT: "http" }, 'API_PORT: expected a whole number from 0 to 65535, got "http"'],
    [{ API_PORT: "65536" }, 'API_PORT: expected a whole number from 0 to 65535, got "65536"'],
    [
      { RECONCILE_INTERVAL: "25h" },
      'RECONCILE_INTERVAL: expected 0 or e.g. 30s, 15m, 1h up to 24h, got "25h"',
    ],
    [
      { PROMETHEUS_URL: "prometheus:9090" },
      'PROMETHEUS_URL: expected http://host[:port] or https://…, got "prometheus:9090"',
    ],
    [{ HOLD_MS: "-1" }, 'HOLD_MS: expected a whole number from 1000 to 86400000, got "-1"'],
    [
      { ADMIT_TIMEOUT_MS: "1e3" },
      'ADMIT_TIMEOUT_MS: expected a whole number from 1 to 60000, got "1e3"',
    ],
    [
      { LOG_LEVEL: "loud" },
      'LOG_LEVEL: expected one of trace, debug, info, warn, error, fatal, silent, got "loud"',
    ],
    [
      { API_TOKEN: "a", API_TOKEN_FILE: "/run/token" },
      "API_TOKEN and API_TOKEN_FILE: expected one of them, got both",
    ],
    [{ API_TOKEN_FILE: "/none" }, 'API_TOKEN_FILE: cannot read "/none": ENOENT: no such file'],
    [
      { API_TOKEN_FILE: "/run/bad" },
      "API_TOKEN_FILE: expected a bearer token of letters, digits and -._~+/ " +
        "with = only at the end",
    ],
  ] as [Record<string, string>, string][])("%o is refused", (env, message) => {
    expect(() => read(env)).toThrow(new ConfigError(message));
  });
});
