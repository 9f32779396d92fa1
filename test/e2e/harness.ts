/**
 * Starts Tollgate as a user does: the launcher of `make up`, on free ports, with a store and
 * policies of its own. What it started is gone after stop(), or stop() fails.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { childrenOf, handleOf, isRunning, type ProcessHandle, signalAll } from "./processes.ts";

export const PROJECT_ROOT = resolve(fileURLToPath(import.meta.url), "../../..");
export const LAUNCHER = join(PROJECT_ROOT, "dist/cli/tollgate.js");
const WASM = join(PROJECT_ROOT, "build/tollgate.wasm");
const READY_DEADLINE_MS = 30_000;
const STOP_DEADLINE_MS = 25_000;

export interface StackOptions {
  /** http://host:port; without it the launcher starts its own simulator. */
  upstream?: string;
  /** Policy files by name, or a folder whose files are copied. */
  policies: Record<string, string> | string;
  /** Default: an embedded store in a temporary folder. */
  store?: string;
  env?: Record<string, string>;
}

export interface Stack {
  proxyUrl: string;
  apiUrl: string;
  adminUrl: string;
  /** The folder that the policies are read from. */
  policiesFolder: string;
  /** Temporary, removed by stop(). */
  folder: string;
  servicePid: () => number;
  envoyPid: () => number;
  launcherPid: number;
  /** Everything that was printed so far. */
  logs: () => string;
  /** Writes a policy file, new or changed. */
  writePolicy: (name: string, text: string) => Promise<void>;
  /** Ctrl-C, once. Throws when something is still running after it, and ends that. */
  stop: () => Promise<void>;
}

/** Starts the launcher and waits for its ready line. Throws with its output if there is none. */
export async function startStack(options: StackOptions): Promise<Stack> {
  for (const file of [LAUNCHER, WASM]) {
    if (!existsSync(file)) throw new Error(`${file} is missing: run make build first`);
  }
  const folder = await mkdtemp(join(tmpdir(), "tollgate-e2e-"));
  const policiesFolder = await makePolicies(folder, options.policies);
  const replicas = Number(options.env?.REPLICAS ?? 1);
  const apiPort = String(await freePortRow(replicas));
  const ports = await freePorts(3);
  const [proxyPort, adminPort, simulatorPort] = ports.map(String);
  const child = spawn(process.execPath, [LAUNCHER, "up"], {
    cwd: PROJECT_ROOT,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      WORKERS: "2",
      STORE: options.store ?? `embedded:${join(folder, "store")}`,
      ...options.env,
      UPSTREAM: options.upstream ?? "",
      POLICIES: policiesFolder,
      PROXY_PORT: proxyPort,
      API_PORT: apiPort,
      ENVOY_ADMIN_PORT: adminPort,
      SIMULATOR_PORT: simulatorPort,
    },
  });
  const { output, parts } = collect(child);
  const launcherPid = child.pid ?? 0;
  const started = () => [...childrenOf(launcherPid), ...parts];
  const killOnExit = () => {
    signalAll(started(), "SIGKILL");
    child.kill("SIGKILL");
  };
  process.once("exit", killOnExit);
  const stopOnce = async () => {
    try {
      await stopLauncher(child, started, output);
    } finally {
      process.off("exit", killOnExit);
      await rm(folder, { recursive: true, force: true });
    }
  };
  let stopped: Promise<void> | null = null;
  const stop = () => {
    stopped ??= stopOnce();
    return stopped;
  };
  try {
    await readyLine(child, output);
  } catch (error) {
    await stop().catch(() => {});
    throw error;
  }
  return {
    proxyUrl: `http://127.0.0.1:${proxyPort}`,
    apiUrl: `http://127.0.0.1:${apiPort}`,
    adminUrl: `http://127.0.0.1:${adminPort}`,
    policiesFolder,
    folder,
    servicePid: () => lastPid(output(), "budget service"),
    envoyPid: () => lastPid(output(), "envoy"),
    launcherPid,
    logs: output,
    writePolicy: (name, text) => writeFile(join(policiesFolder, name), text),
    stop,
  };
}

/** Ports that were free a moment ago, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((done, fail) => {
          const server = createServer();
          server.once("error", fail);
          server.listen(0, "127.0.0.1", () => done(server));
        }),
    ),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}

/** The first of so many ports in a row that were free a moment ago. */
async function freePortRow(count: number): Promise<number> {
  for (;;) {
    const [first = 0] = await freePorts(1);
    const others = Array.from({ length: count - 1 }, (_, i) => first + 1 + i);
    if ((await Promise.all(others.map(isFree))).every(Boolean)) return first;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((done) => {
    const server = createServer();
    server.once("error", () => done(false));
    server.listen(port, "127.0.0.1", () => server.close(() => done(true)));
  });
}

async function makePolicies(
  folder: string,
  policies: Record<string, string> | string,
): Promise<string> {
  const target = join(folder, "policies");
  await mkdir(target);
  if (typeof policies === "string") {
    await cp(resolve(PROJECT_ROOT, policies), target, { recursive: true });
  } else {
    for (const [name, text] of Object.entries(policies)) await writeFile(join(target, name), text);
  }
  return target;
}

/** What the launcher prints, and the processes that it names while they are young. */
function collect(child: ChildProcess): { output: () => string; parts: ProcessHandle[] } {
  const texts: string[] = [];
  const parts: ProcessHandle[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      texts.push(text);
      for (const [, pid] of text.matchAll(/^.* pid (\d+)$/gm)) {
        const handle = handleOf(Number(pid));
        if (handle !== null) parts.push(handle);
      }
    });
  }
  return { output: () => texts.join(""), parts };
}

async function readyLine(child: ChildProcess, output: () => string): Promise<void> {
  const until = Date.now() + READY_DEADLINE_MS;
  while (!/^tollgate is ready/m.test(output())) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`the launcher ended before it was ready:\n${output()}`);
    }
    if (Date.now() > until) {
      throw new Error(`not ready after ${READY_DEADLINE_MS} ms:\n${output()}`);
    }
    await sleep(20);
  }
}

function lastPid(output: string, part: string): number {
  const found = [...output.matchAll(new RegExp(`^${part} pid (\\d+)`, "gm"))].at(-1);
  if (found === undefined) throw new Error(`the launcher printed no "${part} pid N" line`);
  return Number(found[1]);
}

async function stopLauncher(
  child: ChildProcess,
  started: () => ProcessHandle[],
  output: () => string,
): Promise<void> {
  const parts = started();
  // A test that failed may have left one stopped.
  signalAll(parts, "SIGCONT");
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  if (!hasEnded()) child.kill("SIGINT");
  const until = Date.now() + STOP_DEADLINE_MS;
  while (!hasEnded() && Date.now() < until) await sleep(20);
  const left = parts.filter(isRunning).map(({ pid }) => pid);
  if (!hasEnded()) left.unshift(child.pid ?? 0);
  child.kill("SIGKILL");
  signalAll(parts, "SIGKILL");
  if (left.length > 0) {
    throw new Error(`still running after Ctrl-C: ${left.join(", ")}\n${output()}`);
  }
}
