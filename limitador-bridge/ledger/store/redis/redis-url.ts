/** Reads the STORE urls of Redis. Pure. */
import { StoreError } from "../store-error.ts";

export interface RedisAddress {
  host: string;
  port: number;
}

export interface RedisUrl {
  kind: "single" | "sentinel" | "cluster";
  addresses: RedisAddress[];
  tls: boolean;
  /** PEM files: who signed the servers' certificates, and this client's own. */
  tlsFiles: { ca?: string; cert?: string; key?: string };
  username?: string;
  password?: string;
  db: number;
  /** Sentinel: name of the group. */
  masterName?: string;
  /** First part of all keys. */
  prefix: string;
  /** Replicas that must have a settlement before it counts as durable. */
  waitReplicas: number;
}

const kinds = {
  redis: { kind: "single", tls: false, port: 6379 },
  rediss: { kind: "single", tls: true, port: 6379 },
  "redis-sentinel": { kind: "sentinel", tls: false, port: 26_379 },
  "redis-cluster": { kind: "cluster", tls: false, port: 6379 },
} as const;

export const redisForms = [
  "redis://HOST[:PORT][/DB]",
  "rediss://HOST[:PORT][/DB]",
  "redis-sentinel://HOST:PORT,HOST:PORT/NAME",
  "redis-cluster://HOST:PORT,HOST:PORT",
];

/**
 * `scheme://[user:password@]host[:port][,host[:port]…][/db or name][?prefix=…&wait=…&db=…&tls=…]`
 * User and password are percent-encoded where they have to be. With TLS also `ca`, `cert` and
 * `key`, paths of PEM files, for certificates of one's own.
 * @throws StoreError unsupported_scheme, never telling the password.
 */
export function parseRedisUrl(url: string): RedisUrl {
  const parts = /^([a-z-]+):\/\/(?:([^@/]*)@)?([^/?]+)(?:\/([^?]*))?(?:\?(.*))?$/.exec(url);
  const scheme = parts?.[1] ?? "";
  if (parts === null || !(scheme in kinds)) {
    throw refused("url", `expected one of ${redisForms.join(", ")}`);
  }
  const [, , auth, hosts = "", path = "", query = ""] = parts;
  const { kind, tls, port } = kinds[scheme as keyof typeof kinds];
  const options = new URLSearchParams(query);
  const parsed: RedisUrl = {
    kind,
    tls: tls || flag(options, "tls"),
    addresses: hosts.split(",").map((host) => address(host, port)),
    tlsFiles: tlsFiles(options),
    db: count(options, "db", kind === "single" && path !== "" ? path : "0"),
    prefix: options.get("prefix") ?? "tollgate",
    waitReplicas: count(options, "wait", kind === "single" ? "0" : "1"),
    ...credentials(auth),
  };
  return checked(parsed, path, options);
}

function checked(parsed: RedisUrl, path: string, options: URLSearchParams): RedisUrl {
  const known = ["tls", "ca", "cert", "key", "db", "prefix", "wait"];
  const unknown = [...options.keys()].find((name) => !known.includes(name));
  if (unknown !== undefined) throw refused(unknown, `expected one of ${known.join(", ")}`);
  const { ca, cert, key } = parsed.tlsFiles;
  if (!parsed.tls && (ca ?? cert ?? key) !== undefined) {
    throw refused("ca, cert, key", "expected rediss:// or tls=true with them");
  }
  if ((cert === undefined) !== (key === undefined)) throw refused("cert, key", "expected both");
  if (!/^[\w.:-]+$/.test(parsed.prefix)) throw refused("prefix", "expected letters, digits, _.:-");
  if (parsed.kind === "sentinel") {
    if (path === "") throw refused("path", "expected the name of the sentinels' group");
    return { ...parsed, masterName: path };
  }
  if (parsed.kind === "cluster" && (path !== "" || parsed.db !== 0)) {
    throw refused("db", "Redis Cluster has only database 0");
  }
  if (parsed.kind === "single" && parsed.addresses.length > 1) {
    throw refused("host", "more than one: expected redis-cluster:// or redis-sentinel://");
  }
  return parsed;
}

function tlsFiles(options: URLSearchParams): RedisUrl["tlsFiles"] {
  const names = (["ca", "cert", "key"] as const).filter((name) => options.has(name));
  return Object.fromEntries(names.map((name) => [name, options.get(name) as string]));
}

function address(text: string, defaultPort: number): RedisAddress {
  const parts = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+)(?::(\d+))?$/.exec(text);
  const port = Number(parts?.[2] ?? defaultPort);
  if (parts?.[1] === undefined || port < 1 || port > 65_535) {
    throw refused("host", "expected HOST or HOST:PORT, IPv6 in brackets");
  }
  return { host: parts[1].replace(/^\[|\]$/g, ""), port };
}

function credentials(auth: string | undefined): { username?: string; password?: string } {
  if (auth === undefined || auth === "") return {};
  const colon = auth.indexOf(":");
  try {
    const [user, password] = [auth.slice(0, Math.max(0, colon)), auth.slice(colon + 1)];
    return {
      ...(user === "" ? {} : { username: decodeURIComponent(user) }),
      password: decodeURIComponent(password),
    };
  } catch {
    throw refused("user or password", "is not percent-encoded");
  }
}

function count(options: URLSearchParams, name: string, otherwise: string): number {
  const text = options.get(name) ?? otherwise;
  if (!/^\d{1,4}$/.test(text)) throw refused(name, "expected a small integer");
  return Number(text);
}

function flag(options: URLSearchParams, name: string): boolean {
  const text = options.get(name) ?? "false";
  if (text !== "true" && text !== "false") throw refused(name, "expected true or false");
  return text === "true";
}

/** A StoreError of code unsupported_scheme about one part of the url. */
export function refused(field: string, why: string): StoreError {
  return new StoreError("unsupported_scheme", `STORE, redis ${field}: ${why}`);
}
