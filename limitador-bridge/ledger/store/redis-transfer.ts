/** A Redis store as rows, to be copied. Services must not use it meanwhile. */
import { addTo } from "../../multi-map.ts";
import { type CounterState, isOver, parseCounterId } from "../counter.ts";
import { type Ended, endedTtlMs, type HeldClaim, type Hold } from "../hold.ts";
import { carryPercent, windowAt, withCarryOver } from "../window.ts";
import { defaultRetentionMs, positionOf } from "./record-query.ts";
import { unitIndex } from "./redis/claim-args.ts";
import { Link } from "./redis/link.ts";
import {
  dumpCountersLua,
  dumpEndedLua,
  dumpHoldsLua,
  putCounterLua,
  putHoldLua,
  putSettledLua,
} from "./redis/lua/transfer.ts";
import { parseRedisUrl } from "./redis/redis-url.ts";
import { script, scripts } from "./redis/script.ts";
import { clusterShards, type Shard, Shards } from "./redis/shards.ts";
import { RedisStore } from "./redis.ts";
import { StoreError } from "./store-error.ts";
import type { TransferRow, TransferStore } from "./transfer.ts";

const own = {
  dumpCounters: script("dump-counters", dumpCountersLua),
  dumpHolds: script("dump-holds", dumpHoldsLua),
  dumpEnded: script("dump-ended", dumpEndedLua),
  putCounter: script("put-counter", putCounterLua),
  putHold: script("put-hold", putHoldLua),
  putSettled: script("put-settled", putSettledLua),
};
const page = 500;
const longWaitMs = 30_000;

/**
 * @param shardByOf what keeps counters together on a cluster, told from a key (LimitClaim.shardBy)
 * @throws StoreError unavailable, or corrupt where the data is of another layout.
 */
export async function openRedisTransfer(
  url: string,
  shardByOf: (key: string) => string,
): Promise<TransferStore> {
  const store = new RedisStore(url);
  try {
    await store.ping();
  } catch (error) {
    await store.close();
    throw error;
  }
  return new RedisTransfer(url, store, shardByOf);
}

/**
 * Whether no store was ever opened there. Changes nothing.
 * @throws StoreError unavailable
 */
export async function isUnusedRedis(url: string): Promise<boolean> {
  const parsed = parseRedisUrl(url);
  const link = new Link(parsed, { timeoutMs: longWaitMs });
  try {
    const [first] = new Shards(parsed.prefix, link.isCluster ? clusterShards : 1).all;
    const [found] = await link.getAll([(first as Shard).keys.meta]);
    return found === null;
  } finally {
    await link.close();
  }
}

/** Holds of one id from several shards, put together. */
class Parts {
  readonly holds = new Map<string, { hold: Hold; state: string; leftMs: number }>();

  /** @param told id, ms left, its record, then the fields of prelude.ts */
  add([id = "", left, record = "", state = "", json, ...rest]: string[]): void {
    const [position = "", , shards = "", ...fields] = rest;
    const claims: HeldClaim[] = [];
    for (let at = 0; at < fields.length; at += 6) claims.push(heldClaim(fields.slice(at, at + 6)));
    const known = this.holds.get(id);
    // Only home keeps the record.
    if (json === "" && known !== undefined) {
      known.hold.claims.push(...claims);
      return;
    }
    const others = known?.hold.claims ?? [];
    const expiryRecord = record === "" || record === "1" ? null : JSON.parse(record);
    const parts = /^\d+$/.test(position) ? Number(position) : null;
    const hold = {
      id,
      expiresAtMs: Number(state) || 0,
      option: Number(shards.split(";")[1] ?? 0),
      parts,
      claims: [...claims, ...others],
      expiryRecord: expiryRecord ?? known?.hold.expiryRecord ?? null,
    };
    this.holds.set(id, { hold, state, leftMs: Number(left) });
  }
}

function heldClaim([counterId = "", , limit, startMs, reserve, onExpiry]: string[]): HeldClaim {
  const numbers = { limit: Number(limit), startMs: Number(startMs) };
  const more = { reserve: Number(reserve), onExpiry: Number(onExpiry) };
  return { counterId, ...parseCounterId(counterId), ...numbers, ...more };
}

