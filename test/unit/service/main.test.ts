import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { admitRequest, settlementRecord } from "./service-fixture.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const START_TIMEOUT_MS = 20_000;

const policy = (limit: number | string) => `apiVersion: kuadrant.io/v1alpha1
kind: TokenRateLimitPolicy
metadata:
  name: llm
spec:
  targetRef: {group: gateway.networking.k8s.io, kind: Gateway, name: api}
  limits:
    free:
      rates:
        - limit: ${limit}
          window: 24h
      counters:
        - expression: request.headers["x-user"]
`;

let build = "";
let dir = "";
const dirs: string[] = [];
const children: ChildProcess[] = [];

beforeAll(() => {
  build = mkdtempSync(join(tmpdir(), "tollgate-build-"));
  writeFileSync(join(build, "package.json"), '{"type":"module"}');
  symlinkSync(join(ROOT, "node_modules"), join(build, "node_modules"));
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  const outDir = join(build, "dist");
  execFileSync(process.execPath, [
    tsc,
    "-p",
    join(ROOT, "tsconfig.build.json"),
    "--outDir",
    outDir,
  ]);
}, 60_000);

afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  for (const each of dirs.splice(0)) rmSync(each, { recursive: true, force: true });
});

afterAll(() => rmSync(build, { recursive: true, force: true }));

interface Ended {
  code: number | null;
  stderr: string;
}

