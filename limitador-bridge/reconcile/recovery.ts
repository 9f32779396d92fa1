/**
 * Sees to it that all that this process has logged is in the store, also after FLUSHALL, a restart
 * that lost the last second or all of it, or a fail-over to a replica that was behind.
 *
 * Four times a second the entries logged since the last time are looked up, and given to the store
 * again where it does not know them. Then a beat (`at` of the newest of them) is written to every
 * shard. Redis loses the newest writes first, so a shard with a beat has all entries up to it; and
 * a beat that is older than the last one written, or none, says from where on a shard has lost
 * its data. Then no decision is made by the store until it has got them back.
 *
 * Every replica does this for its own log. An entry counts once by its id, whoever gives it and
 * how often, so that replicas need no agreement.
 */
import { StoreError } from "../ledger/store/store-error.ts";
import type { ChargeSums, WindowSum } from "./charge-sums.ts";
import type { LogEntry } from "./log-entry.ts";
import type { RecordLog } from "./record-log.ts";

/** What recovery asks of the store. All throw StoreError unavailable where it is away. */
export interface RecoveryCalls {
  /** Called before a store that was not looked at yet is used. */
  prepare(): Promise<void>;
  /** By shard, the last beat of this replica; 0: none. */
  beats(replica: string): Promise<number[]>;
  writeBeats(replica: string, beats: number[]): Promise<void>;
  /** By entry, the shards that should know it and do not. */
  unknownIn(entries: LogEntry[]): Promise<number[][]>;
  /** Charges what is of these shards, once for each id. False: they knew it all. */
  restore(entry: LogEntry, shards: number[]): Promise<boolean>;
  /** Tells what this replica has charged, counter by counter; 0 for what counts no more. */
  publish(replica: string, sums: WindowSum[]): Promise<void>;
}

export interface RecoveryOptions {
  calls: RecoveryCalls;
  log: Pick<RecordLog, "replica" | "lastAt" | "read">;
  sums: ChargeSums;
  nowMs: () => number;
  onLost: (shards: number) => void;
  /** Told how many entries the store has got back. */
  onRestored: (entries: number) => void;
  onWarning: (message: string) => void;
}

const chunkLength = 500;
/** A beat older than all entries: the shard is being rebuilt, from the first entry on. */
const rebuilding = 1;

export class Recovery {
  readonly #given: RecoveryOptions;
  /** Logged since the last beat. */
  #pending: LogEntry[] = [];
  /** The newest beat that this process knows to be in every shard. */
  #beat = 0;
  #state: "unchecked" | "ready" | "rebuilding" = "unchecked";
  #suspicions = 0;
  #checking: Promise<void> | null = null;
  #loadedSums = false;

  constructor(options: RecoveryOptions) {
    this.#given = options;
  }

  /** True while the store has all that it should have, as far as is known. */
  get isReady(): boolean {
    return this.#state === "ready";
  }

  /**
   * Waits for a check where there has been none since the store was away.
   * @throws StoreError unavailable where the store is away or being rebuilt.
   */
  async ready(): Promise<void> {
    for (let tries = 0; tries < 2 && this.#state === "unchecked"; tries += 1) await this.check();
    if (this.#state === "ready") return;
    throw new StoreError("unavailable", "the store lost data and is being rebuilt");
  }

  /** The store may have been away and come back empty: it is looked at before it is asked. */
  suspect(): void {
    this.#suspicions += 1;
    if (this.#state === "ready") this.#state = "unchecked";
  }

  /** Takes over entries that are on disk, and that the store has acknowledged. */
  logged(entries: LogEntry[]): void {
    this.#pending.push(...entries);
    for (const entry of entries) this.#count(entry);
  }

  /** What the store knew before was counted when it was logged first. */
  #count(entry: LogEntry): void {
    if (entry.kind !== "settled" || !entry.again) this.#given.sums.add(entry, this.#given.nowMs());
  }

  /** Reads the log's former entries, for the sums. */
  async loadSums(): Promise<void> {
    const { log } = this.#given;
    const untilAt = log.lastAt;
    for await (const entry of log.read(0)) {
      if (entry.at > untilAt) break;
      this.#count(entry);
    }
    this.#loadedSums = true;
  }

  /**
   * Looks whether the store has all entries, and gives it what it lacks. One at a time: a second
   * call gets the first one's promise.
   */
  check(): Promise<void> {
    this.#checking ??= this.#check()
      .catch((error) => {
        // Before it is asked again it has to be looked at: it may have been away and come back.
        this.#state = "unchecked";
        throw error;
      })
      .finally(() => {
        this.#checking = null;
      });
    return this.#checking;
  }

  async #check(): Promise<void> {
    const { calls, log } = this.#given;
    const untilAt = log.lastAt;
    const suspicions = this.#suspicions;
    const beats = await calls.beats(log.replica);
    const lost = beats.filter((beat) => beat < this.#beat).length;
    if (lost > 0) this.#given.onLost(lost);
    if (lost > 0 || this.#state !== "ready") await this.#rebuild(beats, untilAt);
    else await this.#giveBack(this.#pending.filter(({ at }) => at <= untilAt));
    if (untilAt > this.#beat || lost > 0) {
      await calls.writeBeats(
        log.replica,
        beats.map(() => Math.max(untilAt, rebuilding)),
      );
    }
    this.#beat = Math.max(untilAt, rebuilding);
    this.#pending = this.#pending.filter(({ at }) => at > untilAt);
    this.#state = suspicions === this.#suspicions ? "ready" : "unchecked";
    await this.#publish(lost > 0);
  }

  /** Gives back what shards lost after their beats, from the log. */
  async #rebuild(beats: number[], untilAt: number): Promise<void> {
    const { calls, log } = this.#given;
    this.#state = "rebuilding";
    await calls.prepare();
    // So that what is lost while this goes on is noticed, too.
    const begun = beats.map((beat) => Math.max(beat, rebuilding));
    if (beats.includes(0)) await calls.writeBeats(log.replica, begun);
    let chunk: LogEntry[] = [];
    const giveBack = async () => {
      await this.#giveBack(chunk, beats);
      chunk = [];
    };
    for await (const entry of log.read(Math.min(...beats))) {
      if (entry.at > untilAt) break;
      chunk.push(entry);
      if (chunk.length === chunkLength) await giveBack();
    }
    await giveBack();
    const after = await calls.beats(log.replica);
    if (after.every((beat, shard) => beat >= (begun[shard] ?? 0))) return;
    throw new StoreError("unavailable", "the store lost data again while it was rebuilt");
  }

  /** @param beats shards that have an entry by their beat are not asked for it */
  async #giveBack(entries: LogEntry[], beats: number[] = []): Promise<void> {
    if (entries.length === 0) return;
    const { calls } = this.#given;
    const unknown = await calls.unknownIn(entries);
    const given = entries.map(async (entry, index) => {
      const shards = (unknown[index] ?? []).filter((shard) => entry.at > (beats[shard] ?? 0));
      if (shards.length === 0) return 0;
      return (await calls.restore(entry, shards)) ? 1 : 0;
    });
    const restored = (await Promise.all<number>(given)).reduce((total, one) => total + one, 0);
    if (restored > 0) this.#given.onRestored(restored);
  }

  async #publish(all: boolean): Promise<void> {
    if (!this.#loadedSums) return;
    const { calls, log, sums, nowMs } = this.#given;
    if (all) sums.markAllChanged();
    const changed = sums.takeChanged(nowMs());
    if (changed.length === 0) return;
    try {
      await calls.publish(log.replica, changed);
    } catch (error) {
      sums.markAllChanged();
      throw error;
    }
  }
}