class RedisTransfer implements TransferStore {
  readonly #store: RedisStore;
  readonly #link: Link;
  readonly #shards: Shards;
  readonly #shardByOf: (key: string) => string;

  constructor(url: string, store: RedisStore, shardByOf: (key: string) => string) {
    const parsed = parseRedisUrl(url);
    this.#store = store;
    this.#link = new Link(parsed, { timeoutMs: longWaitMs });
    this.#shards = new Shards(parsed.prefix, this.#link.isCluster ? clusterShards : 1);
    this.#shardByOf = shardByOf;
  }

  async *rows(): AsyncGenerator<TransferRow> {
    for (const shard of this.#shards.all) yield* this.#counters(shard);
    const parts = new Parts();
    for (const shard of this.#shards.all) await this.#holds(shard, parts);
    for (const [id, { hold }] of parts.holds) yield { kind: "hold", id, hold };
    yield* this.#ended();
    for (let cursor: string | undefined; ; ) {
      const at = cursor === undefined ? {} : { cursor };
      const { records, next } = await this.#store.records({ limit: 1000, ...at });
      for (const record of records) yield { kind: "record", id: record.id, record };
      if (next === null) return;
      cursor = next;
    }
  }

  async *#counters({ keys }: Shard): AsyncGenerator<TransferRow> {
    for (let after = ""; ; ) {
      const args = [keys.prefix, after, String(page)];
      const [now, ...told] = (await this.#link.run(own.dumpCounters, [keys.names], args)).map(
        String,
      );
      for (let at = 0; at < told.length; at += 9) {
        const [id = "", ...fields] = told.slice(at, at + 9);
        after = id;
        const state = fields[0] === "" ? null : counterState(id, fields);
        if (state !== null && !isOver(state, Number(now))) yield { kind: "counter", id, state };
      }
      if (told.length < 9 * page) return;
    }
  }

  async #holds({ keys }: Shard, parts: Parts): Promise<void> {
    for (let offset = 0; ; offset += page) {
      const args = [keys.prefix, String(offset), String(page)];
      const told = (await this.#link.run(own.dumpHolds, [keys.expiries], args)) as unknown[][];
      for (const hold of told) parts.add(hold.map(String));
      if (told.length === 0) return;
    }
  }

  async *#ended(): AsyncGenerator<TransferRow> {
    const parts = new Parts();
    const nowMs = Date.now();
    const atMs = (leftMs: number) => nowMs - (endedTtlMs - leftMs);
    for (const shard of this.#shards.all) {
      // SCAN may tell a key twice.
      const seen = new Set<string>();
      const { keys } = shard;
      const pattern = `${keys.prefix.replace(/[?*[\]\\]/g, "\\$&")}e:*`;
      let cursor = "0";
      do {
        const args = [keys.prefix, cursor, pattern];
        const [next, ...found] = await this.#link.run(own.dumpEnded, [keys.meta], args);
        for (const told of found as unknown[][]) {
          const [id = "", left] = told.map(String);
          if (seen.has(id)) continue;
          seen.add(id);
          if (told.length > 2) parts.add(told.map(String));
          else if (this.#shards.homeOf(id) === shard) {
            yield { kind: "ended", id, ended: { state: "settled", atMs: atMs(Number(left)) } };
          }
        }
        cursor = String(next);
      } while (cursor !== "0");
    }
    for (const [id, { hold, state, leftMs }] of parts.holds) {
      if (state !== "expired" && state !== "provisional") continue;
      yield { kind: "ended", id, ended: { state, atMs: atMs(leftMs), hold } };
    }
  }

  async write(rows: TransferRow[]): Promise<void> {
    await Promise.all(rows.map((row) => this.#writeRow(row)));
  }

  async #writeRow(row: TransferRow): Promise<void> {
    switch (row.kind) {
      case "counter":
        return this.#putCounter(row.id, row.state);
      case "hold":
        return this.#putHold(row.hold, String(row.hold.expiresAtMs), null);
      case "ended":
        return this.#putEnded(row.id, row.ended);
      case "record": {
        const { keys } = this.#shards.homeOf(row.id);
        const position = positionOf(row.record);
        const requestId = row.record.requestId ?? "";
        const requestKey = requestId === "" ? keys.records : keys.request(requestId);
        await this.#link.run(
          scripts.append,
          [keys.records, keys.record(position), requestKey],
          [
            ...[keys.prefix, position, requestId, JSON.stringify(row.record)],
            String(defaultRetentionMs),
          ],
        );
      }
    }
  }

