/** A further Envoy in front of budget services that run already. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { send } from "./client.ts";
import { freePorts, PROJECT_ROOT, type Stack } from "./harness.ts";

const READY_DEADLINE_MS = 15_000;

export interface SecondEnvoy {
  proxyUrl: string;
  stop: () => Promise<void>;
}

/** Starts one that asks the service of `stack`. Throws when it does not become ready. */
export async function startSecondEnvoy(stack: Stack, upstream: string): Promise<SecondEnvoy> {
  const [proxyPort, adminPort] = (await freePorts(2)).map(String);
  const env = {
    ...process.env,
    UPSTREAM: upstream,
    PROXY_PORT: proxyPort,
    API_PORT: new URL(stack.apiUrl).port,
    ENVOY_ADMIN_PORT: adminPort,
  };
  const bootstrap = join(stack.folder, `bootstrap-${proxyPort}.yaml`);
  const launcher = join(PROJECT_ROOT, "dist/cli/tollgate.js");
  await writeFile(bootstrap, execFileSync(process.execPath, [launcher, "bootstrap"], { env }));
  const found = execFileSync(join(PROJECT_ROOT, "envoy/install.sh"), { encoding: "utf8" }).trim();
  const path = found.startsWith("/") ? found : join(PROJECT_ROOT, found);
  const args = ["-c", bootstrap, "--log-level", "off", "--use-dynamic-base-id"];
  const envoy = spawn(path, [...args, "--concurrency", "1"], { env, stdio: "ignore" });
  const stop = async () => {
    if (envoy.exitCode !== null || envoy.signalCode !== null) return;
    const ended = once(envoy, "exit");
    envoy.kill("SIGKILL");
    await ended;
  };
  const until = Date.now() + READY_DEADLINE_MS;
  const isReady = async () => (await send(`http://127.0.0.1:${adminPort}/ready`)).status === 200;
  while (!(await isReady().catch(() => false))) {
    if (envoy.exitCode === null && Date.now() < until) {
      await sleep(50);
      continue;
    }
    await stop();
    throw new Error(`a second Envoy was not ready after ${READY_DEADLINE_MS} ms`);
  }
  return { proxyUrl: `http://127.0.0.1:${proxyPort}`, stop };
}
