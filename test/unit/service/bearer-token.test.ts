import { describe, expect, test } from "vitest";
import { createService } from "./service-fixture.ts";

describe("bearer token", () => {
  const { app } = createService({ overrides: { apiToken: "s3cret" } });
  const call = (method: "GET" | "POST", url: string, authorization?: string) =>
    app.inject({ method, url, headers: authorization === undefined ? {} : { authorization } });

  test.each([
    ["POST", "/v1/admit"],
    ["POST", "/v1/settle"],
    ["GET", "/v1/filter-config"],
  ] as const)("%s %s needs it", async (method, url) => {
    for (const authorization of [undefined, "Bearer wrong", "Basic s3cret", "Bearer"]) {
      const response = await call(method, url, authorization);
      expect(response.statusCode).toBe(401);
      expect(response.headers["www-authenticate"]).toBe("Bearer");
      expect(response.json()).toEqual({
        error: {
          code: "unauthorized",
          message: "a valid bearer token is needed for this call",
        },
      });
    }
  });

  test("the right one opens, and reading needs none", async () => {
    expect((await call("GET", "/v1/filter-config", "Bearer s3cret")).statusCode).toBe(200);
    expect((await call("GET", "/v1/usage")).statusCode).toBe(200);
    expect((await call("GET", "/healthz")).statusCode).toBe(200);
  });
});
