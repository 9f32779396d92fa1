/**
 * `tollgate up`: simulator (unless an upstream is given), budget service, Envoy; in the foreground,
 * until Ctrl-C. What ends by itself is started again.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { renderBootstrap } from "./bootstrap.ts";
import { keepUp, type Part, startPart } from "./keep-up.ts";
import { answers, start } from "./process.ts";
import { findEnvoy, PROJECT_ROOT, readSettings, type UpSettings } from "./up-settings.ts";

const READY_DEADLINE_MS = 30_000;
/** Requests under way get this long to end before Envoy is stopped. */
const DRAIN_DEADLINE_MS = 5_000;
/** Long enough for the filter's last batch of settlements (flush_interval_ms). */
const LAST_FLUSH_MS = 400;
const STOP_GRACE_MS = 10_000;

/** Runs until stopped. Returns the exit code: 0 after Ctrl-C, 1 when a part cannot be kept up. */
export async function up(env: NodeJS.ProcessEnv): Promise<number> {
  const settings = readSettings(env);
  const envoy = findEnvoy(env);
  const folder = await mkdtemp(join(tmpdir(), "tollgate-"));
  const parts: Part[] = [];
  const interrupted = new Promise<"interrupted">((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.once(signal, () => resolve("interrupted"));
    }
  });
  try {
    const starting = startAll(settings, envoy, folder, parts, env);
    const first = await Promise.race([interrupted, starting]);
    return first === "interrupted" ? 0 : await keepUp(parts, interrupted);
  } finally {
    await stopAll(parts, settings);
    await rm(folder, { recursive: true, force: true });
  }
}

async function startAll(
  settings: UpSettings,
  envoy: string,
  folder: string,
  parts: Part[],
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const upstream = settings.upstream ?? (await startSimulator(settings, parts, env));
  const apiPorts = Array.from({ length: settings.replicas }, (_, i) => settings.apiPort + i);
  for (const port of apiPorts) await startService(settings, port, parts, env);
  const template = await readFile(settings.template, "utf8");
  const bootstrap = renderBootstrap(template, {
    upstream,
    proxyHost: settings.proxyHost,
    proxyPort: settings.proxyPort,
    adminHost: "127.0.0.1",
    adminPort: settings.adminPort,
    apiHost: "127.0.0.1",
    apiPorts,
    wasmPath: settings.wasm,
    token: env.API_TOKEN ?? "",
  });
  const file = join(folder, "bootstrap.yaml");
  await writeFile(file, bootstrap, { mode: 0o600 });
  const args = ["-c", file, "--log-level", env.ENVOY_LOG_LEVEL || "warn", "--use-dynamic-base-id"];
  if (settings.workers) args.push("--concurrency", String(settings.workers));
  const proxy = await startPart(parts, () => start("envoy", envoy, args, env));
  await answers(proxy, `http://127.0.0.1:${settings.adminPort}/ready`, READY_DEADLINE_MS);
  printReady(settings, upstream);
}

async function startSimulator(
  settings: UpSettings,
  parts: Part[],
  env: NodeJS.ProcessEnv,
): Promise<URL> {
  const port = settings.simulatorPort;
  const script = join(PROJECT_ROOT, "dist/simulator/main.js");
  const its = { ...env, SIMULATOR_PORT: String(port) };
  const simulator = await startPart(parts, () =>
    start("LLM simulator", process.execPath, [script], its),
  );
  const url = new URL(`http://127.0.0.1:${port}`);
  await answers(simulator, `${url.href}healthz`, READY_DEADLINE_MS);
  return url;
}

async function startService(
  settings: UpSettings,
  port: number,
  parts: Part[],
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const script = join(PROJECT_ROOT, "dist/main.js");
  const its = {
    ...env,
    API_PORT: String(port),
    STORE: settings.store,
    ...(env.JOURNAL ? { JOURNAL: join(env.JOURNAL, String(port)) } : {}),
    POLICIES: settings.policies,
    LOG_LEVEL: env.LOG_LEVEL || "warn",
  };
  const service = await startPart(parts, () =>
    start("budget service", process.execPath, [script], its),
  );
  await answers(service, `http://127.0.0.1:${port}/readyz`, READY_DEADLINE_MS);
}

/** Envoy first, when its streams are over and settled; then who counts them; then the upstream. */
async function stopAll(parts: Part[], settings: UpSettings): Promise<void> {
  const running = parts.map((part) => part.running);
  const proxy = running.find(({ name }) => name === "envoy");
  if (proxy?.isRunning()) await drain(settings.adminPort);
  for (const part of running.reverse()) await part.stop(STOP_GRACE_MS);
}

async function drain(adminPort: number): Promise<void> {
  const admin = `http://127.0.0.1:${adminPort}`;
  try {
    await fetch(`${admin}/drain_listeners?graceful&skip_exit`, { method: "POST" });
    const until = Date.now() + DRAIN_DEADLINE_MS;
    while (Date.now() < until && (await activeRequests(admin)) > 0) await sleep(100);
    await sleep(LAST_FLUSH_MS);
  } catch (cause) {
    console.error(`tollgate: Envoy could not be drained: ${(cause as Error).message}`);
  }
}

async function activeRequests(admin: string): Promise<number> {
  const response = await fetch(`${admin}/stats?filter=^http\\.llm\\.downstream_rq_active$`);
  return Number((await response.text()).split(":")[1] ?? 0);
}

function printReady(settings: UpSettings, upstream: URL): void {
  const proxy = `http://${settings.proxyHost}:${settings.proxyPort}`;
  const api = `http://127.0.0.1:${settings.apiPort}`;
  const send = "-H 'content-type: application/json' -H 'x-user: alice' -H 'x-groups: free'";
  const body = `'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hello"}]`;
  console.log(`tollgate is ready: ${proxy} → ${upstream.origin}, policies ${settings.policies}

Ask:     curl -i ${proxy}/v1/chat/completions ${send} -d ${body}}'
Stream:  curl -N ${proxy}/v1/chat/completions ${send} -d ${body},"stream":true}'
Usage:   curl ${api}/v1/usage
Limits:  curl ${api}/v1/limits
Ctrl-C stops everything.`);
}
