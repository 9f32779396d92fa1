/**
 * The budget service and Envoy each on its own, as in production, where one can die and come back
 * without the other.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { send } from "./client.ts";
import { freePorts, PROJECT_ROOT } from "./harness.ts";

const READY_DEADLINE_MS = 15_000;

export interface Parts {
  proxyUrl: string;
  apiUrl: string;
  startService: () => Promise<void>;
  /** kill -9 */
  killService: () => Promise<void>;
  stop: () => Promise<void>;
}

/** Starts both. Throws when one does not become ready. */
export async function startParts(given: {
  upstream: string;
  policies: Record<string, string>;
}): Promise<Parts> {
  const folder = await mkdtemp(join(tmpdir(), "tollgate-e2e-"));
  const policies = join(folder, "policies");
  await mkdir(policies);
  for (const [name, text] of Object.entries(given.policies)) {
    await writeFile(join(policies, name), text);
  }
  const [proxyPort, apiPort, adminPort] = (await freePorts(3)).map(String);
  const env = {
    ...process.env,
    UPSTREAM: given.upstream,
    POLICIES: policies,
    STORE: `embedded:${join(folder, "store")}`,
    PROXY_PORT: proxyPort,
    API_PORT: apiPort,
    ENVOY_ADMIN_PORT: adminPort,
    LOG_LEVEL: "warn",
  };
  const apiUrl = `http://127.0.0.1:${apiPort}`;
  let service: ChildProcess | null = null;
  let envoy: ChildProcess | null = null;
  const startService = async () => {
    service = spawn(process.execPath, [join(PROJECT_ROOT, "dist/main.js")], {
      env,
      stdio: "ignore",
    });
    await untilReady(service, `${apiUrl}/readyz`);
  };
  const killService = () => end(service);
  const stop = async () => {
    await Promise.all([end(envoy), end(service)]);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await startService();
    const bootstrap = join(folder, "bootstrap.yaml");
    const launcher = join(PROJECT_ROOT, "dist/cli/tollgate.js");
    writeFileSync(bootstrap, execFileSync(process.execPath, [launcher, "bootstrap"], { env }));
    const args = ["-c", bootstrap, "--log-level", "off", "--use-dynamic-base-id"];
    envoy = spawn(findEnvoy(), [...args, "--concurrency", "1"], { env, stdio: "ignore" });
    await untilReady(envoy, `http://127.0.0.1:${adminPort}/ready`);
  } catch (error) {
    await stop();
    throw error;
  }
  return { proxyUrl: `http://127.0.0.1:${proxyPort}`, apiUrl, startService, killService, stop };
}

/** ENVOY=, PATH or the project's own copy: as `make up` finds it. */
function findEnvoy(): string {
  const found = execFileSync(join(PROJECT_ROOT, "envoy/install.sh"), { encoding: "utf8" }).trim();
  return found.startsWith("/") ? found : join(PROJECT_ROOT, found);
}

async function untilReady(child: ChildProcess, url: string): Promise<void> {
  const until = Date.now() + READY_DEADLINE_MS;
  for (;;) {
    const status = await send(url).then(
      (reply) => reply.status,
      () => 0,
    );
    if (status === 200) return;
    if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode} before ${url}`);
    if (Date.now() > until) throw new Error(`${url} not ready after ${READY_DEADLINE_MS} ms`);
    await sleep(50);
  }
}

async function end(child: ChildProcess | null): Promise<void> {
  if (child === null || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}
