/** What the bench is told by its variables. */
import { resolve } from "node:path";

export interface Settings {
  /** Length of one measurement. */
  seconds: number;
  rounds: number;
  /** Closed loop: requests that are under way at any time. */
  connections: number;
  /** Open loop: requests started in a second. */
  ratePerSecond: number;
  /** A folder with more peers (README.md); null: none. */
  peers: string | null;
}

/** A setting that cannot be used; the message names the variable. */
export class SettingError extends Error {}

/** Reads the variables; an empty one counts as unset. Throws SettingError. */
export function readSettings(env: NodeJS.ProcessEnv): Settings {
  return {
    seconds: number(env, "BENCH_SECONDS", 2, 0.2, 60),
    rounds: whole(env, "BENCH_ROUNDS", 5, 1, 100),
    connections: whole(env, "BENCH_CONNECTIONS", 32, 1, 1000),
    ratePerSecond: whole(env, "BENCH_RATE", 200, 1, 5000),
    peers: env.PEERS ? resolve(env.PEERS) : null,
  };
}

function whole(env: NodeJS.ProcessEnv, name: string, preset: number, min: number, max: number) {
  const value = number(env, name, preset, min, max);
  if (Number.isInteger(value)) return value;
  throw new SettingError(`${name}: expected a whole number, found "${env[name]}"`);
}

function number(env: NodeJS.ProcessEnv, name: string, preset: number, min: number, max: number) {
  const text = env[name];
  if (!text) return preset;
  const value = /^\d{1,6}(\.\d{1,3})?$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new SettingError(`${name}: expected a number from ${min} to ${max}, found "${text}"`);
}
