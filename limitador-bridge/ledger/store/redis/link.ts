/**
 * The connection to Redis: runs scripts by their SHA, with the text where Redis does not know it,
 * and turns every failure into a StoreError of code unavailable.
 *
 * A command whose answer does not come may have been done. That is safe: all scripts but those
 * that only read can be sent again, since holds and settlements are known by their id.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Cluster, type Redis } from "ioredis";
import { StoreError } from "../store-error.ts";
import { connect } from "./connect.ts";
import type { RedisUrl } from "./redis-url.ts";
import { ReplicaWait } from "./replica-wait.ts";
import type { Script } from "./script.ts";
import { slotOf } from "./shards.ts";

export interface LinkOptions {
  /** Longest wait for one command, ms. */
  timeoutMs: number;
  /** Told what ioredis reports of connections. */
  onWarning?: (message: string) => void;
  /** Told when a connection is cut off: what comes after may be another Redis. */
  onCutOff?: () => void;
}

const retryEveryMs = 20;

export class Link {
  readonly isCluster: boolean;
  readonly #client: Redis | Cluster;
  readonly #timeoutMs: number;
  readonly #replicas: ReplicaWait;
  #isCorked = false;
  #cutOffs = 0;

  constructor(url: RedisUrl, options: LinkOptions) {
    this.#timeoutMs = options.timeoutMs;
    this.#client = connect(url, options.timeoutMs);
    this.isCluster = this.#client instanceof Cluster;
    const warn = (message: string) => options.onWarning?.(message);
    this.#client.on("error", (error: Error) => warn(`redis: ${error.message}`));
    for (const event of ["close", "-node"]) {
      this.#client.on(event, () => {
        this.#cutOffs += 1;
        options.onCutOff?.();
      });
    }
    this.#replicas = new ReplicaWait(url.waitReplicas, warn);
  }

  /** Runs a script; keys must be of one shard. */
  async run(script: Script, keys: string[], args: string[]): Promise<unknown[]> {
    const deadlineMs = Date.now() + this.#timeoutMs;
    for (;;) {
      try {
        return (await this.#evaluate(script, keys, args)) as unknown[];
      } catch (error) {
        // A slot is moving: the script met keys that have gone, before it wrote any.
        const moving = error instanceof Error && error.message.includes("non local key");
        if (!moving || Date.now() + retryEveryMs > deadlineMs)
          throw unavailable(script.name, error);
        await sleep(retryEveryMs);
      }
    }
  }

  async #evaluate(script: Script, keys: string[], args: string[]): Promise<unknown> {
    this.#writeTogether();
    try {
      return await this.#client.evalsha(script.sha, keys.length, ...keys, ...args);
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith("NOSCRIPT")) throw error;
      return this.#client.eval(script.lua, keys.length, ...keys, ...args);
    }
  }

  /** One system call writes all that is sent in one turn of the event loop. */
  #writeTogether(): void {
    if (this.#isCorked || this.#client instanceof Cluster) return;
    // There is none before the first connection.
    const { stream } = this.#client as { stream?: Redis["stream"] };
    if (stream === undefined) return;
    this.#isCorked = true;
    stream.cork();
    setImmediate(() => {
      this.#isCorked = false;
      stream.uncork();
    });
  }

  /** Members of a lex zset between two bounds, the last first. */
  lastMembers(key: string, below: string, from: string, count: number): Promise<string[]> {
    return this.#reading(() => this.#client.zrevrangebylex(key, below, from, "LIMIT", 0, count));
  }

  getAll(keys: string[]): Promise<(string | null)[]> {
    return this.#reading(() => this.#client.mget(...keys));
  }

  /** Sets a key that is not there yet; returns what it is then. */
  async setOnce(key: string, value: string): Promise<string | null> {
    return this.#reading(async () => {
      await this.#client.set(key, value, "NX");
      return this.#client.get(key);
    });
  }

  /** How often a connection has been cut off. */
  get cutOffs(): number {
    return this.#cutOffs;
  }

  /**
   * Waits until replicas have what was written to the shards of these marks (see ReplicaWait).
   * @param cutOffs as it was before that was written
   * @throws StoreError unavailable where they have it not in time, or a connection was cut off, so
   * that what the replicas have may be of another primary.
   */
  async waitForReplicas(marks: string[], cutOffs: number): Promise<void> {
    const waits = () => {
      const markOf = new Map(marks.map((mark) => [this.#nodeOf(mark), mark]));
      return [...markOf].map(([node, mark]) => this.#replicas.of(node, mark));
    };
    const reached = await this.#reading(() => Promise.all(waits()));
    if (cutOffs === this.#cutOffs || reached.every((replicas) => replicas === 0)) return;
    throw new StoreError("unavailable", "redis: cut off while replicas were waited for");
  }

  #nodeOf(key: string): Redis {
    if (!(this.#client instanceof Cluster)) return this.#client;
    const slot = slotOf(key);
    const name = this.#client.slots[slot]?.[0];
    const node = this.#client
      .nodes("master")
      .find(({ options }) => `${options.host}:${options.port}` === name);
    if (node === undefined)
      throw new StoreError("unavailable", `redis: no primary of slot ${slot}`);
    return node;
  }

  /** Makes scripts known to every primary, before many ask for them at once. */
  async load(known: Script[]): Promise<void> {
    const load = (node: Redis) => known.map(({ lua }) => node.script("LOAD", lua));
    await this.#reading(() => Promise.all(this.#primaries().flatMap(load)));
  }

  async ping(): Promise<void> {
    await this.#reading(() => Promise.all(this.#primaries().map((node) => node.ping())));
  }

  #primaries(): Redis[] {
    return this.#client instanceof Cluster ? this.#client.nodes("master") : [this.#client];
  }

  async close(): Promise<void> {
    this.#replicas.close();
    if (this.#client.status === "ready") await this.#client.quit().catch(() => {});
    this.#client.disconnect();
  }

  async #reading<T>(read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      throw error instanceof StoreError ? error : unavailable("read", error);
    }
  }
}

function unavailable(what: string, cause: unknown): StoreError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new StoreError("unavailable", `redis ${what}: ${why}`, cause);
}
