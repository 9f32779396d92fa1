/** The service's configuration, from environment variables. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export interface Config {
  host: string;
  /** 0: any free port. */
  apiPort: number;
  /** Store URL, e.g. embedded:./data */
  store: string;
  /** Folder with policy files. */
  policies: string;
  /** Folder with price tables, besides those among the policies; null: none. */
  prices: string | null;
  /** Bearer token for mutating calls and calls of the filter; null: none asked for. */
  apiToken: string | null;
  /** How long a reservation is held with no settlement. */
  holdMs: number;
  /** How long the filter waits for an answer to /v1/admit. */
  admitTimeoutMs: number;
  /** Folder, of this process alone, for what Redis has to be told later, or again. */
  journal: string;
  /** Folder, of this process alone, for grants, the audit log and the like; null: none is kept. */
  state: string | null;
  /** How long a decision of Redis is waited for, before it is made from what is known here. */
  storeTimeoutMs: number;
  /** How often the ledger is compared with the usage records; 0: never. */
  reconcileIntervalMs: number;
  /** Where reconciliation asks for llm_cost_usd_total; null: nowhere. */
  prometheusUrl: string | null;
  /** Whether /metrics has gen_ai.* names too. */
  genAiMetrics: boolean;
  /** The compiled filter, for proxies that fetch it. */
  wasm: string;
  logLevel: string;
}

/** A setting that cannot be used; the message names the variable and what is expected. */
export class ConfigError extends Error {}

const DEFAULT_API_PORT = 8080;
const DEFAULT_STORE = "embedded:./data";
const MS_PER_UNIT: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000 };
const MAX_INTERVAL_MS = 24 * 60 * 60 * 1000;
const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"];
const MAX_HOLD_MS = 24 * 60 * 60 * 1000;

/**
 * Reads the configuration.
 * @throws ConfigError for the first variable with a value that cannot be used.
 */
export function readConfig(
  env: Record<string, string | undefined>,
  readFile: (path: string) => string = (path) => readFileSync(path, "utf8"),
  isFolder: (path: string) => boolean = isFolderOnDisk,
): Config {
  return {
    host: text(env, "HOST", "127.0.0.1"),
    apiPort: integer(env, "API_PORT", DEFAULT_API_PORT, 0, 65_535),
    store: text(env, "STORE", DEFAULT_STORE),
    policies: folder("POLICIES", required(env, "POLICIES", "a folder with policy files"), isFolder),
    prices: pricesFolder(env, isFolder),
    apiToken: readToken(env, readFile),
    holdMs: integer(env, "HOLD_MS", 600_000, 1_000, MAX_HOLD_MS),
    admitTimeoutMs: integer(env, "ADMIT_TIMEOUT_MS", 1_000, 1, 60_000),
    journal: text(env, "JOURNAL", `./data/journal-${value(env, "API_PORT") ?? DEFAULT_API_PORT}`),
    state: value(env, "STATE") ?? stateFolder(env),
    storeTimeoutMs: integer(env, "STORE_TIMEOUT_MS", 40, 1, 10_000),
    reconcileIntervalMs: duration(env, "RECONCILE_INTERVAL", "15m"),
    prometheusUrl: httpUrl(env, "PROMETHEUS_URL"),
    genAiMetrics: oneOf(env, "GEN_AI_METRICS", "off", ["on", "off"]) === "on",
    wasm: text(env, "TOLLGATE_WASM", projectFile("build/tollgate.wasm")),
    logLevel: oneOf(env, "LOG_LEVEL", "info", LOG_LEVELS),
  };
}

/** The folder with what belongs to an embedded store and is not in it; where STATE is not set. */
export function embeddedState(storeFolder: string): string {
  return join(storeFolder, "state");
}

/** Inside an embedded store's folder, beside the journal for Redis; a memory store has none. */
function stateFolder(env: Record<string, string | undefined>): string | null {
  const store = text(env, "STORE", DEFAULT_STORE);
  if (store.startsWith("embedded:")) return embeddedState(store.slice("embedded:".length));
  if (!store.startsWith("redis")) return null;
  return `./data/state-${value(env, "API_PORT") ?? DEFAULT_API_PORT}`;
}

/**
 * The folder of PRICES; else the project's own, which lies beside dist/ and limitador-bridge/
 * alike; null where that was left out.
 * @throws ConfigError where PRICES is no folder
 */
