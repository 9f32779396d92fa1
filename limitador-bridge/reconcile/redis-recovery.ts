/** What recovery and comparison ask of Redis; over a connection of their own. */
import { parseCounterId } from "../ledger/counter.ts";
import { endedTtlMs } from "../ledger/hold.ts";
import { defaultRetentionMs, positionOf } from "../ledger/store/record-query.ts";
import { unitIndex } from "../ledger/store/redis/claim-args.ts";
import { Link } from "../ledger/store/redis/link.ts";
import type { RedisUrl } from "../ledger/store/redis/redis-url.ts";
import { scripts as storeScripts } from "../ledger/store/redis/script.ts";
import { clusterShards, type Shard, Shards } from "../ledger/store/redis/shards.ts";
import { format } from "../ledger/store/redis.ts";
import { UNITS } from "../ledger/store/store.ts";
import { windowAt, withCarryOver } from "../ledger/window.ts";
import { addTo } from "../multi-map.ts";
import { overAt, parseWindowName, type WindowSum, windowName } from "./charge-sums.ts";
import type { LedgerCounter } from "./compare.ts";
import type { ChargedAmount, LogEntry, Unlogged } from "./log-entry.ts";
import type { RecoveryCalls } from "./recovery.ts";
import { beatKey, replicasKey, reconcileScripts as scripts, sumsKey } from "./redis-scripts.ts";

export interface RedisRecoveryOptions {
  onWarning?: (message: string) => void;
  /** Told when a connection is cut off. */
  onCutOff?: () => void;
  timeoutMs?: number;
  /** Tests only: time for the restore script, in place of the server's. */
  nowMs?: () => number;
}

const KEPT_MS = 90 * 86_400_000;
const PAGE = 500;
const noAmounts = { total: 0, input: 0, output: 0, requests: 0, usd: 0 };

export class RedisRecovery implements RecoveryCalls {
  readonly #link: Link;
  readonly #shards: Shards;
  readonly #nowMs: (() => number) | undefined;

  constructor(url: RedisUrl, options: RedisRecoveryOptions = {}) {
    const { timeoutMs = 5_000, nowMs, ...told } = options;
    this.#link = new Link(url, { timeoutMs, ...told });
    this.#shards = new Shards(url.prefix, this.#link.isCluster ? clusterShards : 1);
    this.#nowMs = nowMs;
  }

  prepare(): Promise<void> {
    return this.#link.load([storeScripts.reserve, storeScripts.settle, scripts.restore]);
  }

  beats(replica: string): Promise<number[]> {
    const read = async ({ keys }: Shard) => {
      const [beat] = await this.#link.getAll([beatKey(keys.prefix, replica)]);
      return Number(beat ?? 0);
    };
    return Promise.all(this.#shards.all.map(read));
  }

  async writeBeats(replica: string, beats: number[]): Promise<void> {
    // Gone with the data, and needed by whoever opens the store next.
    const { all } = this.#shards;
    await this.#link.setOnce((all[0] as Shard).keys.meta, `${format}/${all.length}`);
    const write = ({ keys, index }: Shard) => {
      const args = [String(beats[index] ?? 0), String(KEPT_MS)];
      return this.#link.run(scripts.beat, [beatKey(keys.prefix, replica)], args);
    };
    await Promise.all(all.map(write));
  }

  async unknownIn(entries: LogEntry[]): Promise<number[][]> {
    const asked = new Map<Shard, { key: string; index: number }[]>();
    for (const [index, entry] of entries.entries()) {
      for (const shard of this.#shardsOf(entry)) {
        const { keys } = shard;
        const isRecord = entry.kind === "record";
        const key = isRecord ? keys.record(positionOf(entry.record)) : keys.ended(entry.id);
        addTo(asked, shard, { key, index });
      }
    }
    const unknown: number[][] = entries.map(() => []);
    const ask = async ([shard, keys]: [Shard, { key: string; index: number }[]]) => {
      const values = await this.#link.getAll(keys.map(({ key }) => key));
      keys.forEach(({ index }, at) => {
        if (values[at] === null) unknown[index]?.push(shard.index);
      });
    };
    await Promise.all([...asked].map(ask));
    return unknown;
  }

  /** Home last: it keeps the record, which says that all is done. */
  #shardsOf({ id, charges }: Pick<LogEntry, "id" | "charges">): Shard[] {
    const home = this.#shards.homeOf(id);
    const others = new Set(charges.map(({ shard }) => shard));
    others.delete(home.index);
    const { all } = this.#shards;
    return [...[...others].flatMap((index) => all[index] ?? []), home];
  }

