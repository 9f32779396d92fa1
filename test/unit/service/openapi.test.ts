/** What /openapi.json says of answers that are not JSON, and of bodies of two forms. */
import { expect, test } from "vitest";
import { createService, settleAll, settlementRecord } from "./service-fixture.ts";

const { app } = createService();
const paths = async () => (await app.inject("/openapi.json")).json().paths;

test("every type that /v1/usage and /v1/spend answer is described, and the cursor", async () => {
  const all = await paths();
  const ok = (path: string) => all[path].get.responses["200"];
  expect(Object.keys(ok("/v1/usage").content)).toEqual([
    "application/json",
    "application/x-ndjson",
  ]);
  expect(ok("/v1/usage").content["application/x-ndjson"].schema).toEqual({
    type: "string",
    description: "One usage record as JSON on each line.",
  });
  expect(ok("/v1/usage").headers).toEqual({
    "x-next-cursor": {
      description: "Of NDJSON: the cursor of the next page; not there on the last.",
      schema: { type: "string" },
    },
  });
  expect(Object.keys(ok("/v1/spend").content)).toEqual(["application/json", "text/csv"]);
  expect(ok("/v1/spend")).not.toHaveProperty("headers");
  expect(Object.keys(ok("/v1/limits").content)).toEqual(["application/json"]);
});

test("they are what is answered", async () => {
  await settleAll(app, settlementRecord("a", [1, 2]), settlementRecord("b", [1, 2]));
  const all = await paths();
  for (const url of [
    "/v1/usage?limit=1&format=ndjson",
    "/v1/spend?format=csv",
    "/v1/spend?format=focus",
  ]) {
    const { headers, statusCode } = await app.inject(url);
    expect(statusCode).toBe(200);
    const [type = ""] = String(headers["content-type"]).split(";");
    const { content } = all[url.split("?", 1)[0] ?? ""].get.responses["200"];
    expect(Object.keys(content)).toContain(type);
    expect("x-next-cursor" in headers).toBe(url.includes("usage"));
  }
});

test("an estimate takes an envelope or a request body", async () => {
  const { anyOf } = (await paths())["/v1/estimate"].post.requestBody.content["application/json"]
    .schema;
  expect(anyOf).toEqual([
    expect.objectContaining({ required: ["body"], additionalProperties: false }),
    {
      type: "object",
      additionalProperties: true,
      not: { required: ["body"] },
      properties: { model: { type: "string" } },
    },
  ]);
});
