/** One script call on one shard each: arguments in, typed answers out. */
import type { UsageRecord } from "../../../contract/usage-record.ts";
import { endedTtlMs } from "../../book.ts";
import { fits, parseCounterId } from "../../counter.ts";
import { positionOf } from "../record-query.ts";
import type { CounterView, LimitClaim, Settlement } from "../store.ts";
import { claimArgs, toldNumbers, toldState, toldView } from "./claim-args.ts";
import type { Link } from "./link.ts";
import { scripts } from "./script.ts";
import type { ServerClock } from "./server-clock.ts";
import type { Shard } from "./shards.ts";

/** Claims of one shard by counter id. */
export type ShardClaims = Map<string, LimitClaim>;

const expireBatch = 100;
const pruneBatch = 500;

export interface HoldArgs {
  holdMs: number;
  /** The record of the expiry, where it is kept in this shard. */
  record: UsageRecord | null;
  /** Indexes of the shards with further claims, for lookup. */
  otherShards: number[];
}

export interface Reserved {
  verdict: "denied" | "held" | "known";
  /** By counter id. */
  counters: Map<string, CounterView>;
  violated: CounterView[];
}

export interface SettledPart {
  duplicate: boolean;
  /** By counter id. */
  counters: Map<string, CounterView>;
}

export interface Known {
  state: "unknown" | "held" | "expired" | "settled";
  otherShards: number[];
}

export class ShardCalls {
  readonly #link: Link;
  readonly #clock: ServerClock;
  readonly #recordRetentionMs: number;

  constructor(link: Link, clock: ServerClock, recordRetentionMs: number) {
    this.#link = link;
    this.#clock = clock;
    this.#recordRetentionMs = recordRetentionMs;
  }

