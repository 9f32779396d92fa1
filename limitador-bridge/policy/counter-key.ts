/** Names of counters: policy, limit, rate and the counter values, never two for one. Pure. */
import { createHash } from "node:crypto";

/** Longer values are hashed, so that no client can make keys of any size. */
const MAX_VALUE_CHARS = 256;

/**
 * A counter expression's value as stable text: 5, 5.0 and "5" are the same counter. Throws where
 * it is null or not a single value.
 */
export function counterValue(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") {
    return String(value);
  }
  if (value === null || value === undefined) throw new Error("the counter's value is null");
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value))
    throw new Error("the counter's value must be a single value, found a list");
  const primitive = (value as { valueOf(): unknown }).valueOf();
  if (typeof primitive === "bigint") return String(primitive);
  throw new Error("the counter's value must be a single value, found a map");
}

function escapePart(text: string): string {
  return text.replace(/[%/|]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

function valuePart(value: string): string {
  if (value.length <= MAX_VALUE_CHARS) return escapePart(value);
  return `sha256:${createHash("sha256").update(value).digest("hex")}`;
}

/** `namespace/policy/limit/unit/window|value|value` */
export function counterKey(policy: string, limit: string, rate: string, values: string[]): string {
  return [`${policy}/${escapePart(limit)}/${rate}`, ...values.map(valuePart)].join("|");
}

/**
 * What keeps counters together on Redis Cluster, told from a key: the counter values, so that all
 * limits of one user are decided in one step; without any, the first two parts (the policy, or the
 * team of a budget).
 */
export function shardByOf(key: string): string {
  const values = key.indexOf("|");
  return values < 0 ? key.split("/", 2).join("/") : key.slice(values + 1);
}
