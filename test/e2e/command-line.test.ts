/** What the command line does with words that it does not take, and where it is asked for help. */
import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { LAUNCHER, PROJECT_ROOT } from "./harness.ts";

function run(...args: string[]) {
  return runWith({}, ...args);
}

function runWith(variables: Record<string, string>, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [LAUNCHER, ...args], {
    cwd: PROJECT_ROOT,
    encoding: "utf8",
    env: { ...process.env, ...variables },
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

test.each([
  [{}, [7000, 7001]],
  // Of services elsewhere one name is known.
  [{ API_HOST: "tollgate.example" }, [7000]],
])("bootstrap has an endpoint for each service, with %j", (variables, expected) => {
  const replicas = { REPLICAS: "2", STORE: "redis://127.0.0.1:6379", API_PORT: "7000" };
  const { status, stdout } = runWith({ ...replicas, ...variables }, "bootstrap");
  expect(status).toBe(0);
  const { clusters } = parse(stdout).static_resources;
  const { load_assignment } = clusters.find((each: { name: string }) => each.name === "tollgate");
  const ports = load_assignment.endpoints[0].lb_endpoints.map(
    (each: { endpoint: { address: { socket_address: { port_value: number } } } }) =>
      each.endpoint.address.socket_address.port_value,
  );
  expect(ports).toEqual(expected);
});
