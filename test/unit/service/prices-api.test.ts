/** What /openapi.json says of GET /v1/prices is what that answers, and no less. */

import { Compile } from "typebox/compile";
import { expect, test } from "vitest";
import {
  createPrices,
  PRICE_KINDS,
  SERVICE_KINDS,
} from "../../../limitador-bridge/admission/price-source.ts";
import { loadPolicyTexts } from "../../../limitador-bridge/policy/load.ts";
import { loadCatalogue } from "../../../limitador-bridge/pricing/catalogue.ts";
import { createService } from "./service-fixture.ts";

const table = (name: string, model: string) => `apiVersion: tollgate.dev/v1alpha1
kind: PriceTable
metadata: {name: ${name}}
spec: {models: [${model}]}
`;
const OURS = `{match: "m*", provider: openai, maxOutputTokens: 4096, source: s, asOf: "2026-11-01",
  perMillionTokensUSD: {input: 0.15, output: 1000000}, serviceTiers: {flex: 0.5},
  contextTiers: [{aboveTokens: 200000, perMillionTokensUSD: {input: 0.3}}],
  perUnitUSD: {images: 0.04}}`;

/** The same with no other fields than those that are named. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== "object" || schema === null) return schema;
  const inner = Object.entries(schema).map(([key, value]) => [key, closed(value)]);
  const isMap = "properties" in schema;
  return { ...Object.fromEntries(inner), ...(isMap ? { additionalProperties: false } : {}) };
}

test("tables, prices of the catalogue and what is wrong with a table", async () => {
  const load = (kinds: typeof SERVICE_KINDS, model: string) =>
    loadPolicyTexts(new Map([["prices.yaml", table("t", model)]]), { kinds });
  const prices = createPrices({
    catalogue: await loadCatalogue(),
    policies: load(SERVICE_KINDS, OURS),
    prices: load(PRICE_KINDS, "{match: broken, perMillionTokensUSD: {input: -1}}"),
  });
  const { app } = createService({ overrides: { prices: () => prices } });
  const answer = (await app.inject("/v1/prices")).json();
  expect(answer.tables).toEqual([
    { name: "t", file: "prices.yaml", from: "POLICIES", ...accepted(true), problems: [] },
    {
      ...{ name: "t", file: "prices.yaml", from: "PRICES", ...accepted(false) },
      problems: [expect.objectContaining({ line: 4, field: expect.stringContaining("input") })],
    },
  ]);
  expect(answer.prices.length).toBeGreaterThan(100);
  const { paths } = (await app.inject("/openapi.json")).json();
  const { schema } = paths["/v1/prices"].get.responses["200"].content["application/json"];
  expect([...Compile(closed(schema) as object).Errors(answer)]).toEqual([]);
  expect(schema.properties.prices.items.required).toEqual(Object.keys(answer.prices[0]));
});

function accepted(is: boolean) {
  return { accepted: is, inForce: is };
}
