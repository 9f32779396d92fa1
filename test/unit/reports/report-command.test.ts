import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { report } from "../../../limitador-bridge/cli/report.ts";
import { createService } from "../service/service-fixture.ts";
import { record } from "./records.ts";

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function run(args: string[], files: Record<string, string> = {}) {
  const { app, store } = createService();
  await store.appendRecord(record("a", { costNanoUsd: 9_000_000_000 }));
  await store.appendRecord(record("b", { team: "red\x1b[2J", model: "o3", costNanoUsd: 1_500 }));
  const api = await app.listen({ port: 0 });
  closing.push(() => app.close());
  const out = { stdout: "", stderr: "" };
  const code = await report([...args, "--api", api], {
    env: {},
    stdout: (text) => {
      out.stdout += text;
    },
    stderr: (text) => {
      out.stderr += text;
    },
    read: async (file) => files[file] ?? "",
  });
  return { code, ...out };
}

describe("tollgate report", () => {
  test("prints a table", async () => {
    expect(await run(["--month", "2026-03", "--group-by", "team,model"])).toEqual({
      code: 0,
      stdout: `Spending from 2026-03-01T00:00:00.000Z until 2026-04-01T00:00:00.000Z

team     model   requests  denied  input  output  tokens        USD
-------  ------  --------  ------  -----  ------  ------  ---------
blue     gpt-4o         1       0    100      20     120          9
red\uFFFD[2J  o3             1       0    100      20     120  0.0000015
-------  ------  --------  ------  -----  ------  ------  ---------
total                   2       0    200      40     240  9.0000015
`,
      stderr: "",
    });
  });

  test("prints what the API answers as CSV", async () => {
    const { stdout } = await run(["--month", "2026-03", "--group-by", "model", "--format", "csv"]);
    expect(stdout.split("\r\n").slice(1)).toEqual([
      "gpt-4o,1,0,0,100,20,5,0,2,120,9,9000000000",
      "o3,1,0,0,100,20,5,0,2,120,0.0000015,1500",
      "",
    ]);
  });

  test("compares with an invoice and says so with its exit code", async () => {
    const files = {
      "openai.csv": "date,model,cost_usd\n2026-03-01,gpt-4o,10.5\n2026-05-01,o3,1\n",
    };
    const result = await run(["--month", "2026-03", "--invoice", "openai.csv"], files);
    expect(result).toEqual({
      code: 3,
      stdout: `model    ours USD  invoice USD  difference     %
------  ---------  -----------  ----------  ----  -------------------------
gpt-4o          9         10.5         1.5  14.3  DRIFT
o3      0.0000015            0  -0.0000015     -  DRIFT: not on the invoice
------  ---------  -----------  ----------  ----  -------------------------
total   9.0000015         10.5   1.4999985  14.3  DRIFT
`,
      stderr: "openai.csv: 1 lines are of another time and were left out\n",
    });
  });

  test("an invoice that agrees is exit code 0", async () => {
    const files = { "i.csv": "model,cost\ngpt-4o,9\no3,0.0000015\n" };
    const { code, stdout } = await run(
      ["--month", "2026-03", "--invoice", "i.csv", "--format", "csv"],
      files,
    );
    expect(code).toBe(0);
    expect(stdout).toBe(
      "model,ours_usd,invoice_usd,difference_usd,percent,flagged\r\n" +
        "gpt-4o,9,9,0,0.0,false\r\no3,0.0000015,0.0000015,0,0.0,false\r\n" +
        "total,9.0000015,9.0000015,0,0.0,false\r\n",
    );
  });

  test.each([
    [["--format", "xml"], '--format: expected table, csv, json, focus, found "xml"'],
    [["--month", "soon"], /answered 400: querystring: month: expected a month such as 2026-11/],
    [["--colour"], /^Unknown option '--colour'/],
  ])("%j is refused", async (args, message) => {
    await expect(run(args)).rejects.toThrow(message);
  });

  test("a service that is not there, and one that is none", async () => {
    const io = { env: {}, stdout: () => {}, stderr: () => {}, read: async () => "" };
    await expect(report(["--api", "http://127.0.0.1:1"], io)).rejects.toThrow(
      /^no answer from http:\/\/127\.0\.0\.1:1: /,
    );
    await expect(report(["--api", "ftp://x"], io)).rejects.toThrow(
      '--api: expected http://host[:port] or https://…, found "ftp://x"',
    );
    const api = await serve((_, response) => response.writeHead(502).end("Bad Gateway"));
    await expect(report(["--api", api], io)).rejects.toThrow(`${api} answered 502: Bad Gateway`);
  });
});

async function serve(listener: RequestListener): Promise<string> {
  const server: Server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closing.push(() => new Promise((resolve) => server.close(resolve)));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