  /**
   * Holds the claims of one shard.
   * @param hold null: changes nothing, only says what would be
   */
  async reserve(
    { keys }: Shard,
    id: string,
    claims: ShardClaims,
    hold: HoldArgs | null,
  ): Promise<Reserved> {
    const { holdMs, record, otherShards } = hold ?? { holdMs: 0, record: null, otherShards: [] };
    const fixedKeys = [keys.hold(id), keys.ended(id), keys.expiries, keys.names, keys.overs];
    const reply = await this.#withClaims(
      scripts.reserve,
      [...fixedKeys, ...[...claims.keys()].map(keys.counter)],
      [id, String(holdMs), ...recordArgs(record), otherShards.join(",")],
      claims,
    );
    const [code, nowMs] = reply.map(Number) as [number, number];
    const verdict = (["denied", "held", "known"] as const)[code] ?? "denied";
    const counters = toldClaims(claims, reply, nowMs);
    const violated: CounterView[] = [];
    [...claims].forEach(([counterId, claim], index) => {
      const { state, timeMs } = toldState(claim, toldAt(reply, 2 + index * toldNumbers), nowMs);
      const over = claim.enforced && !fits(state, claim.reserve, timeMs);
      if (verdict === "denied" && over) violated.push(counters.get(counterId) as CounterView);
    });
    return { verdict, counters, violated };
  }

  /** @param withRecord the record is kept in this shard */
  async settle(
    { keys }: Shard,
    settlement: Settlement,
    claims: ShardClaims,
    withRecord: boolean,
  ): Promise<SettledPart> {
    const { id, amounts, record } = settlement;
    const recordKey = withRecord ? keys.record(positionOf(record)) : keys.records;
    const requestKey =
      withRecord && record.requestId ? keys.request(record.requestId) : keys.records;
    const fixedKeys = [keys.hold(id), keys.ended(id), keys.expiries, keys.names, keys.overs];
    const { total, input, output, requests, usd } = amounts;
    const reply = await this.#withClaims(
      scripts.settle,
      [...fixedKeys, keys.records, recordKey, requestKey, ...[...claims.keys()].map(keys.counter)],
      [
        ...[id, keys.prefix],
        ...[total, input, output, requests, usd].map(String),
        ...recordArgs(withRecord ? record : null),
        ...[this.#recordRetentionMs, endedTtlMs].map(String),
      ],
      claims,
    );
    const [code, nowMs] = reply.map(Number) as [number, number];
    if (code === 0) return { duplicate: false, counters: toldCounters(reply, 2, nowMs) };
    return { duplicate: code === 2, counters: toldClaims(claims, reply, nowMs) };
  }

  async release({ keys }: Shard, id: string): Promise<void> {
    await this.#link.run(
      scripts.release,
      [keys.hold(id), keys.expiries, keys.names, keys.overs],
      [this.#clock.override(), id, keys.prefix],
    );
  }

  async lookup({ keys }: Shard, id: string): Promise<Known> {
    const [state, text] = await this.#link.run(scripts.lookup, [keys.hold(id), keys.ended(id)], []);
    const states = ["unknown", "held", "expired", "settled"] as const;
    const otherShards = String(text).split(",").filter(Boolean).map(Number);
    return { state: states[Number(state)] ?? "unknown", otherShards };
  }

  /** Ends the shard's holds that are over; returns ids and expiries of those with a record. */
  async expire({ keys }: Shard): Promise<{ id: string; expiryMs: number }[]> {
    const expired: { id: string; expiryMs: number }[] = [];
    for (;;) {
      const [count, ...told] = await this.#link.run(
        scripts.expire,
        [keys.expiries, keys.names, keys.overs, keys.records],
        [
          ...[this.#clock.override(), keys.prefix],
          ...[expireBatch, this.#recordRetentionMs, endedTtlMs].map(String),
        ],
      );
      for (let at = 0; at < told.length; at += 2) {
        expired.push({ id: String(told[at]), expiryMs: Number(told[at + 1]) });
      }
      if (Number(count) < expireBatch) return expired;
    }
  }

  /** Drops counters that are over and records from before the position. */
  async prune({ keys }: Shard, beforePosition: string): Promise<void> {
    await this.#link.run(
      scripts.prune,
      [keys.names, keys.overs, keys.records],
      [this.#clock.override(), keys.prefix, String(pruneBatch), beforePosition],
    );
  }

  async append({ keys }: Shard, record: UsageRecord): Promise<void> {
    const [json = "", position = "", requestId = ""] = recordArgs(record);
    const requestKey = requestId === "" ? keys.records : keys.request(requestId);
    await this.#link.run(
      scripts.append,
      [keys.records, keys.record(position), requestKey],
      [keys.prefix, position, requestId, json, String(this.#recordRetentionMs)],
    );
  }

  /** Up to `limit` counters of the shard whose key begins with `prefix`. */
  async counters({ keys }: Shard, prefix: string, limit: number): Promise<CounterView[]> {
    const reply = await this.#link.run(
      scripts.listCounters,
      [keys.names],
      [this.#clock.override(), keys.prefix, prefix, String(limit)],
    );
    return [...toldCounters(reply, 1, Number(reply[0])).values()];
  }

  /** Runs a script that ends in claims; once more where the calendar did not reach. */
  async #withClaims(
    script: (typeof scripts)["reserve" | "settle"],
    keys: string[],
    args: string[],
    claims: ShardClaims,
  ): Promise<unknown[]> {
    const run = () => {
      const nowMs = this.#clock.nowMs();
      const packed = [...claims].flatMap(([id, claim]) => claimArgs(id, claim, nowMs));
      return this.#link.run(script, keys, [this.#clock.override(), ...args, ...packed]);
    };
    const reply = await run();
    this.#clock.told(Number(reply[1]));
    return Number(reply[0]) === -1 ? run() : reply;
  }
}

/** Record, position and request id as script arguments. */
function recordArgs(record: UsageRecord | null): [string, string, string] {
  if (record === null) return ["", "", ""];
  return [JSON.stringify(record), positionOf(record), record.requestId ?? ""];
}

function toldAt(reply: unknown[], at: number): unknown[] {
  return reply.slice(at, at + toldNumbers);
}

/** Counters of claims, told in their order from the third place on. */
function toldClaims(claims: ShardClaims, reply: unknown[], nowMs: number) {
  const views = new Map<string, CounterView>();
  for (const [counterId, claim] of claims) {
    const at = 2 + views.size * toldNumbers;
    views.set(counterId, toldView(claim, toldAt(reply, at), nowMs));
  }
  return views;
}

/** Counters told as id, limit and numbers each. */
function toldCounters(reply: unknown[], from: number, nowMs: number) {
  const views = new Map<string, CounterView>();
  for (let at = from; at < reply.length; at += 2 + toldNumbers) {
    const id = String(reply[at]);
    const spec = { ...parseCounterId(id), limit: Number(reply[at + 1]) };
    views.set(id, toldView(spec, toldAt(reply, at + 2), nowMs));
  }
  return views;
}