export function pricesFolder(
  env: Record<string, string | undefined>,
  isFolder: (path: string) => boolean = isFolderOnDisk,
): string | null {
  const given = value(env, "PRICES");
  if (given !== undefined) return folder("PRICES", given, isFolder);
  const own = projectFile("policies/prices");
  return existsSync(own) ? own : null;
}

function folder(name: string, path: string, isFolder: (path: string) => boolean): string {
  if (isFolder(path)) return path;
  throw new ConfigError(`${name}: expected a folder that is there, got "${path}"`);
}

function isFolderOnDisk(path: string): boolean {
  return existsSync(path) && statSync(path).isDirectory();
}

/** dist/ and limitador-bridge/ lie beside each other. */
function projectFile(path: string): string {
  return resolve(fileURLToPath(import.meta.url), "../..", path);
}

/** An empty variable is as good as none: that is how shells and compose files unset one. */
function value(env: Record<string, string | undefined>, name: string): string | undefined {
  const given = env[name];
  return given === undefined || given === "" ? undefined : given;
}

function text(env: Record<string, string | undefined>, name: string, preset: string): string {
  return value(env, name) ?? preset;
}

function required(env: Record<string, string | undefined>, name: string, expected: string): string {
  const given = value(env, name);
  if (given === undefined) throw new ConfigError(`${name}: not set; expected ${expected}`);
  return given;
}

function integer(
  env: Record<string, string | undefined>,
  name: string,
  preset: number,
  min: number,
  max: number,
): number {
  const given = value(env, name);
  if (given === undefined) return preset;
  const number = /^\d{1,15}$/.test(given) ? Number(given) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw new ConfigError(`${name}: expected a whole number from ${min} to ${max}, got "${given}"`);
}

/** 0, or a number of seconds, minutes or hours up to a day. */
function duration(env: Record<string, string | undefined>, name: string, preset: string): number {
  const given = value(env, name) ?? preset;
  const [, count, unit = ""] = /^([1-9]\d{0,5})([smh])$/.exec(given) ?? [];
  const ms = given === "0" ? 0 : Number(count) * (MS_PER_UNIT[unit] ?? Number.NaN);
  if (ms >= 0 && ms <= MAX_INTERVAL_MS) return ms;
  throw new ConfigError(`${name}: expected 0 or e.g. 30s, 15m, 1h up to 24h, got "${given}"`);
}

function httpUrl(env: Record<string, string | undefined>, name: string): string | null {
  const given = value(env, name);
  if (given === undefined) return null;
  const protocol = URL.canParse(given) ? new URL(given).protocol : "";
  if (protocol === "http:" || protocol === "https:") return given;
  throw new ConfigError(`${name}: expected http://host[:port] or https://…, got "${given}"`);
}

function oneOf(
  env: Record<string, string | undefined>,
  name: string,
  preset: string,
  allowed: string[],
): string {
  const given = value(env, name) ?? preset;
  if (allowed.includes(given)) return given;
  throw new ConfigError(`${name}: expected one of ${allowed.join(", ")}, got "${given}"`);
}

/**
 * The bearer token of API_TOKEN, or of the file that API_TOKEN_FILE names; null: none is set.
 * @throws ConfigError where both are set, the file cannot be read or holds no token
 */
export function readToken(
  env: Record<string, string | undefined>,
  readFile: (path: string) => string = (path) => readFileSync(path, "utf8"),
): string | null {
  const token = value(env, "API_TOKEN");
  const file = value(env, "API_TOKEN_FILE");
  if (token !== undefined && file !== undefined) {
    throw new ConfigError("API_TOKEN and API_TOKEN_FILE: expected one of them, got both");
  }
  if (token !== undefined) return checkToken("API_TOKEN", token);
  if (file === undefined) return null;
  let content: string;
  try {
    content = readFile(file);
  } catch (error) {
    throw new ConfigError(`API_TOKEN_FILE: cannot read "${file}": ${(error as Error).message}`);
  }
  return checkToken("API_TOKEN_FILE", content.trim());
}

/** RFC 6750 section 2.1: b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"=" */
function checkToken(name: string, token: string): string {
  if (/^[A-Za-z0-9\-._~+/]+=*$/.test(token)) return token;
  throw new ConfigError(
    `${name}: expected a bearer token of letters, digits and -._~+/ with = only at the end`,
  );
}
