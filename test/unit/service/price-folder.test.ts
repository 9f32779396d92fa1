import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type InForce, keepInForce } from "../../../limitador-bridge/admission/in-force.ts";
import {
  createPrices,
  PRICE_KINDS,
  SERVICE_KINDS,
} from "../../../limitador-bridge/admission/price-source.ts";
import { pricesFolder } from "../../../limitador-bridge/config.ts";
import { type LoadedPolicies, loadPolicies } from "../../../limitador-bridge/policy/load.ts";
import { createCatalogue } from "../../../limitador-bridge/pricing/catalogue.ts";
import { noTokens, type Usage } from "../../../limitador-bridge/usage/normal-form.ts";

const NOW = Date.parse("2026-11-21T10:00:00Z");
const catalogue = createCatalogue([]);

/** A table with one model. */
const table = (name: string, input: number | string, match = "m") =>
  `apiVersion: tollgate.dev/v1alpha1
kind: PriceTable
metadata: {name: ${name}}
spec:
  models:
    - match: ${match}
      perMillionTokensUSD: {input: ${input}}
      source: a contract
      asOf: "2026-11-01"
`;
const MILLION_IN: Usage = {
  tokens: { ...noTokens(), inputText: 1_000_000 },
  otherUnits: {},
  model: "m",
  provider: null,
  serviceTier: null,
  providerCostNanoUsd: null,
  extraLines: [],
  source: "reported",
  reason: null,
};

let dir = "";
let inForce: InForce | null = null;
let logged: string[] = [];
let reloads: string[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "tollgate-prices-"));
  for (const folder of ["policies", "prices"]) mkdirSync(join(dir, folder));
  logged = [];
  reloads = [];
});

afterEach(async () => {
  await inForce?.close();
  inForce = null;
  rmSync(dir, { recursive: true, force: true });
});

const write = (path: string, text: string) => writeFileSync(join(dir, path), text);
const load = (folder: string) =>
  loadPolicies(join(dir, folder), {
    kinds: folder === "prices" ? PRICE_KINDS : SERVICE_KINDS,
  });
const make = (policies: LoadedPolicies, prices: LoadedPolicies | null) =>
  createPrices({ catalogue, policies, prices });

async function start() {
  const log = (fields: object, message: string) => {
    const { problem } = fields as { problem?: string };
    logged.push(problem === undefined ? message : `${message}: ${problem.replaceAll(dir, ".")}`);
  };
  const folder = async (name: string) => ({
    dir: join(dir, name),
    initial: await load(name),
    load: { kinds: name === "prices" ? PRICE_KINDS : SERVICE_KINDS },
  });
  inForce = keepInForce({
    policies: await folder("policies"),
    prices: await folder("prices"),
    makePrices: make,
    metrics: {
      policyReloads: { inc: ({ result }: { result: string }) => reloads.push(result) },
    } as never,
    log: { info: log, warn: log, error: log },
  });
  return inForce;
}

const usd = ({ prices }: InForce) => prices().cost(MILLION_IN, NOW).costNanoUsd / 1e9;

describe("the folder of prices", () => {
  test("stands behind the price tables among the policies", async () => {
    write("prices/base.yaml", table("base", 2));
    expect(make(await load("policies"), await load("prices")).cost(MILLION_IN, NOW)).toMatchObject({
      costNanoUsd: 2_000_000_000,
      priced: true,
    });
    write("policies/own.yaml", table("own", 3));
    const both = make(await load("policies"), await load("prices"));
    expect(both.cost(MILLION_IN, NOW).costNanoUsd).toBe(3_000_000_000);
    expect(both.describe(NOW)).toMatchObject({
      catalogue: { name: "@pydantic/genai-prices", version: catalogue.version },
      tables: [
        { name: "own", from: "POLICIES", accepted: true, inForce: true, problems: [] },
        { name: "base", from: "PRICES", accepted: true, inForce: true, problems: [] },
      ],
      prices: [
        { match: "m", perMillionTokensUSD: { input: "3" }, source: "a contract" },
        { match: "m", perMillionTokensUSD: { input: "2" }, asOf: "2026-11-01" },
      ],
    });
  });

  test("a change counts at once; a broken file is rejected as a whole, with place", async () => {
    write("prices/base.yaml", table("base", 2));
    const served = await start();
    expect(usd(served)).toBe(2);
    const version = () => served.prices().describe(NOW).version;
    const first = version();

    write("prices/base.yaml", table("base", 4));
    await expect.poll(() => usd(served), { timeout: 5_000 }).toBe(4);
    expect(version()).not.toBe(first);

    write("prices/base.yaml", `${table("base", 5)}    - match: n\n`);
    await expect.poll(() => reloads, { timeout: 5_000 }).toEqual(["accepted", "rejected"]);
    expect(usd(served)).toBe(4);
    expect(logged).toContain(
      "price problem: the last good version serves: ./prices/base.yaml:10:7: spec.models[1]: " +
        "expected one of perMillionTokensUSD, perUnitUSD, maxOutputTokens, found none",
    );
    expect(served.prices().describe(NOW).tables).toMatchObject([
      { name: "base", accepted: false, inForce: true, problems: [{ line: 10, column: 7 }] },
    ]);

    write("policies/own.yaml", table("own", 6));
    await expect.poll(() => usd(served), { timeout: 5_000 }).toBe(6);
  });

  test("is no place for policies", async () => {
    write(
      "prices/who.yaml",
      "apiVersion: tollgate.dev/v1alpha1\nkind: Identity\nmetadata: {name: a}\n",
    );
    expect((await load("prices")).problems).toMatchObject([
      {
        line: 2,
        field: "kind",
        message: "expected PriceTable, found Identity: that belongs into POLICIES",
      },
    ]);
  });

  test("is the project's own unless PRICES names another", () => {
    expect(pricesFolder({ PRICES: "./mine" }, () => true)).toBe("./mine");
    expect(pricesFolder({ PRICES: "" })).toMatch(/\/policies\/prices$/);
    expect(pricesFolder({})).toMatch(/\/policies\/prices$/);
  });
});
