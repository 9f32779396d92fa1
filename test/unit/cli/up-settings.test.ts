import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { serviceEnv } from "../../../limitador-bridge/cli/service-env.ts";
import { checkFiles, readSettings } from "../../../limitador-bridge/cli/up-settings.ts";

const folder = mkdtempSync(join(tmpdir(), "tollgate-settings-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("readSettings", () => {
  test("the simulator has a port of its own unless one is set", () => {
    expect(readSettings({}).simulatorPort).toBeNull();
    expect(readSettings({ SIMULATOR_PORT: "8091" }).simulatorPort).toBe(8091);
    for (const port of ["0", "0x1F90", "1e4", " 80", "65536"]) {
      expect(() => readSettings({ SIMULATOR_PORT: port })).toThrow(
        `SIMULATOR_PORT: expected a whole number from 1 to 65535, found "${port}"`,
      );
    }
  });

  test("files that are not there are named with their variable", () => {
    const { template } = readSettings({});
    const none = readSettings({ ENVOY_BOOTSTRAP: "/none", TOLLGATE_WASM: "/none" });
    expect(() => checkFiles(none)).toThrow("ENVOY_BOOTSTRAP: there is no /none");
    expect(() => checkFiles({ ...none, template })).toThrow(
      "TOLLGATE_WASM: there is no /none; make build",
    );
  });

  test("UPSTREAM_CA is a file, and goes with an https upstream", () => {
    const file = join(folder, "ca.pem");
    const https = { UPSTREAM: "https://localhost:8443" };
    expect(readSettings(https).upstreamCa).toBeNull();
    expect(readSettings({ ...https, UPSTREAM_CA: file }).upstreamCa).toBe(file);
    const found = { wasm: import.meta.filename, template: import.meta.filename };
    for (const upstreamCa of [file, folder]) {
      expect(() => checkFiles({ ...found, upstreamCa })).toThrow(
        `UPSTREAM_CA: expected a PEM file, and there is no file ${upstreamCa}`,
      );
    }
    writeFileSync(file, "");
    checkFiles({ ...found, upstreamCa: file });
    for (const UPSTREAM of ["", "http://localhost"]) {
      expect(() => readSettings({ UPSTREAM, UPSTREAM_CA: file })).toThrow(
        `UPSTREAM_CA: expected UPSTREAM=https://… with it, found UPSTREAM=${UPSTREAM}`,
      );
    }
  });

  test("the token is that of API_TOKEN, or of its file", () => {
    const file = join(folder, "token");
    writeFileSync(file, "from-file\n");
    expect(readSettings({}).token).toBeNull();
    expect(readSettings({ API_TOKEN: "given" }).token).toBe("given");
    expect(readSettings({ API_TOKEN_FILE: file }).token).toBe("from-file");
    expect(() => readSettings({ API_TOKEN: "given", API_TOKEN_FILE: file })).toThrow(
      "API_TOKEN and API_TOKEN_FILE: expected one of them, got both",
    );
    expect(() => readSettings({ API_TOKEN_FILE: join(folder, "none") })).toThrow(
      /^API_TOKEN_FILE: cannot read ".*none": ENOENT/,
    );
  });
});

describe("serviceEnv", () => {
  const settings = { policies: "/p", store: "redis://r", replicas: 2 };

  test("no two processes have one folder", () => {
    const env = { STATE: "/state", JOURNAL: "/journal", API_TOKEN_FILE: "/token" };
    expect([8080, 8081].map((port) => serviceEnv(env, settings, port))).toEqual([
      {
        API_TOKEN_FILE: "/token",
        API_PORT: "8080",
        STORE: "redis://r",
        JOURNAL: "/journal/8080",
        STATE: "/state/8080",
        POLICIES: "/p",
        LOG_LEVEL: "warn",
      },
      expect.objectContaining({ JOURNAL: "/journal/8081", STATE: "/state/8081" }),
    ]);
  });

  test("the only process has the folder that is named", () => {
    expect(serviceEnv({ STATE: "/state" }, { ...settings, replicas: 1 }, 8080).STATE).toBe(
      "/state",
    );
    expect(serviceEnv({}, settings, 8080)).toEqual({
      API_PORT: "8080",
      STORE: "redis://r",
      POLICIES: "/p",
      LOG_LEVEL: "warn",
    });
  });
});
