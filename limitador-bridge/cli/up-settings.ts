/** What `make up` is told by its variables. */
import { accessSync, constants, existsSync, statSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { readToken } from "../config.ts";
import { isHost } from "./address.ts";

/** The folder that holds package.json: two above dist/cli and limitador-bridge/cli alike. */
export const PROJECT_ROOT = resolve(fileURLToPath(import.meta.url), "../../..");

export interface UpSettings {
  upstream: URL | null;
  /** PEM file of the authorities an https upstream is checked by; null: the public ones. */
  upstreamCa: string | null;
  policies: string;
  store: string;
  proxyHost: string;
  proxyPort: number;
  /** Where the service listens. */
  apiHost: string;
  apiPort: number;
  adminPort: number;
  /** null: any that is free. */
  simulatorPort: number | null;
  workers: number | null;
  replicas: number;
  template: string;
  wasm: string;
  /** Bearer token of the service; null: none is asked for. */
  token: string | null;
}

/** The port of each service process. */
export function apiPortsOf({ apiPort, replicas }: UpSettings): number[] {
  return Array.from({ length: replicas }, (_, i) => apiPort + i);
}

/** A setting that cannot be used; the message names the variable. */
export class SettingError extends Error {}

/** Reads the variables; an empty one counts as unset. Throws SettingError or ConfigError. */
export function readSettings(env: NodeJS.ProcessEnv): UpSettings {
  const store = env.STORE || "embedded:./data";
  const replicas = whole(env, "REPLICAS", 1, 1, 64);
  if (replicas > 1 && !store.startsWith("redis")) {
    throw new SettingError(
      `REPLICAS=${replicas} needs a store that processes can share: expected STORE=redis://…, ` +
        `found STORE=${store}`,
    );
  }
  const policies = resolve(env.POLICIES || join(PROJECT_ROOT, "policies/examples/kuadrant-tiers"));
  if (!existsSync(policies)) throw new SettingError(`POLICIES: there is no ${policies}`);
  const upstream = env.UPSTREAM ? upstreamUrl(env.UPSTREAM) : null;
  const workers = env.WORKERS ? whole(env, "WORKERS", 1, 1, 1024) : null;
  return {
    upstream,
    upstreamCa: upstreamCa(env, upstream),
    policies,
    store,
    proxyHost: host(env, "PROXY_HOST"),
    proxyPort: whole(env, "PROXY_PORT", 10000, 1, 65535),
    apiHost: host(env, "HOST"),
    apiPort: whole(env, "API_PORT", 8080, 1, 65535),
    adminPort: whole(env, "ENVOY_ADMIN_PORT", 9901, 1, 65535),
    simulatorPort: env.SIMULATOR_PORT ? whole(env, "SIMULATOR_PORT", 0, 1, 65535) : null,
    workers,
    replicas,
    template: resolve(env.ENVOY_BOOTSTRAP || join(PROJECT_ROOT, "envoy/bootstrap.yaml")),
    wasm: resolve(env.TOLLGATE_WASM || join(PROJECT_ROOT, "build/tollgate.wasm")),
    token: readToken(env),
  };
}

function host(env: NodeJS.ProcessEnv, name: string): string {
  const given = env[name] || "127.0.0.1";
  if (isHost(given)) return given;
  throw new SettingError(
    `${name}: expected a name or an address, IPv6 without brackets or zone, found "${given}"`,
  );
}

function whole(
  env: NodeJS.ProcessEnv,
  name: string,
  fallback: number,
  least: number,
  most: number,
): number {
  const text = env[name];
  if (!text) return fallback;
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most)) {
    throw new SettingError(
      `${name}: expected a whole number from ${least} to ${most}, found "${text}"`,
    );
  }
  return value;
}

function upstreamUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new SettingError(`UPSTREAM: expected http://host[:port] or https://…, found "${text}"`);
  }
  if (url.pathname !== "/" || url.search) {
    throw new SettingError(
      `UPSTREAM: expected no path (clients send it), found "${url.pathname}${url.search}"`,
    );
  }
  return url;
}

function upstreamCa({ UPSTREAM, UPSTREAM_CA }: NodeJS.ProcessEnv, upstream: URL | null) {
  if (!UPSTREAM_CA) return null;
  if (upstream?.protocol === "https:") return resolve(UPSTREAM_CA);
  throw new SettingError(
    `UPSTREAM_CA: expected UPSTREAM=https://… with it, found UPSTREAM=${UPSTREAM ?? ""}`,
  );
}

/**
 * Whether the files that an Envoy here is to read are there.
 * @throws SettingError
 */
export function checkFiles({
  template,
  wasm,
  upstreamCa,
}: Pick<UpSettings, "template" | "wasm" | "upstreamCa">): void {
  if (!existsSync(template)) throw new SettingError(`ENVOY_BOOTSTRAP: there is no ${template}`);
  if (!existsSync(wasm)) throw new SettingError(`TOLLGATE_WASM: there is no ${wasm}; make build`);
  if (upstreamCa !== null && !isFile(upstreamCa)) {
    throw new SettingError(`UPSTREAM_CA: expected a PEM file, and there is no file ${upstreamCa}`);
  }
}

/** The Envoy to run: ENVOY=, the PATH, the project's own copy. Throws SettingError. */
export function findEnvoy(env: NodeJS.ProcessEnv): string {
  const own = join(PROJECT_ROOT, ".tools/envoy/envoy/_bin/envoy");
  const onPath = (env.PATH ?? "").split(delimiter).map((folder) => join(folder, "envoy"));
  const candidates = env.ENVOY ? [resolve(env.ENVOY)] : [...onPath, own];
  const found = candidates.find(canRun);
  if (found) return found;
  throw new SettingError(
    env.ENVOY
      ? `ENVOY: ${env.ENVOY} is not a program that can be run`
      : "no Envoy on the PATH and none installed by `make setup`; set ENVOY=/path/to/envoy",
  );
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

function canRun(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
