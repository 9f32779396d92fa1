import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { prices } from "../../../limitador-bridge/cli/prices.ts";

const NOW = Date.parse("2026-11-21T10:00:00Z");
const LITELLM = `{
  "gpt-4o": {"litellm_provider": "openai", "input_cost_per_token": 2.5e-06,
    "output_cost_per_token": 1e-05, "mode": "chat"},
  "whisper-1": {"litellm_provider": "openai", "input_cost_per_second": 0.0001}
}`;
const TABLE = `apiVersion: tollgate.dev/v1alpha1
kind: PriceTable
metadata: {name: mine}
spec:
  models:
    - match: gpt-4o
      provider: openai
      perMillionTokensUSD: {input: 2, output: 10}
      source: a contract
      asOf: "2026-11-01"
`;

let dir = "";
const at = (name: string) => join(dir, name);

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "tollgate-prices-"));
  writeFileSync(at("litellm.json"), LITELLM);
  writeFileSync(at("table.yaml"), TABLE);
  mkdirSync(at("prices"));
  writeFileSync(at("prices/mine.yaml"), TABLE);
  mkdirSync(at("empty"));
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

async function run(args: string[], env: Record<string, string> = {}) {
  const told = { stdout: "", stderr: "" };
  const code = await prices(args, {
    env,
    stdout: (text) => {
      told.stdout += text;
    },
    stderr: (text) => {
      told.stderr += text;
    },
    read: (file) => readFile(file, "utf8"),
    nowMs: () => NOW,
  });
  return { code, ...told };
}

const IMPORTED = `apiVersion: tollgate.dev/v1alpha1
kind: PriceTable
metadata:
  name: litellm
spec:
  models:
    - match: "gpt-4o"
      provider: "openai"
      perMillionTokensUSD: {input: 2.5, output: 10}
      source: "LiteLLM's model_prices_and_context_window.json"
      asOf: "2026-11-21"
`;
const NOTES =
  "whisper-1: input_cost_per_second not translated\n" +
  "whisper-1: left out: no price per token\n" +
  "1 models imported, 2 notes\n";

describe("tollgate prices import", () => {
  test("prints a table, and tells what is not in it", async () => {
    expect(await run(["import", at("litellm.json")])).toEqual({
      code: 0,
      stdout: IMPORTED,
      stderr: NOTES,
    });
  });

  test("writes a file", async () => {
    const out = at("out.yaml");
    expect(await run(["import", "--out", out, at("litellm.json")])).toEqual({
      code: 0,
      stdout: "",
      stderr: NOTES,
    });
    expect(readFileSync(out, "utf8")).toBe(IMPORTED);
    expect((await run(["diff", at("litellm.json"), out])).code).toBe(0);
  });

  test("says what it cannot read or write", async () => {
    writeFileSync(at("other.json"), '{"a": 1}');
    writeFileSync(at("broken.json"), '{"a": 1');
    writeFileSync(at("none.json"), '{"a": {"litellm_provider": "x"}}');
    const told = async (...args: string[]) => {
      const { code, stderr } = await run(["import", ...args]);
      return [code, stderr.replaceAll(dir, ".")];
    };
    expect(await told(at("other.json"))).toEqual([
      2,
      "tollgate prices: ./other.json: expected LiteLLM's model_prices_and_context_window.json\n",
    ]);
    expect((await told(at("broken.json")))[1]).toMatch(
      /^tollgate prices: \.\/broken\.json: no JSON: Expected .+\n$/,
    );
    expect(await told(at("none.json"))).toEqual([
      2,
      "a: left out: no price per token\n" +
        "tollgate prices: ./none.json: no model has a price per token\n",
    ]);
    expect((await told(at("missing.json")))[1]).toMatch(
      /^tollgate prices: \.\/missing\.json: cannot be read: ENOENT/,
    );
    expect((await told(at("litellm.json"), "--out", at("no/file")))[1]).toMatch(
      /tollgate prices: \.\/no\/file: cannot be written: ENOENT/,
    );
    expect(await told()).toEqual([2, "tollgate prices: import: expected one FILE, found 0\n"]);
    expect(await told("a", "--out")).toEqual([2, "tollgate prices: --out: expected a file\n"]);
    expect(await told("a", "--to")).toEqual([
      2,
      "tollgate prices: unknown option --to; expected --out FILE\n",
    ]);
  });
});

