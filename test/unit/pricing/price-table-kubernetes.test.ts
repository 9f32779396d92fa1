/** The CRD, the schema for editors and what the service takes say the same. */
import { readFileSync } from "node:fs";
import Value from "typebox/value";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { RATE_KEYS } from "../../../limitador-bridge/pricing/entry.ts";
import { compilePriceTable } from "../../../limitador-bridge/pricing/price-table.ts";
import { PriceTableSchema } from "../../../limitador-bridge/pricing/price-table-schema.ts";

interface Node {
  type?: string;
  required?: string[];
  anyOf?: { required?: string[] }[];
  minItems?: number;
  properties?: Record<string, Node>;
  additionalProperties?: unknown;
  items?: Node;
  "x-kubernetes-preserve-unknown-fields"?: boolean;
}

const schema = PriceTableSchema as unknown as Node;
const crd = parse(readFileSync("policies/crd/pricetables.yaml", "utf8"));
const inCluster = crd.spec.versions[0].schema.openAPIV3Schema as Node;
const modelOf = (root: Node) => root.properties?.spec?.properties?.models?.items ?? {};

/** The part of JSON Schema that the CRD uses; a field of no known type is kept as it is. */
function admits(node: Node, value: unknown): boolean {
  if (Array.isArray(value)) {
    if (node.type !== "array" || value.length < (node.minItems ?? 0)) return false;
    return value.every((item) => admits(node.items ?? {}, item));
  }
  if (typeof value !== "object" || value === null) {
    if (node.type === undefined) return true;
    return node.type === "integer" ? Number.isInteger(value) : typeof value === node.type;
  }
  if (node.type !== "object" && node.type !== undefined) return false;
  const has = (names: string[] = []) => names.every((name) => Object.hasOwn(value, name));
  if (!has(node.required)) return false;
  if (node.anyOf !== undefined && !node.anyOf.some(({ required }) => has(required))) return false;
  return Object.entries(value).every(([key, field]) => admits(node.properties?.[key] ?? {}, field));
}

const table = (model: object) => ({
  apiVersion: "tollgate.dev/v1alpha1",
  kind: "PriceTable",
  metadata: { name: "t" },
  spec: { models: [model] },
});

const WHOLE = {
  match: "gpt-*",
  provider: "openai",
  perMillionTokensUSD: Object.fromEntries(RATE_KEYS.map((key) => [key, 1.25])),
  contextTiers: [
    { aboveTokens: 200_000, perMillionTokensUSD: { output: 2 } },
    { aboveTokens: 400_000 },
  ],
  serviceTiers: { batch: 0.5, priority: "2" },
  perUnitUSD: { web_search_requests: "0.01", images: 0.04 },
  validFrom: "2026-11-01",
  validUntil: "2026-12-01T00:00:00+01:00",
  maxOutputTokens: 16_384,
  source: "the price page",
  asOf: "2026-11-01",
};

describe("a table that one takes, all take", () => {
  test.each<[string, object]>([
    ["everything that there is", WHOLE],
    ["units and no tokens", { match: "dall-e-*", perUnitUSD: { images: 0.04 } }],
    ["a price as text", { match: "m", perMillionTokensUSD: { input: "0.075" } }],
    ["a limit of output and no price", { match: "gpt-4o*", maxOutputTokens: 16_384 }],
    ["free", { match: "m", perMillionTokensUSD: { input: 0 } }],
  ])("%s", (_, model) => {
    expect(compilePriceTable(table(model)).problems).toEqual([]);
    expect([...Value.Errors(PriceTableSchema, table(model))]).toEqual([]);
    expect(admits(inCluster, table(model))).toBe(true);
  });
});

describe("a table that the schema refuses, the service refuses", () => {
  test.each<[string, object]>([
    ["no match", { perMillionTokensUSD: { input: 1 } }],
    ["no tokens, units or limit", { match: "m" }],
    ["no price for input", { match: "m", perMillionTokensUSD: { output: 1 } }],
    ["an unknown kind", { match: "m", perMillionTokensUSD: { input: 1, ouput: 1 } }],
    ["an unknown field", { ...WHOLE, perMilionTokensUSD: {} }],
    ["a negative price", { match: "m", perMillionTokensUSD: { input: -1 } }],
    ["a tier with no bound", { ...WHOLE, contextTiers: [{ perMillionTokensUSD: {} }] }],
    ["no tiers", { ...WHOLE, contextTiers: [] }],
    ["a factor that is none", { ...WHOLE, serviceTiers: { batch: "half" } }],
    ["no date", { ...WHOLE, asOf: "yesterday" }],
  ])("%s", (_, model) => {
    expect(compilePriceTable(table(model)).table).toBe(null);
    expect(Value.Check(PriceTableSchema, table(model))).toBe(false);
  });
});

describe("the CRD", () => {
  test("has the fields of the schema", () => {
    const fields = (node: Node) => Object.keys(node.properties ?? {}).sort();
    const [own, cluster] = [modelOf(schema), modelOf(inCluster)];
    expect(fields(cluster)).toEqual(fields(own));
    expect(fields(cluster.properties?.contextTiers?.items ?? {})).toEqual(
      fields(own.properties?.contextTiers?.items ?? {}),
    );
    expect(cluster.required).toEqual(own.required);
    expect(cluster.anyOf).toEqual(own.anyOf);
  });

  test("drops nothing before the service has seen it", () => {
    const closed: string[] = [];
    const look = (node: Node, at: string) => {
      const isOpen =
        node["x-kubernetes-preserve-unknown-fields"] === true ||
        node.additionalProperties !== undefined;
      if (node.type === "object" && !isOpen) closed.push(at);
      for (const [key, field] of Object.entries(node.properties ?? {})) look(field, `${at}.${key}`);
      if (node.items !== undefined) look(node.items, `${at}[]`);
    };
    look(modelOf(inCluster), "model");
    expect(closed).toEqual([]);
  });

  test("an object that Kubernetes has given a status is taken", () => {
    const withStatus = { ...table(WHOLE), status: { conditions: [] } };
    expect(compilePriceTable(withStatus).problems).toEqual([]);
  });
});