  async restore(entry: LogEntry, shards: number[]): Promise<boolean> {
    let charged = false;
    for (const shard of this.#shardsOf(entry)) {
      if (!shards.includes(shard.index)) continue;
      charged = (await this.#restoreIn(shard, entry)) || charged;
    }
    return charged;
  }

  /** True where the store has the entry's record: ids are forgotten after a day, it is not. */
  async isRecorded({ id, record }: LogEntry): Promise<boolean> {
    const { keys } = this.#shards.homeOf(id);
    const [found] = await this.#link.getAll([keys.record(positionOf(record))]);
    return found !== null;
  }

  async #restoreIn(shard: Shard, entry: LogEntry): Promise<boolean> {
    const { keys } = shard;
    const { id, record, charges } = entry;
    const home = this.#shards.homeOf(id);
    const withRecord = shard === home;
    const position = positionOf(record);
    const requestId = record.requestId ?? "";
    const here = charges.filter((charge) => charge.shard === shard.index);
    const others = this.#shardsOf(entry).filter((one) => one !== home);
    const settled = entry.kind === "settled";
    const kind = settled && entry.provisional ? "provisional" : entry.kind;
    const amounts = settled ? entry.amounts : noAmounts;
    const [charged] = await this.#link.run(
      scripts.restore,
      [
        ...[keys.hold(id), keys.ended(id), keys.expiries, keys.names, keys.overs, keys.records],
        withRecord ? keys.record(position) : keys.records,
        withRecord && requestId !== "" ? keys.request(requestId) : keys.records,
        ...here.map(({ counterId }) => keys.counter(counterId)),
      ],
      [
        ...[this.#nowMs === undefined ? "" : String(this.#nowMs()), id, keys.prefix],
        ...UNITS.map((unit) => String(amounts[unit])),
        ...(withRecord ? [JSON.stringify(record), position, requestId] : ["", "", ""]),
        ...[defaultRetentionMs, endedTtlMs].map(String),
        kind === "record" ? "settled" : kind,
        withRecord ? others.map(({ index }) => index).join(",") : "",
        ...here.flatMap(chargeArgs),
      ],
    );
    return Number(charged) === 1;
  }

  /** What a hold that has expired was charged, in all its shards; null where it is not known. */
  async expiredEntry(id: string): Promise<Unlogged | null> {
    const home = this.#shards.homeOf(id);
    const first = await this.#ended(home, id);
    if (first === null || first.json === "") return null;
    const others = await Promise.all(
      first.otherShards.flatMap((index) => {
        const shard = this.#shards.all[index];
        return shard === undefined ? [] : [this.#ended(shard, id)];
      }),
    );
    const charges = [first, ...others].flatMap((part) => part?.charges ?? []);
    return { kind: "expired", id, record: JSON.parse(first.json), charges };
  }

  async #ended(shard: Shard, id: string) {
    const [state, json, , , parts, ...fields] = (
      await this.#link.run(scripts.ended, [shard.keys.ended(id)], [])
    ).map(String);
    if (state !== "expired") return null;
    const charges: ChargedAmount[] = [];
    for (let at = 0; at < fields.length; at += 6) {
      const [counterId = "", , limit, startMs, , amount] = fields.slice(at, at + 6);
      charges.push({
        counterId,
        ...{ shard: shard.index, limit: Number(limit), startMs: Number(startMs), replaced: 0 },
        ...{ carryPercent: 0, amount: Number(amount) },
      });
    }
    const [shards = ""] = (parts ?? "").split(";");
    return {
      json: json ?? "",
      otherShards: shards.split(",").filter(Boolean).map(Number),
      charges,
    };
  }

