import { describe, expect, test } from "vitest";
import { ConfigError, readConfig } from "../../../limitador-bridge/config.ts";

const files: Record<string, string> = { "/run/token": "from-file\n", "/run/bad": "two words" };
const readFile = (path: string) => {
  const content = files[path];
  if (content === undefined) throw new Error("ENOENT: no such file");
  return content;
};
const read = (env: Record<string, string>) =>
  readConfig({ POLICIES: "policies/examples/two-tier", ...env }, readFile);

describe("readConfig", () => {
  test("has defaults for all but the policies; empty is as good as not set", () => {
    expect(read({ HOST: "", API_PORT: "" })).toEqual({
      host: "127.0.0.1",
      apiPort: 8080,
      store: "embedded:./data",
      policies: "policies/examples/two-tier",
      apiToken: null,
      holdMs: 600_000,
      admitTimeoutMs: 200,
      logLevel: "info",
    });
  });

  test("reads what is set", () => {
    expect(
      read({
        HOST: "0.0.0.0",
        API_PORT: "0",
        STORE: "memory:",
        API_TOKEN: "abc.DEF-1=",
        HOLD_MS: "1000",
        ADMIT_TIMEOUT_MS: "50",
        LOG_LEVEL: "warn",
      }),
    ).toEqual({
      host: "0.0.0.0",
      apiPort: 0,
      store: "memory:",
      policies: "policies/examples/two-tier",
      apiToken: "abc.DEF-1=",
      holdMs: 1000,
      admitTimeoutMs: 50,
      logLevel: "warn",
    });
    expect(read({ API_TOKEN_FILE: "/run/token" }).apiToken).toBe("from-file");
  });

  test.each([
    [{ POLICIES: "" }, "POLICIES: not set; expected a folder with policy files"],
    [{ API_PORT: "http" }, 'API_PORT: expected a whole number from 0 to 65535, got "http"'],
    [{ API_PORT: "65536" }, 'API_PORT: expected a whole number from 0 to 65535, got "65536"'],
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
