import { describe, expect, test } from "vitest";
import { importCommand } from "../../../limitador-bridge/cli/import-krakend.ts";
import { remarkText } from "../../../limitador-bridge/import/source-file.ts";
import { config, endpoint, SAMPLE_QUOTA } from "./krakend-sample.ts";

describe("the command", () => {
  async function run(args: string[], text: string) {
    const out = { stdout: "", stderr: "" };
    const code = await importCommand(args, {
      env: {},
      stdout: (part) => {
        out.stdout += part;
      },
      stderr: (part) => {
        out.stderr += part;
      },
      read: async () => text,
    });
    return { code, ...out };
  }

  test("prints policies on stdout and remarks, with their lines, on stderr", async () => {
    const text = JSON.stringify(config([endpoint({ ...SAMPLE_QUOTA, weight_key: "" })]), null, 2);
    const { code, stdout, stderr } = await run(["krakend", "--gateway", "edge", "k.json"], text);
    expect(code).toBe(0);
    expect(stdout).toContain("    name: edge\n");
    const line = (what: string) => text.slice(0, text.indexOf(what)).split("\n").length;
    expect(stderr).toBe(
      `k.json:${line('true,\n          "rules"')}: extra_config["governance/processors"]` +
        ".quotas[0].hash_keys: has no counterpart and is left out\n" +
        `k.json:${line('"governance/quota"')}: endpoints[0].extra_config["governance/quota"]: ` +
        "X-Quota headers are sent as X-RateLimit headers\npolicies: 1, remarks: 2\n",
    );
  });

  test("a configuration without quotas is exit code 1", async () => {
    expect(await run(["krakend", "k.json"], '{"version": 3}')).toEqual({
      code: 1,
      stdout: "",
      stderr: 'k.json:1: found no "governance/quota"\npolicies: 0, remarks: 1\n',
    });
  });

  test.each(["", "[]", "null", '{"endpoints": [7, {"extra_config": 1}], "extra_config": []}'])(
    "%j has no quotas either",
    async (text) => {
      expect((await run(["krakend", "k.json"], text)).code).toBe(1);
    },
  );

  test("what is no JSON is refused with its line", async () => {
    await expect(run(["krakend", "k.json"], '{\n "a": {{ template }},\n "b": [\n')).rejects.toThrow(
      /^k\.json:\d: neither JSON nor YAML: /,
    );
    await expect(run(["kong", "k.json"], "{}")).rejects.toThrow(/^usage: tollgate import krakend/);
    await expect(run(["krakend", "--x", "k.json"], "{}")).rejects.toThrow("Unknown option '--x'");
  });

  test.each([
    ["", "nothing"],
    [" ", "nothing"],
    ["g".repeat(254), "254"],
  ])("%j is no Gateway's name", async (gateway, found) => {
    const text = JSON.stringify(config([endpoint(SAMPLE_QUOTA)]));
    await expect(run(["krakend", "--gateway", gateway, "k.json"], text)).rejects.toThrow(
      `--gateway: expected a name of 1 to 253 characters, found ${found}`,
    );
  });

  test("a remark of the whole file has no field", () => {
    expect(remarkText("f", { line: 3, field: "", message: "m" })).toBe("f:3: m");
  });
});
