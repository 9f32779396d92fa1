/** The service's configuration, from environment variables. */
import { readFileSync } from "node:fs";

export interface Config {
  host: string;
  /** 0: any free port. */
  apiPort: number;
  /** Store URL, e.g. embedded:./data */
  store: string;
  /** Folder with policy files. */
  policies: string;
  /** Bearer token for mutating calls and calls of the filter; null: none asked for. */
  apiToken: string | null;
  /** How long a reservation is held with no settlement. */
  holdMs: number;
  /** How long the filter waits for an answer to /v1/admit. */
  admitTimeoutMs: number;
  logLevel: string;
}

/** A setting that cannot be used; the message names the variable and what is expected. */
export class ConfigError extends Error {}

const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"];
const MAX_HOLD_MS = 24 * 60 * 60 * 1000;

/**
 * Reads the configuration.
 * @throws ConfigError for the first variable with a value that cannot be used.
 */
export function readConfig(
  env: Record<string, string | undefined>,
  readFile: (path: string) => string = (path) => readFileSync(path, "utf8"),
): Config {
  return {
    host: text(env, "HOST", "127.0.0.1"),
    apiPort: integer(env, "API_PORT", 8080, 0, 65_535),
    store: text(env, "STORE", "embedded:./data"),
    policies: required(env, "POLICIES", "a folder with policy files"),
    apiToken: readToken(env, readFile),
    holdMs: integer(env, "HOLD_MS", 600_000, 1_000, MAX_HOLD_MS),
    admitTimeoutMs: integer(env, "ADMIT_TIMEOUT_MS", 200, 1, 60_000),
    logLevel: oneOf(env, "LOG_LEVEL", "info", LOG_LEVELS),
  };
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

function readToken(
  env: Record<string, string | undefined>,
  readFile: (path: string) => string,
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
