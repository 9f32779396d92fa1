/** What the command line does with words that it does not take, and where it is asked for help. */
import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { LAUNCHER, PROJECT_ROOT } from "./harness.ts";

function run(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [LAUNCHER, ...args], {
    cwd: PROJECT_ROOT,
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

const USAGE = run().stdout;

test.each([{ args: ["--help"] }, { args: ["-h"] }, { args: ["up", "--help"] }])(
  "$args tells the usage on standard output",
  ({ args }) => {
    expect(USAGE).toMatch(/^usage: tollgate <command>\n/);
    expect(run(...args)).toEqual({ status: 0, stdout: USAGE, stderr: "" });
  },
);

test.each([
  { args: ["reconcile", "--help"], first: "usage: tollgate reconcile [options]" },
  {
    args: ["store", "copy", "--help"],
    first: expect.stringMatching(/^usage: tollgate store copy/),
  },
])("$args tells what the command takes", ({ args, first }) => {
  const { status, stdout, stderr } = run(...args);
  expect([status, stdout.split("\n")[0], stderr]).toEqual([0, first, ""]);
});

test("what is no command, and what a command does not take, is named", () => {
  expect(run("upp")).toEqual({
    status: 2,
    stdout: "",
    stderr: `tollgate: unknown command "upp"\n\n${USAGE}`,
  });
  expect(run("up", "--port=1")).toEqual({
    status: 1,
    stdout: "",
    stderr: 'tollgate: up: expected no arguments but variables (make help), found "--port=1"\n',
  });
});