  async publish(replica: string, sums: WindowSum[]): Promise<void> {
    const { prefix } = (this.#shards.all[0] as Shard).keys;
    const keys = [sumsKey(prefix, replica), replicasKey(prefix)];
    for (let at = 0; at < sums.length; at += PAGE) {
      const fields = sums
        .slice(at, at + PAGE)
        .flatMap(({ counterId, startMs, sum }) => [windowName(counterId, startMs), String(sum)]);
      await this.#link.run(scripts.publish, keys, [replica, String(KEPT_MS), ...fields]);
    }
  }

  /** What all replicas say that they have charged. */
  async publishedSums(): Promise<WindowSum[]> {
    const { prefix } = (this.#shards.all[0] as Shard).keys;
    const replicas = await this.#link.run(scripts.replicas, [replicasKey(prefix)], []);
    const sums: WindowSum[] = [];
    for (const replica of replicas.map(String)) {
      let cursor = "0";
      do {
        const key = sumsKey(prefix, replica);
        const [next, ...told] = (await this.#link.run(scripts.sums, [key], [cursor])).map(String);
        for (let at = 0; at < told.length; at += 2) {
          sums.push({ ...parseWindowName(told[at] ?? ""), sum: Number(told[at + 1]) });
        }
        cursor = next ?? "0";
      } while (cursor !== "0");
    }
    return sums;
  }

  /** Every counter of the ledger as it is stored. */
  async counters(): Promise<LedgerCounter[]> {
    return (await Promise.all(this.#shards.all.map((shard) => this.#countersOf(shard)))).flat();
  }

  async #countersOf({ keys, index }: Shard): Promise<LedgerCounter[]> {
    const found: LedgerCounter[] = [];
    for (let after = ""; ; ) {
      const args = [keys.prefix, after, String(PAGE)];
      const [now, ...told] = (await this.#link.run(scripts.counters, [keys.names], args)).map(
        String,
      );
      for (let at = 0; at < told.length; at += 9) {
        const [counterId = "", start, end, used, held, limit, previousUsed] = told.slice(
          at,
          at + 9,
        );
        after = counterId;
        // The counter has gone since its name was read.
        if (start === "") continue;
        const numbers = { startMs: Number(start), endMs: Number(end), used: Number(used) };
        const more = { held: Number(held), limit: Number(limit) };
        const previous = { previousUsed: Number(previousUsed), shard: index, nowMs: Number(now) };
        found.push({ counterId, ...numbers, ...more, ...previous });
      }
      if (told.length < 9 * PAGE) return found;
    }
  }

  /** Adds to what a counter has used; below zero: takes away. */
  async correct(charge: ChargedAmount): Promise<void> {
    const { keys } = this.#shards.all[charge.shard] as Shard;
    const id = "correction";
    await this.#link.run(
      scripts.restore,
      [
        ...[keys.hold(id), keys.ended(id), keys.expiries, keys.names, keys.overs],
        ...[keys.records, keys.records, keys.records, keys.counter(charge.counterId)],
      ],
      [
        ...["", id, keys.prefix, "0", "0", "0", "0", "0", "", "", "", "0", "0", "correction", ""],
        ...chargeArgs(charge),
      ],
    );
  }

  /** The shard of a counter that the ledger does not have. */
  shardOf(key: string, shardBy: string): number {
    return this.#shards.ofClaim({ key, shardBy }).index;
  }

  ping(): Promise<void> {
    return this.#link.ping();
  }

  close(): Promise<void> {
    return this.#link.close();
  }
}

function chargeArgs(charge: ChargedAmount): string[] {
  const { counterId, limit, startMs, amount, carryPercent } = charge;
  const { unit, window: plain } = parseCounterId(counterId);
  const window = withCarryOver(plain, carryPercent);
  const { endMs } = windowAt(window, startMs);
  const numbers = [unitIndex(unit), limit, startMs, endMs, overAt(window, startMs)];
  return [counterId, ...[...numbers, amount, carryPercent].map(String)];
}