/** A service in a new folder with one policy file; with no text, in the last folder again. */
function run(policyText: string, env: Record<string, string> = {}) {
  if (policyText !== "") {
    dir = mkdtempSync(join(tmpdir(), "tollgate-main-"));
    dirs.push(dir);
    mkdirSync(join(dir, "policies"));
    writeFileSync(join(dir, "policies/llm.yaml"), policyText);
  }
  const child = spawn(process.execPath, [join(build, "dist/main.js")], {
    cwd: dir,
    env: { POLICIES: "policies", STORE: "embedded:./data", API_PORT: "0", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.push(child);
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  const ended = new Promise<Ended>((done) => {
    child.on("close", (code) => done({ code, stderr }));
  });
  const lines = () =>
    stdout
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  const ready = async (): Promise<string> => {
    const find = () => lines().find((line) => line.msg === "ready")?.url;
    await expect.poll(find, { timeout: START_TIMEOUT_MS }).toBeDefined();
    return find();
  };
  return { child, ended, lines, ready };
}

async function post(url: string, body: object) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}

const get = async (url: string) => (await fetch(url)).json();

describe("the process", { timeout: 60_000 }, () => {
  test("refuses a bad policy with its place", async () => {
    const { ended } = run(policy("plenty"));
    const { code, stderr } = await ended;
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /^policies\/llm\.yaml:10:18: spec\.limits\.free\.rates\[0\]\.limit: .+\n$/,
    );
  });

  test("refuses a bad setting, a bad store and a port in use", async () => {
    const setting = await run(policy(100), { LOG_LEVEL: "loud" }).ended;
    expect(setting).toEqual({
      code: 2,
      stderr:
        'LOG_LEVEL: expected one of trace, debug, info, warn, error, fatal, silent, got "loud"\n',
    });
    const store = await run(policy(100), { STORE: "paper:" }).ended;
    expect(store.code).toBe(2);
    expect(store.stderr).toMatch(/^STORE paper: expected one of /);
    const first = run(policy(100), { STORE: "memory:" });
    const { port } = new URL(await first.ready());
    const second = await run(policy(100), { STORE: "memory:", API_PORT: port }).ended;
    expect(second.code).toBe(2);
    expect(second.stderr).toMatch(new RegExp(`^HOST \\S+, API_PORT ${port}: .*EADDRINUSE`));
    const state = await run(policy(100), { STORE: "memory:", STATE: "/dev/null/state" }).ended;
    expect(state.code).toBe(2);
    expect(state.stderr).toMatch(/^STATE \/dev\/null\/state: cannot be used: ENOTDIR/);
  });

  test("stopped in the middle of work it loses nothing acknowledged", async () => {
    const { child, ended, lines, ready } = run(policy(0));
    const url = await ready();
    const ids = Array.from({ length: 300 }, (_, index) => `s-${index}`);
    const acknowledged: string[] = [];
    const settling = ids.map(async (id) => {
      const record = settlementRecord(id, [1, 2], { reservation: null, timeMs: Date.now() });
      try {
        const { status } = await post(`${url}/v1/settle`, { records: [record] });
        if (status === 200) acknowledged.push(id);
        if (acknowledged.length === 50) child.kill("SIGTERM");
      } catch {
        // Not acknowledged: the filter would send it again.
      }
    });
    const denied = await post(`${url}/v1/admit`, admitRequest("denied")).catch(() => null);
    await Promise.all(settling);
    expect(await ended).toEqual({ code: 0, stderr: "" });
    expect(lines().map(({ msg }) => msg)).toEqual(["ready", "stopping", "stopped"]);
    expect(acknowledged.length).toBeGreaterThanOrEqual(50);

    const again = await run("").ready();
    const { records } = await get(`${again}/v1/usage?limit=1000`);
    const kept = new Set(records.map(({ id }: { id: string }) => id));
    expect(acknowledged.filter((id) => !kept.has(id))).toEqual([]);
    if (denied?.body.verdict === "deny") expect(kept.has("denied")).toBe(true);
    const { limits } = await get(`${again}/v1/limits`);
    expect(limits).toMatchObject([
      { policy: "default/llm", limitName: "free", counters: ["u1"], limit: 0, held: 0 },
    ]);
    const settled = records.filter(({ outcome }: { outcome: string }) => outcome === "ok");
    expect(limits[0].used).toBe(3 * settled.length);
  });

  test("killed at once it keeps what it acknowledged", async () => {
    const { child, ended, ready } = run(policy(100));
    const url = await ready();
    await post(`${url}/v1/admit`, admitRequest("a"));
    await post(`${url}/v1/settle`, {
      records: [settlementRecord("a", [40, 60], { timeMs: Date.now() })],
    });
    child.kill("SIGKILL");
    await ended;
    const again = await run("").ready();
    expect((await get(`${again}/v1/usage`)).records).toMatchObject([
      { id: "a", tokens: { total: 100 }, team: null, source: "reported" },
    ]);
    expect((await post(`${again}/v1/admit`, admitRequest("b"))).body.deny.status).toBe(429);
  });

  test("takes a changed policy, and keeps the last good one of a broken file", async () => {
    const { ready } = run(policy(0), { STORE: "memory:" });
    const url = await ready();
    const verdict = async (id: string) =>
      (await post(`${url}/v1/admit`, admitRequest(id))).body.verdict;
    const failures = async () =>
      (await (await fetch(`${url}/metrics`)).text()).match(/^tollgate_evaluation_errors.*$/gm);
    const none = (limit: string) => [
      `tollgate_evaluation_errors_total{policy="default/llm",limit="${limit}"} 0`,
    ];
    expect(await verdict("a")).toBe("deny");
    expect(await failures()).toEqual(none("free"));
    writeFileSync(join(dir, "policies/llm.yaml"), policy(100).replace("free:", "paid:"));
    await expect.poll(() => verdict("b"), { timeout: 5_000 }).toBe("allow");
    expect(await failures()).toEqual(none("paid"));
    writeFileSync(join(dir, "policies/llm.yaml"), policy("plenty"));
    const problems = async () => (await get(`${url}/v1/policies`)).policies[0].problems;
    await expect.poll(async () => (await problems()).length, { timeout: 5_000 }).toBe(1);
    expect(await problems()).toMatchObject([
      { file: "policies/llm.yaml", line: 10, field: "spec.limits.free.rates[0].limit" },
    ]);
    expect(await verdict("c")).toBe("allow");
    const metrics = await (await fetch(`${url}/metrics`)).text();
    // A file that is read while it is being written is read again.
    expect(metrics).toMatch(/^tollgate_policy_reloads_total\{result="accepted"\} [1-9]/m);
    expect(metrics).toMatch(/^tollgate_policy_reloads_total\{result="rejected"\} [1-9]/m);
  });
});
