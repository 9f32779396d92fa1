/** One script call on one shard each: arguments in, typed answers out. */
import type { UsageRecord } from "../../../contract/usage-record.ts";
import type { DistinctClaims } from "../../claims.ts";
import { fits, viewOf } from "../../counter.ts";
import { endedTtlMs } from "../../hold.ts";
import { positionOf } from "../record-query.ts";
import {
  type Charge,
  type CounterView,
  type LimitClaim,
  type Settlement,
  UNITS,
} from "../store.ts";
import { claimArg, toldState, toldView } from "./claim-args.ts";
import type { Link } from "./link.ts";
import { scripts } from "./script.ts";
import type { ServerClock } from "./server-clock.ts";
import type { Shard } from "./shards.ts";

const expireBatch = 100;
const pruneBatch = 500;
/** Counters looked at in one call, and in all; some of them may be over. */
const listPage = { least: 50, most: 500 };
const maxListed = 10_000;
/** What a lease has in the place of a record, in its home shard. */
const leaseRecord = "1";

/** What is to be held in one shard, and how often. */
export interface Asked {
  id: string;
  options: DistinctClaims[];
  /** Of a lease. */
  parts?: number | undefined;
}

export interface HoldArgs {
  holdMs: number;
  /** This shard tells that it has ended. */
  isHome: boolean;
  /** One for each option, all of one id, time and request id. */
  records: UsageRecord[];
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

export interface SettleArgs {
  /** Charged where neither hold nor lease is known. */
  claims: DistinctClaims;
  /** Given: the record is kept in this shard, and these other shards are charged. */
  home: { otherShards: number[] } | null;
  /** Id of a lease that this shard may know. */
  lease: string | null;
}

export interface SettledPart {
  /** What was charged: that of the hold or lease, the settlement's own claims, or nothing. */
  by: "hold" | "claims" | "duplicate";
  counters: Views;
  charges: Charge[];
  replaced: UsageRecord | null;
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
    { id, options, parts }: Asked,
    hold: HoldArgs | null,
  ): Promise<Reserved> {
    const { holdMs = 0, otherShards = [], option = 0 } = hold ?? {};
    const fixedKeys = [keys.hold(id), keys.ended(id), keys.expiries, keys.names, keys.overs];
    const claims = options.flatMap((one) => [...one]);
    const sizes = options.map(({ size }) => size).join(" ");
    const reply = await this.#withClaims(
      scripts.reserve,
      [...fixedKeys, ...claims.map(([counterId]) => keys.counter(counterId))],
      [
        ...[id, String(holdMs), ...expiryArgs(hold, parts)],
        ...[otherShards.join(","), String(option), sizes],
      ],
      { claims, after: parts === undefined ? furtherRecords(hold) : [] },
    );
    const [code, taken] = [Number(reply[0]), Number(reply[2])];
    const verdict = (["denied", "held", "known"] as const)[code] ?? "denied";
    const told = verdict === "held" ? options.slice(taken - option, taken - option + 1) : options;
    const answers = toldOptions(told, reply, { parts, isDenied: verdict === "denied" });
    return { verdict, option: taken, answers };
  }

  async settle(
    { keys, index }: Shard,
    settlement: Settlement,
    { claims, home, lease }: SettleArgs,
  ): Promise<SettledPart> {
    const { id, amounts, record, provisional } = settlement;
    const withRecord = home !== null;
    const recordKey = withRecord ? keys.record(positionOf(record)) : keys.records;
    const requestKey =
      withRecord && record.requestId ? keys.request(record.requestId) : keys.records;
    const fixedKeys = [keys.hold(id), keys.ended(id), keys.expiries, keys.names, keys.overs];
    const reply = await this.#withClaims(
      scripts.settle,
      [
        ...[...fixedKeys, keys.records, recordKey, requestKey],
        ...[...claims.keys()].map(keys.counter),
        ...(lease === null ? [] : [keys.hold(lease)]),
      ],
      [
        ...[id, keys.prefix],
        UNITS.map((unit) => amounts[unit]).join(" "),
        ...recordArgs(withRecord ? record : null),
        ...[this.#recordRetentionMs, endedTtlMs].map(String),
        `${provisional === true ? "p" : ""}${lease === null ? "" : "l"}`,
        home?.otherShards.join(",") ?? "",
      ],
      { claims: [...claims] },
    );
    const [code, nowMs] = [Number(reply[0]), Number(reply[1])];
    const counters =
      code === 0
        ? toldCounters(reply.slice(4), nowMs, claims)
        : toldClaims(claims, reply, { from: 4 }).counters;
    const charges = toldCharges(String(reply[2]), index, counters);
    const by = (["hold", "claims", "duplicate"] as const)[code] ?? "duplicate";
    const replaced = reply[3] === "" ? null : (JSON.parse(String(reply[3])) as UsageRecord);
    return { by, counters, charges, replaced };
  }

  async release({ keys }: Shard, id: string): Promise<void> {
    await this.#link.run(
      scripts.release,
      [keys.hold(id), keys.expiries, keys.names, keys.overs],
      [this.#clock.override(), id, keys.prefix],
    );
  }

  /** Leaves a lease no more than so many parts in this shard. */
  async shrink({ keys }: Shard, id: string, parts: number): Promise<void> {
    await this.#link.run(
      scripts.shrink,
      [keys.hold(id), keys.expiries, keys.names, keys.overs],
      [this.#clock.override(), id, keys.prefix, String(parts)],
    );
  }

  async lookup({ keys }: Shard, id: string): Promise<Known> {
    const [state, text] = await this.#link.run(scripts.lookup, [keys.hold(id), keys.ended(id)], []);
    const states = ["unknown", "held", "ended", "settled"] as const;
    const [shards = ""] = String(text).split(";");
    const otherShards = shards.split(",").filter(Boolean).map(Number);
    return { state: states[Number(state)] ?? "unknown", otherShards };
  }

  /** Ends the shard's holds that are over; returns ids and expiries of those whose home it is. */
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

  /** At least the first `limit` counters of the shard whose id begins with `prefix`. */
  async counters({ keys }: Shard, prefix: string, limit: number): Promise<CounterView[]> {
    const views: CounterView[] = [];
    let after = "";
    for (let listed = 0; listed < maxListed && views.length < limit; ) {
      const page = Math.min(listPage.most, Math.max(listPage.least, limit - views.length));
      const [nowMs, next, ...told] = await this.#link.run(
        scripts.listCounters,
        [keys.names],
        [this.#clock.override(), keys.prefix, prefix, String(page), after],
      );
      views.push(...toldCounters(told, Number(nowMs), new Map()).values());
      if (next === "") break;
      after = String(next);
      listed += page;
    }
    return views;
  }

  /** Runs a script with claims as its last arguments; again where the calendar did not reach. */
  async #withClaims(
    script: (typeof scripts)["reserve" | "settle"],
    keys: string[],
    args: string[],
    { claims, after = [] }: { claims: [string, LimitClaim][]; after?: string[] },
  ): Promise<unknown[]> {
    const run = () => {
      const nowMs = this.#clock.nowMs();
      const packed = claims.map(([, claim]) => claimArg(claim, nowMs));
      const all = [this.#clock.override(), ...args, ...packed, ...after];
      return this.#link.run(script, keys, all);
    };
    const reply = await run();
    this.#clock.told(Number(reply[1]));
    return Number(reply[0]) === -1 ? run() : reply;
  }
}

