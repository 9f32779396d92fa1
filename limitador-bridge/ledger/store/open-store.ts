/** Opens the store that a STORE url names. A new kind of store is one more row in `openers`. */
import type { UsageRecord } from "../../contract/usage-record.ts";
import { openEmbeddedStore } from "./embedded.ts";
import { MemoryStore } from "./memory.ts";
import { redisForms } from "./redis/redis-url.ts";
import { openResilient } from "./resilient.ts";
import type { Store } from "./store.ts";
import { StoreError } from "./store-error.ts";

export interface StoreOptions {
  /** Clock of the memory and embedded stores, ms since 1970. Redis has its own. */
  nowMs?: () => number;
  /** How long usage records are kept; 400 days where not given. */
  recordRetentionMs?: number;
  /** Redis: longest wait for one answer; 2 s where not given. */
  timeoutMs?: number;
  /**
   * Redis: folder, of this process alone, where settlements wait while Redis is away. With it the
   * store is a ResilientStore, and opens also while Redis is away.
   */
  journalPath?: string;
  /** Redis with a journal: told when the circuit opens (true) and closes. */
  onCircuit?: (isOpen: boolean) => void;
  /** Told what a person should know. */
  onWarning?: (message: string) => void;
  /** Memory and embedded stores: told the record of each hold that expired, once it is written. */
  onExpired?: (record: UsageRecord) => void;
}

interface Opener {
  schemes: string[];
  /** As people write it. */
  forms: string[];
  open(url: string, options: StoreOptions): Promise<Store>;
}

const openers: Opener[] = [
  {
    schemes: ["memory"],
    forms: ["memory:"],
    open: openMemory,
  },
  { schemes: ["embedded"], forms: ["embedded:PATH"], open: openEmbedded },
  {
    schemes: ["redis", "rediss", "redis-sentinel", "redis-cluster"],
    forms: redisForms,
    open: openRedis,
  },
];

/**
 * Opens a store, and waits until it works.
 * @param url e.g. `memory:`, `embedded:./data`, `redis://localhost:6379`
 * @throws StoreError unsupported_scheme for any other url; locked, corrupt or unavailable where
 * the store cannot be opened.
 */
export async function openStore(url: string, options: StoreOptions = {}): Promise<Store> {
  const scheme = url.includes(":") ? url.slice(0, url.indexOf(":")) : "";
  const opener = openers.find(({ schemes }) => schemes.includes(scheme));
  if (opener === undefined) throw unsupported(url);
  return opener.open(url, options);
}

async function openMemory(url: string, options: StoreOptions): Promise<Store> {
  if (url !== "memory:") throw unsupported(url);
  return new MemoryStore(options);
}

async function openEmbedded(url: string, options: StoreOptions): Promise<Store> {
  const path = url.slice("embedded:".length);
  if (path === "") throw unsupported(url);
  return openEmbeddedStore(path, options);
}

async function openRedis(url: string, options: StoreOptions): Promise<Store> {
  const { nowMs: _ownClock, journalPath, ...others } = options;
  // Its client takes long to load, and most stores have none.
  const { RedisStore } = await import("./redis.ts");
  const store = new RedisStore(url, others);
  try {
    if (journalPath !== undefined) return await openResilient(store, { journalPath, ...others });
    await store.ping();
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

function unsupported(url: string): StoreError {
  // Only what is before the colon: the rest may hold a password.
  const scheme = url.split(":", 1)[0] ?? "";
  const forms = openers.flatMap((opener) => opener.forms).join(", ");
  return new StoreError("unsupported_scheme", `STORE ${scheme}: expected one of ${forms}`);
}
