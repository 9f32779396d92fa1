import { expect, test } from "vitest";
import { CommandError, serviceOf } from "../../../limitador-bridge/cli/service-call.ts";

test("the service is that of --api, TOLLGATE_API, or the port of make up", () => {
  const env = { TOLLGATE_API: "http://b:1", API_PORT: "8081" };
  expect(serviceOf("http://a:1/", env).api).toBe("http://a:1");
  expect(serviceOf(undefined, env).api).toBe("http://b:1");
  expect(serviceOf(undefined, { API_PORT: "8081" }).api).toBe("http://127.0.0.1:8081");
  expect(serviceOf(undefined, { TOLLGATE_API: "", API_PORT: "" }).api).toBe(
    "http://127.0.0.1:8080",
  );
});

test.each([
  ["foo", {}, '--api: expected http://host[:port] or https://…, found "foo"'],
  [
    undefined,
    { TOLLGATE_API: "ftp://x" },
    'TOLLGATE_API: expected http://host[:port] or https://…, found "ftp://x"',
  ],
  [
    undefined,
    { API_PORT: "http" },
    'API_PORT: expected a whole number from 0 to 65535, found "http"',
  ],
  [
    undefined,
    { API_PORT: "65536" },
    'API_PORT: expected a whole number from 0 to 65535, found "65536"',
  ],
] as const)("%s with %o is refused by name", (api, env, message) => {
  expect(() => serviceOf(api, env)).toThrow(new CommandError(message));
});
