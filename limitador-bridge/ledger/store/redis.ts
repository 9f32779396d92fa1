/**
 * The store on Redis: one node (also behind Sentinel), or a Redis Cluster.
 *
 * On one node there is one shard, and every decision is one Lua call. On a cluster counters are
 * spread over shards, and the hold of an id has a home shard, which keeps its record and the list
 * of the shards with its claims. There a decision whose claims are in several shards asks all of
 * them, then holds in the order of shards, home first, and gives back what it held where a later
 * one denies.
 *
 * Settlements are as durable as Redis makes them: `appendonly yes`, and on clusters and behind
 * Sentinel they are acknowledged only when `wait` replicas (1) have them, or all that are there.
 */
import type { UsageRecord } from "../../contract/usage-record.ts";
import {
  checkId,
  checkParts,
  checkReserve,
  checkSettlement,
  recordTimeMs,
} from "../request-check.ts";
import { defaultRetentionMs, timeKey } from "./record-query.ts";
import { Link } from "./redis/link.ts";
import { readPage } from "./redis/record-reader.ts";
import { parseRedisUrl, type RedisUrl } from "./redis/redis-url.ts";
import { Reservations } from "./redis/reservations.ts";
import { ServerClock } from "./redis/server-clock.ts";
import { Settlements } from "./redis/settlements.ts";
import { ShardCalls } from "./redis/shard-calls.ts";
import { clusterShards, type Shard, Shards } from "./redis/shards.ts";
import type {
  CounterView,
  RecordPage,
  RecordQuery,
  ReserveRequest,
  ReserveResult,
  Settlement,
  SettleResult,
  Store,
} from "./store.ts";
import { StoreError } from "./store-error.ts";

export interface RedisStoreOptions {
  /** Tests only: time for the scripts, in place of the server's. */
  nowMs?: () => number;
  recordRetentionMs?: number;
  /** Longest wait for one answer; 2 s where not given. */
  timeoutMs?: number;
  /** Told what goes wrong with connections. */
  onWarning?: (message: string) => void;
}

/** Version of the layout, a part of the key m. */
export const format = "1";

export class RedisStore implements Store {
  readonly #url: RedisUrl;
  readonly #link: Link;
  readonly #shards: Shards;
  readonly #calls: ShardCalls;
  readonly #reservations: Reservations;
  readonly #settlements: Settlements;
  readonly #clock: ServerClock;
  readonly #recordRetentionMs: number;
  #checked: Promise<void> | null = null;

  /**
   * Does not wait for a connection: until there is one, calls throw.
   * @throws StoreError unsupported_scheme for a url that is none of Redis.
   */
  constructor(url: string, options: RedisStoreOptions = {}) {
    this.#url = parseRedisUrl(url);
    const { timeoutMs = 2000, onWarning } = options;
    this.#link = new Link(this.#url, { timeoutMs, ...(onWarning ? { onWarning } : {}) });
    this.#shards = new Shards(this.#url.prefix, this.#link.isCluster ? clusterShards : 1);
    this.#clock = new ServerClock(options.nowMs);
    this.#recordRetentionMs = options.recordRetentionMs ?? defaultRetentionMs;
    this.#calls = new ShardCalls(this.#link, this.#clock, this.#recordRetentionMs);
    this.#reservations = new Reservations(this.#shards, this.#calls, (id, otherShards) =>
      this.#settlements.remember(id, otherShards),
    );
    this.#settlements = new Settlements(this.#shards, this.#calls, this.#reservations);
  }

  async reserve(request: ReserveRequest): Promise<ReserveResult> {
    checkReserve(request);
    await this.#ready();
    return this.#reservations.reserve(request);
  }

  async settle(settlements: Settlement[]): Promise<SettleResult[]> {
    for (const settlement of settlements) checkSettlement(settlement);
    await this.#ready();
    const touched = new Set<Shard>();
    const { cutOffs } = this.#link;
    const results = await Promise.all(
      settlements.map((settlement) => this.#settlements.settle(settlement, touched)),
    );
    if (this.#url.waitReplicas > 0 && touched.size > 0) {
      const marks = [...touched].map((shard) => shard.keys.mark);
      await this.#link.waitForReplicas(marks, cutOffs);
    }
    return results;
  }

  async release(id: string): Promise<void> {
    checkId(id);
    await this.#ready();
    await this.#settlements.release(id);
  }

  async shrink(id: string, parts: number): Promise<void> {
    checkId(id);
    checkParts(parts);
    await this.#ready();
    await this.#settlements.shrink(id, parts);
  }

  async expire(): Promise<string[]> {
    await this.#ready();
    const { all } = this.#shards;
    const expired = (await Promise.all(all.map((shard) => this.#calls.expire(shard)))).flat();
    const beforeMs = Math.max(0, this.#clock.nowMs() - this.#recordRetentionMs);
    await Promise.all(all.map((shard) => this.#calls.prune(shard, timeKey(beforeMs))));
    expired.sort((a, b) => a.expiryMs - b.expiryMs);
    return expired.map(({ id }) => id);
  }

  async appendRecord(record: UsageRecord): Promise<void> {
    recordTimeMs(record);
    await this.#ready();
    await this.#calls.append(this.#shards.homeOf(record.id), record);
  }

  async counters(prefix: string, limit: number): Promise<CounterView[]> {
    await this.#ready();
    const calls = this.#shards.all.map((shard) => this.#calls.counters(shard, prefix, limit));
    const views = (await Promise.all(calls)).flat();
    views.sort((a, b) => (a.key < b.key ? -1 : 1));
    return views.slice(0, limit);
  }

  async records(query: RecordQuery): Promise<RecordPage> {
    await this.#ready();
    return readPage(this.#link, this.#shards.all, query);
  }

  async ping(): Promise<void> {
    await this.#ready();
    await this.#link.ping();
  }

  async close(): Promise<void> {
    await this.#link.close();
  }

  /** Checks once that the data is of this layout and number of shards. */
  #ready(): Promise<void> {
    this.#checked ??= this.#checkFormat().catch((error) => {
      this.#checked = null;
      throw error;
    });
    return this.#checked;
  }

  async #checkFormat(): Promise<void> {
    const [first] = this.#shards.all as [Shard];
    const expected = `${format}/${this.#shards.all.length}`;
    const found = await this.#link.setOnce(first.keys.meta, expected);
    if (found === expected) return;
    const what = `key ${first.keys.meta} is ${JSON.stringify(found)}, expected "${expected}"`;
    throw new StoreError("corrupt", `redis: ${what}`);
  }
}