describe("tollgate prices diff", () => {
  test("a table against a LiteLLM JSON", async () => {
    expect(await run(["diff", at("table.yaml"), at("litellm.json")])).toEqual({
      code: 1,
      stdout:
        "changed openai gpt-4o\n" +
        "  input 2 → 2.5 (+25%)\n" +
        "0 added, 0 removed, 1 changed, 0 the same\n",
      stderr: "",
    });
  });

  test("the catalogue is what it is", async () => {
    const { code, stdout } = await run(["diff", "catalogue", "catalogue"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^0 added, 0 removed, 0 changed, \d{3,} the same\n$/);
  });

  test("a broken table is told by place, and is no difference", async () => {
    writeFileSync(at("bad.yaml"), TABLE.replace("input: 2", "input: two"));
    const { code, stderr } = await run(["diff", "catalogue", at("bad.yaml")]);
    expect([code, stderr.replaceAll(dir, ".")]).toEqual([
      2,
      "tollgate prices: ./bad.yaml:8:36: spec.models[0].perMillionTokensUSD.input: " +
        'expected a price in USD from 0 to 1000000 with at most 9 decimals, found "two"\n',
    ]);
    writeFileSync(at("none.yaml"), "a: 1\n");
    expect((await run(["diff", "catalogue", at("none.yaml")])).code).toBe(2);
    expect(await run(["diff", "catalogue"])).toEqual({
      code: 2,
      stdout: "",
      stderr: "tollgate prices: diff: expected OLD and NEW, found 1 names\n",
    });
  });
});

describe("tollgate prices list", () => {
  test("a model's price: of PRICES, of POLICIES before it, of the catalogue", async () => {
    const list = async (env: Record<string, string>, model = "gpt-4o") =>
      (await run(["list", model], { PRICES: at("prices"), ...env })).stdout;
    expect(await list({})).toBe("openai gpt-4o: input 2, output 10 [a contract, 2026-11-01]\n");
    mkdirSync(at("policies"));
    writeFileSync(at("policies/p.yaml"), TABLE.replace("input: 2", "input: 1.5"));
    expect(await list({ POLICIES: at("policies") })).toBe(
      "openai gpt-4o: input 1.5, output 10 [a contract, 2026-11-01]\n",
    );
    expect(await list({ PRICES: at("empty") })).toMatch(
      /^openai gpt-4o: input 2\.5, .+\[@pydantic\/genai-prices\]\n$/,
    );
  });

  test("each price of a model whose price depends on who serves it", async () => {
    const { code, stdout } = await run(["list", "Sonar-Deep-Research"], { PRICES: at("prices") });
    expect([code, stdout]).toEqual([
      0,
      "perplexity sonar-deep-research: input 2, output 8, reasoning 3, " +
        "search_queries each 0.005, citation_tokens each 0.000002 [@pydantic/genai-prices]\n",
    ]);
  });

  test("everything, and nothing for a model without a price", async () => {
    const { code, stdout } = await run(["list"], { PRICES: at("prices") });
    expect(code).toBe(0);
    expect(stdout.split("\n")[0]).toBe(
      "openai gpt-4o: input 2, output 10 [a contract, 2026-11-01]",
    );
    expect(stdout.split("\n").length).toBeGreaterThan(500);
    expect(await run(["list", "no-such-model"], { PRICES: at("prices") })).toEqual({
      code: 1,
      stdout: "",
      stderr: "no-such-model: no price is known\n",
    });
  });

  test("says what is wrong with the folders", async () => {
    const { code, stderr } = await run(["list"], { PRICES: at("missing") });
    expect([code, stderr.replaceAll(dir, ".")]).toEqual([
      2,
      'tollgate prices: PRICES: expected a folder that is there, got "./missing"\n',
    ]);
  });
});

test("help, and what there is no command for", async () => {
  const help = await run([]);
  expect(help.code).toBe(0);
  expect(help.stdout).toMatch(/^usage: tollgate prices <command>\n/);
  for (const asked of [["help"], ["--help"], ["-h"], ["list", "--help"], ["diff", "--help"]]) {
    expect(await run(asked)).toEqual(help);
  }
  expect(await run(["export"])).toEqual({
    code: 2,
    stdout: "",
    stderr: `tollgate prices: unknown command "export"\n\n${help.stdout}`,
  });
  expect(await run(["list", "--all"])).toEqual({
    code: 2,
    stdout: "",
    stderr: "tollgate prices: list: expected a MODEL, found --all\n",
  });
});
