/**
 * `tollgate up`: simulator (unless an upstream is given), budget service, Envoy; in the foreground,
 * until Ctrl-C. What ends by itself is started again.
 */
import { lookup } from "node:dns/promises";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { reachableHost, urlHost } from "./address.ts";
import { renderBootstrap } from "./bootstrap.ts";
import { keepUp, type Part, type Parts, STOP_GRACE_MS, startPart } from "./keep-up.ts";
import { checkFree, freePort, type WantedPort } from "./ports.ts";
import { answers, checkStaying, start } from "./process.ts";
import { sampleFor, sampleText } from "./sample.ts";
import { serviceEnv } from "./service-env.ts";
import {
  apiPortsOf,
  checkFiles,
  findEnvoy,
  PROJECT_ROOT,
  readSettings,
  SettingError,
  type UpSettings,
} from "./up-settings.ts";

const READY_DEADLINE_MS = 30_000;
/** Requests under way get this long to end before Envoy is stopped, and their settlements. */
const DRAIN_DEADLINE_MS = 5_000;
/** Long enough for the filter's last batch of settlements (flush_interval_ms). */
const LAST_FLUSH_MS = 400;

/** Runs until stopped. Returns the exit code: 0 after Ctrl-C, 1 when a part cannot be kept up. */
export async function up(env: NodeJS.ProcessEnv): Promise<number> {
  const settings = await withAddress(readSettings(env));
  const envoy = findEnvoy(env);
  checkFiles(settings);
  const folder = await mkdtemp(join(tmpdir(), "tollgate-"));
  const parts: Parts = { started: [], isStopping: false };
  const interrupted = new Promise<"interrupted">((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      // Not once: a second one while all is being stopped would end just this process.
      process.on(signal, () => resolve("interrupted"));
    }
  });
  const starting = startAll(settings, envoy, folder, parts, env);
  try {
    const first = await Promise.race([interrupted, starting]);
    return first === "interrupted" ? 0 : await keepUp(parts.started, interrupted);
  } finally {
    parts.isStopping = true;
    await stopAll(parts.started, settings);
    // It ends by an error, told above or due to the stop, once what it waits for is gone.
    await starting.catch(() => undefined);
    await rm(folder, { recursive: true, force: true });
  }
}

/** A name may have several addresses: the service listens at the first, and Envoy takes any. */
async function withAddress(settings: UpSettings): Promise<UpSettings> {
  const { apiHost } = settings;
  try {
    return { ...settings, apiHost: (await lookup(apiHost)).address };
  } catch (cause) {
    throw new SettingError(
      `HOST: expected an address of this machine, or a name of it, found "${apiHost}"`,
      { cause },
    );
  }
}

async function startAll(
  settings: UpSettings,
  envoy: string,
  folder: string,
  parts: Parts,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  await checkFree(wantedPorts(settings));
  const upstream = settings.upstream ?? (await startSimulator(settings, parts, env));
  const apiPorts = apiPortsOf(settings);
  for (const port of apiPorts) await startService(settings, port, parts, env);
  const template = await readFile(settings.template, "utf8");
  const bootstrap = renderBootstrap(template, {
    upstream,
    upstreamCa: settings.upstreamCa,
    proxyHost: settings.proxyHost,
    proxyPort: settings.proxyPort,
    adminHost: "127.0.0.1",
    adminPort: settings.adminPort,
    apiHost: reachableHost(settings.apiHost),
    apiPorts,
    wasmPath: settings.wasm,
    token: settings.token,
  });
  const file = join(folder, "bootstrap.yaml");
  await writeFile(file, bootstrap, { mode: 0o600 });
  const args = ["-c", file, "--log-level", env.ENVOY_LOG_LEVEL || "warn", "--use-dynamic-base-id"];
  if (settings.workers) args.push("--concurrency", String(settings.workers));
  const proxy = await startPart(parts, () => start("envoy", envoy, args, env));
  await answers(proxy, `http://127.0.0.1:${settings.adminPort}/ready`, READY_DEADLINE_MS);
  await checkStaying(parts.started.map(({ running }) => running));
  await printReady(settings, upstream, parts);
}

function wantedPorts(settings: UpSettings): WantedPort[] {
  const { simulatorPort, upstream, proxyHost, proxyPort, apiHost, adminPort } = settings;
  const local = "127.0.0.1";
  return [
    ...(simulatorPort === null || upstream !== null
      ? []
      : [{ variable: "SIMULATOR_PORT", host: local, port: simulatorPort }]),
    ...apiPortsOf(settings).map((port) => ({ variable: "API_PORT", host: apiHost, port })),
    { variable: "PROXY_PORT", host: proxyHost, port: proxyPort },
    { variable: "ENVOY_ADMIN_PORT", host: local, port: adminPort },
  ];
}

async function startSimulator(
  settings: UpSettings,
  parts: Parts,
  env: NodeJS.ProcessEnv,
): Promise<URL> {
  const port = settings.simulatorPort ?? (await freePort("127.0.0.1", wantedPorts(settings)));
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
  parts: Parts,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const script = join(PROJECT_ROOT, "dist/main.js");
  const its = serviceEnv(env, settings, port);
  const service = await startPart(parts, () =>
    start("budget service", process.execPath, [script], its),
  );
  await answers(service, `${urlOf(settings.apiHost, port)}/readyz`, READY_DEADLINE_MS);
}

/** Of a part on this machine that listens there; without a path. */
function urlOf(host: string, port: number): string {
  return `http://${urlHost(reachableHost(host))}:${port}`;
}

/** Envoy first, when its streams are over and settled; then who counts them; then the upstream. */
async function stopAll(parts: readonly Part[], settings: UpSettings): Promise<void> {
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
    const settledUntil = Date.now() + DRAIN_DEADLINE_MS;
    while (Date.now() < settledUntil && (await waitingSettlements(admin)) > 0) await sleep(100);
  } catch (cause) {
    console.error(`tollgate: Envoy could not be drained: ${(cause as Error).message}`);
  }
}

function activeRequests(admin: string): Promise<number> {
  return stat(admin, "^http\\.llm\\.downstream_rq_active$");
}

/** What the service has not acknowledged, of all workers. */
function waitingSettlements(admin: string): Promise<number> {
  return stat(admin, "tollgate_settlements_waiting$");
}

async function stat(admin: string, pattern: string): Promise<number> {
  const response = await fetch(`${admin}/stats?filter=${pattern}`);
  return Number((await response.text()).split(":")[1] ?? 0);
}

async function printReady(settings: UpSettings, upstream: URL, parts: Parts): Promise<void> {
  const proxy = urlOf(settings.proxyHost, settings.proxyPort);
  const api = urlOf(settings.apiHost, settings.apiPort);
  const sample = await sampleFor({ api, token: settings.token });
  if (parts.isStopping) return;
  console.log(`tollgate is ready: ${proxy} → ${upstream.origin}, policies ${settings.policies}

${sampleText(proxy, api, sample)}Ctrl-C stops everything.`);
}
