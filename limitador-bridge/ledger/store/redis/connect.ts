/**
 * Makes the ioredis client for a url; it connects by itself, and again when it is cut off.
 *
 * Without ioredis's autopipelining: that sends nothing before the last pipeline is answered as a
 * whole, so that this process and Redis work in turns. On a cluster a pipeline that meets a moved
 * slot would be sent again as a whole.
 */
import { readFileSync } from "node:fs";
import { Cluster, Redis } from "ioredis";
import { type RedisUrl, refused } from "./redis-url.ts";

/** Reconnects after 50 ms, 100 ms … at most every second. */
const retryDelayMs = (times: number): number => Math.min(times * 50, 1000);

/** ioredis: reconnect, then send the command again. */
const resend = 2 as const;

/**
 * @param timeoutMs longest wait for the answer to one command
 * @throws StoreError unsupported_scheme where a file of the url cannot be read
 */
export function connect(url: RedisUrl, timeoutMs: number): Redis | Cluster {
  const common = commonOptions(url, timeoutMs);
  const [first] = url.addresses;
  switch (url.kind) {
    case "single":
      return new Redis({
        ...common,
        ...first,
        db: url.db,
        retryStrategy: retryDelayMs,
      });
    case "sentinel":
      return new Redis({
        ...common,
        sentinels: url.addresses,
        name: url.masterName ?? "",
        db: url.db,
        retryStrategy: retryDelayMs,
        sentinelRetryStrategy: retryDelayMs,
        ...(url.tls ? { enableTLSForSentinelMode: true, sentinelTLS: tlsOptions(url) } : {}),
      });
    case "cluster":
      return new Cluster(url.addresses, {
        redisOptions: common,
        clusterRetryStrategy: retryDelayMs,
        retryDelayOnTryAgain: 20,
        retryDelayOnFailover: 50,
        retryDelayOnClusterDown: 50,
        slotsRefreshTimeout: timeoutMs,
        slotsRefreshInterval: 5000,
        maxRedirections: Math.max(16, Math.ceil(timeoutMs / 20)),
      });
  }
}

function commonOptions(url: RedisUrl, timeoutMs: number) {
  return {
    commandTimeout: timeoutMs,
    connectTimeout: timeoutMs,
    maxRetriesPerRequest: 2,
    // A primary that has become a replica: connect anew and send again.
    reconnectOnError: (error: Error) => (error.message.startsWith("READONLY") ? resend : false),
    ...(url.username === undefined ? {} : { username: url.username }),
    ...(url.password === undefined ? {} : { password: url.password }),
    ...(url.tls ? { tls: tlsOptions(url) } : {}),
  };
}

/** What node:tls is given beside the address: the contents of the url's files. */
function tlsOptions({ tlsFiles }: RedisUrl): Record<string, string> {
  const read = ([name, path]: [string, string]): [string, string] => {
    try {
      return [name, readFileSync(path, "utf8")];
    } catch (error) {
      throw refused(name, `cannot read ${path}: ${(error as NodeJS.ErrnoException).code}`);
    }
  };
  return Object.fromEntries(Object.entries(tlsFiles).map(read));
}
