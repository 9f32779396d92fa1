/**
 * The store on Redis: one node (also behind Sentinel), or a Redis Cluster.
 *
 * On one node there is one shard, and every decision is one Lua call. On a cluster counters are
 * spread over shards, and the hold of an id has a home shard, which keeps its record and the list
 * of the shards with its claims. There a decision whose claims are in several shards asks all of
 * them, then holds in the order of shards, home first, and gives back what it held where a later
 * one denies. A settlement settles the claims' shards first and home last: what is cut short is
 * done again as a whole by the caller, and each shard counts it once.
 *
 * Settlements are as durable as Redis makes them: `appendonly yes`, and on clusters and behind
 * Sentinel they are acknowledged only when `wait` replicas (1) have them.
 */
import type { UsageRecord } from "../../contract/usage-record.ts";
import { type DistinctClaims, distinctClaims } from "../claims.ts";
import { checkId, checkReserve, checkSettlement, recordTimeMs } from "../request-check.ts";
import { defaultRetentionMs, timeKey } from "./record-query.ts";
import { type Groups, grouped, viewsOf } from "./redis/groups.ts";
import { Link } from "./redis/link.ts";
import { readPage } from "./redis/record-reader.ts";
import { parseRedisUrl, type RedisUrl } from "./redis/redis-url.ts";
import { Reservations } from "./redis/reservations.ts";
import { ServerClock } from "./redis/server-clock.ts";
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
/** Ids whose shards are remembered, to save a look-up at their settlement. */
const maxRemembered = 200_000;

export class RedisStore implements Store {
  readonly #url: RedisUrl;
  readonly #link: Link;
  readonly #shards: Shards;
  readonly #calls: ShardCalls;
  readonly #reservations: Reservations;
  readonly #clock: ServerClock;
  readonly #recordRetentionMs: number;
  /** By id, the other shards of holds made here. */
  readonly #remembered = new Map<string, number[]>();
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
      this.#remember(id, otherShards),
    );
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
    const results = await Promise.all(
      settlements.map((settlement) => this.#settleOne(settlement, touched)),
    );
    if (this.#url.waitReplicas > 0 && touched.size > 0) {
      await this.#link.waitForReplicas([...touched].map((shard) => shard.keys.meta));
    }
    return results;
  }

  async #settleOne(settlement: Settlement, touched: Set<Shard>): Promise<SettleResult> {
    const { id } = settlement;
    const claims = distinctClaims(settlement.claims);
    const home = this.#shards.homeOf(id);
    const groups = grouped(this.#shards, claims, home);
    const others = await this.#otherShards(id, home, groups);
    // Also where nothing is done any more: the first answer may have been lost.
    for (const shard of [home, ...(others ?? groups.keys())]) touched.add(shard);
    if (others === null) {
      const counters = await this.#reservations.views(id, claims, groups);
      return { id, duplicate: true, counters, charges: [] };
    }
    const claimsIn = (shard: Shard): DistinctClaims => groups.get(shard) ?? new Map();
    const parts = await Promise.all(
      others.map((shard) => this.#calls.settle(shard, settlement, claimsIn(shard), null)),
    );
    const otherShards = others.map(({ index }) => index);
    const last = await this.#calls.settle(home, settlement, claimsIn(home), { otherShards });
    this.#remembered.delete(id);
    const views = [last, ...parts].map(({ counters }) => counters);
    const charges = [last, ...parts].flatMap((part) => part.charges);
    return { id, duplicate: last.duplicate, counters: viewsOf(views, claims), charges };
  }

  async release(id: string): Promise<void> {
    checkId(id);
    await this.#ready();
    const home = this.#shards.homeOf(id);
    for (const shard of (await this.#otherShards(id, home, new Map())) ?? []) {
      await this.#calls.release(shard, id);
    }
    await this.#calls.release(home, id);
    this.#remembered.delete(id);
  }

  /**
   * Shards besides home that have claims of this id, or get them where the id is unknown.
   * null: the id is settled, in all its shards.
   */
  async #otherShards(id: string, home: Shard, groups: Groups): Promise<Shard[] | null> {
    const { all } = this.#shards;
    if (all.length === 1) return [];
    const remembered = this.#remembered.get(id);
    if (remembered !== undefined) return remembered.map((index) => all[index] as Shard);
    const { state, otherShards } = await this.#calls.lookup(home, id);
    if (state === "settled") return null;
    if (state === "unknown") return [...groups.keys()].filter((shard) => shard !== home);
    return otherShards.map((index) => all[index] as Shard);
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

  #remember(id: string, otherShards: number[]): void {
    this.#remembered.set(id, otherShards);
    if (this.#remembered.size <= maxRemembered) return;
    const [oldest] = this.#remembered.keys();
    if (oldest !== undefined) this.#remembered.delete(oldest);
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
