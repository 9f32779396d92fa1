/** One script call on one shard each: arguments in, typed answers out. */
import type { UsageRecord } from "../../../contract/usage-record.ts";
import { endedTtlMs } from "../../book.ts";
import type { DistinctClaims } from "../../claims.ts";
import { fits, viewOf } from "../../counter.ts";
import { positionOf } from "../record-query.ts";
import type { Charge, CounterView, LimitClaim, Settlement } from "../store.ts";
import { claimArg, toldState, toldView } from "./claim-args.ts";
import type { Link } from "./link.ts";
import { scripts } from "./script.ts";
import type { ServerClock } from "./server-clock.ts";
import type { Shard } from "./shards.ts";

const expireBatch = 100;
const pruneBatch = 500;
const onlyAsk = { holdMs: 0, record: null, otherShards: [], option: 0 };

export interface HoldArgs {
  holdMs: number;
  /** The record of the expiry, where it is kept in this shard. */
  record: UsageRecord | null;
  /** Indexes of the shards with further claims, for lookup. */
  otherShards: number[];
  /** Number of the first of the options given. */
  option: number;
}

/** By counter id. */
export type Views = Map<string, CounterView>;

export interface Reserved {
  verdict: "denied" | "held" | "known";
  /** Which is held, now or before. */
  option: number;
  /** Of the option that is held now; else of all, in their order. */
  answers: Answer[];
}

export interface Answer {
  counters: Views;
  violated: Views;
}

export interface SettledPart {
  duplicate: boolean;
  counters: Views;
  charges: Charge[];
}

export interface Known {
  /** ended: what it was charged may be corrected. */
  state: "unknown" | "held" | "ended" | "settled";
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
   * Holds the claims in one shard of the first option that fits.
   * @param hold null: changes nothing, only says what would be
   */
  async reserve(
    { keys }: Shard,
    id: string,
    options: DistinctClaims[],
    hold: HoldArgs | null,
  ): Promise<Reserved> {
    const { holdMs, record, otherShards, option } = hold ?? onlyAsk;
    const fixedKeys = [keys.hold(id), keys.ended(id), keys.expiries, keys.names, keys.overs];
    const claims = options.flatMap((one) => [...one]);
    const sizes = options.map(({ size }) => size).join(" ");
    const reply = await this.#withClaims(
      scripts.reserve,
      [...fixedKeys, ...claims.map(([counterId]) => keys.counter(counterId))],
      [id, String(holdMs), ...recordArgs(record), otherShards.join(","), String(option), sizes],
      claims,
    );
    const [code, taken] = [Number(reply[0]), Number(reply[2])];
    const verdict = (["denied", "held", "known"] as const)[code] ?? "denied";
    const told = verdict === "held" ? options.slice(taken - option, taken - option + 1) : options;
    return { verdict, option: taken, answers: toldOptions(told, reply, verdict === "denied") };
  }

  /** @param home the record is kept in this shard, and these other shards are charged */
  async settle(
    { keys, index }: Shard,
    settlement: Settlement,
    claims: DistinctClaims,
    home: { otherShards: number[] } | null,
  ): Promise<SettledPart> {
    const { id, amounts, record, provisional } = settlement;
    const withRecord = home !== null;
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
        `${total} ${input} ${output} ${requests} ${usd}`,
        ...recordArgs(withRecord ? record : null),
        ...[this.#recordRetentionMs, endedTtlMs].map(String),
        ...[provisional === true ? "1" : "", home?.otherShards.join(",") ?? ""],
      ],
      [...claims],
    );
    const [code, nowMs] = [Number(reply[0]), Number(reply[1])];
    const counters =
      code === 0
        ? toldCounters(reply.slice(2, -1), nowMs, claims)
        : toldClaims(claims, reply, 2).counters;
    const charges = toldCharges(reply, index, counters);
    return { duplicate: code === 2, counters, charges };
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
    const states = ["unknown", "held", "ended", "settled"] as const;
    const [shards = ""] = String(text).split(";");
    const otherShards = shards.split(",").filter(Boolean).map(Number);
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
    return [...toldCounters(reply.slice(1), Number(reply[0]), new Map()).values()];
  }

  /** Runs a script that ends in claims; once more where the calendar did not reach. */
  async #withClaims(
    script: (typeof scripts)["reserve" | "settle"],
    keys: string[],
    args: string[],
    claims: [string, LimitClaim][],
  ): Promise<unknown[]> {
    const run = () => {
      const nowMs = this.#clock.nowMs();
      const packed = claims.map(([, claim]) => claimArg(claim, nowMs));
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

/** What a reservation's reply says of options, from the fourth place on. */
function toldOptions(options: DistinctClaims[], reply: unknown[], denied: boolean): Answer[] {
  let at = 3;
  return options.map((claims) => {
    const answer = toldClaims(claims, reply, at);
    at += claims.size;
    return denied ? answer : { ...answer, violated: new Map() };
  });
}

/** Counters of claims, told in their order, and those in which an enforced claim does not fit. */
function toldClaims(claims: DistinctClaims, reply: unknown[], from: number): Answer {
  const nowMs = Number(reply[1]);
  const counters: Views = new Map();
  const violated: Views = new Map();
  for (const [counterId, claim] of claims) {
    const { state, timeMs } = toldState(claim, reply[from + counters.size], nowMs);
    const view = viewOf(state, timeMs);
    counters.set(counterId, view);
    if (claim.enforced && !fits(state, claim, timeMs)) violated.set(counterId, view);
  }
  return { counters, violated };
}

/** Where a settlement was charged: the text at the end of its reply. */
function toldCharges(reply: unknown[], shard: number, counters: Views): Charge[] {
  const numbers = String(reply.at(-1)).split(" ").map(Number);
  return [...counters.keys()].map((counterId, index) => {
    const [startMs = 0, replaced = 0, limit = 0, carryPercent = 0] = numbers.slice(4 * index);
    return { counterId, shard, limit, startMs, replaced, carryPercent };
  });
}

/** Counters told as id, limit and text each. */
function toldCounters(told: unknown[], nowMs: number, claims: DistinctClaims): Views {
  const views: Views = new Map();
  for (let at = 0; at + 2 < told.length; at += 3) {
    const [id, limit] = [String(told[at]), Number(told[at + 1])];
    views.set(id, toldView(id, limit, told[at + 2], nowMs, claims.get(id)));
  }
  return views;
}