  #shardOf(key: string): Shard {
    return this.#shards.ofClaim({ key, shardBy: this.#shardByOf(key) });
  }

  async #putCounter(id: string, state: CounterState): Promise<void> {
    const { keys } = this.#shardOf(state.key);
    const { window, startMs, endMs, previousStartMs, previousLimit } = state;
    const percent = carryPercent(window);
    const nextEndMs = windowAt(window, endMs).endMs;
    const follows = window.kind === "sliding" || percent > 0;
    const overMs = follows ? nextEndMs : endMs;
    const fields = {
      ...{ s: startMs, e: endMs, u: state.used, h: state.held, l: state.limit },
      ...(follows ? { p: state.previousUsed, q: state.previousHeld } : {}),
      ...(percent > 0 ? { c: `${previousStartMs} ${previousLimit} ${percent} ${overMs}` } : {}),
    };
    const pairs = Object.entries(fields).flatMap(([name, value]) => [name, String(value)]);
    await this.#link.run(
      own.putCounter,
      [keys.counter(id), keys.names, keys.overs],
      [id, String(overMs), String(Math.max(0, overMs - Date.now()) + 60_000), ...pairs],
    );
  }

  async #putEnded(id: string, ended: Ended): Promise<void> {
    const leftMs = Math.max(1, ended.atMs + endedTtlMs - Date.now());
    if (ended.state !== "settled") return this.#putHold(ended.hold, ended.state, leftMs);
    const { keys } = this.#shards.homeOf(id);
    await this.#link.run(own.putSettled, [keys.ended(id)], [String(leftMs)]);
  }

  /** @param state expiry of a hold, or expired or provisional, which go after `leftMs` */
  async #putHold(hold: Hold, state: string, leftMs: number | null): Promise<void> {
    const { id, option, parts, claims, expiryRecord } = hold;
    const home = this.#shards.homeOf(id);
    const byShard = new Map<Shard, HeldClaim[]>([[home, []]]);
    for (const claim of claims) addTo(byShard, this.#shardOf(claim.key), claim);
    const others = [...byShard.keys()].slice(1).map(({ index }) => index);
    const shards = `${others.join(",")}${option > 0 ? `;${option}` : ""}`;
    const json =
      state === "provisional" || expiryRecord === null ? "1" : JSON.stringify(expiryRecord);
    const ofRecord =
      expiryRecord === null
        ? [String(parts), ""]
        : [positionOf(expiryRecord), expiryRecord.requestId ?? ""];
    for (const [shard, held] of byShard) {
      const { keys } = shard;
      const record = shard === home ? json : "";
      await this.#link.run(
        own.putHold,
        [leftMs === null ? keys.hold(id) : keys.ended(id), keys.expiries],
        [
          ...[id, leftMs === null ? state : "", leftMs === null ? "" : String(leftMs)],
          ...[state, record, ...ofRecord, shards],
          ...held.flatMap(claimFields),
        ],
      );
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#link.close(), this.#store.close()]);
  }
}

function claimFields({ counterId, unit, limit, startMs, reserve, onExpiry }: HeldClaim): string[] {
  const index = unitIndex(unit);
  return [counterId, ...[index, limit, startMs, reserve, onExpiry].map(String)];
}

/** @param fields s e u h l p q c */
function counterState(id: string, fields: string[]): CounterState {
  const [startMs = 0, endMs = 0, used = 0, held = 0, limit = 0, p = 0, q = 0] = fields.map(Number);
  const [previousStartMs = 0, previousLimit = 0, percent = 0] = (fields[7] ?? "")
    .split(" ")
    .map(Number);
  const { window, ...names } = parseCounterId(id);
  const all = { startMs, endMs, used, held, limit, previousUsed: p, previousHeld: q };
  if (!Object.values(all).every(Number.isSafeInteger)) {
    throw new StoreError("corrupt", `counter ${JSON.stringify(id)} cannot be read`);
  }
  const carried = { previousStartMs, previousLimit };
  return { ...names, window: withCarryOver(window, percent), ...all, ...carried };
}