/** Record, position and request id of a hold's end, or parts, as script arguments. */
function expiryArgs(hold: HoldArgs | null, parts: number | undefined): [string, string, string] {
  if (parts !== undefined) return [hold?.isHome ? leaseRecord : "", String(parts), ""];
  return recordArgs(hold?.isHome ? (hold.records[0] ?? null) : null);
}

/** Records of the options after the first, as script arguments. */
function furtherRecords(hold: HoldArgs | null): string[] {
  return hold?.isHome ? hold.records.slice(1).map((record) => JSON.stringify(record)) : [];
}

/** Record, position and request id as script arguments. */
function recordArgs(record: UsageRecord | null): [string, string, string] {
  if (record === null) return ["", "", ""];
  return [JSON.stringify(record), positionOf(record), record.requestId ?? ""];
}

/** What a reservation's reply says of options, from the fourth place on. */
function toldOptions(
  options: DistinctClaims[],
  reply: unknown[],
  { parts, isDenied }: { parts: number | undefined; isDenied: boolean },
): Answer[] {
  let from = 3;
  return options.map((claims) => {
    const answer = toldClaims(claims, reply, { from, parts });
    from += claims.size;
    return isDenied ? answer : { ...answer, violated: new Map() };
  });
}

/** Counters of claims, told in their order, and those in which an enforced claim does not fit. */
function toldClaims(
  claims: DistinctClaims,
  reply: unknown[],
  { from, parts = 1 }: { from: number; parts?: number | undefined },
): Answer {
  const nowMs = Number(reply[1]);
  const counters: Views = new Map();
  const violated: Views = new Map();
  for (const [counterId, claim] of claims) {
    const { state, timeMs } = toldState(claim, reply[from + counters.size], nowMs);
    const view = viewOf(state, timeMs);
    counters.set(counterId, view);
    const terms = { ...claim, reserve: claim.reserve * parts };
    if (claim.enforced && !fits(state, terms, timeMs)) violated.set(counterId, view);
  }
  return { counters, violated };
}

/** Where a settlement was charged, as its reply tells. */
function toldCharges(text: string, shard: number, counters: Views): Charge[] {
  const numbers = text.split(" ").map(Number);
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
