/**
 * WAIT at one primary, on a connection of its own: Redis reads nothing more from a connection that
 * waits, and decisions must not stand behind it.
 *
 * WAIT is about what its own connection has written last. So a mark is written first: a replica
 * that has the mark has all that came before it, by whatever connection.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Redis } from "ioredis";
import { NotReplicated, StoreError } from "../store-error.ts";

/** Replicas are asked at once, and answer so; this is for one that is busy. */
const waitMs = 500;
const lookAgainMs = 1000;
const markTtlMs = 60_000;

export class PrimaryWait {
  readonly #written: Redis;
  readonly #wanted: number;
  readonly #warn: (message: string) => void;
  #own: Redis | null = null;
  #running: Promise<number> | null = null;
  #next: Promise<number> | null = null;
  #inStep = { replicas: 0, untilMs: Number.NEGATIVE_INFINITY };
  #toldReplicas: number | null = null;
  #closed = false;

  /**
   * @param written the connection that writes
   * @param wanted replicas that must have a write
   */
  constructor(written: Redis, wanted: number, warn: (message: string) => void) {
    this.#written = written;
    this.#wanted = wanted;
    this.#warn = warn;
  }

  /**
   * Resolves with how many replicas have what was written before this call. One WAIT runs at a
   * time; those who come meanwhile share the next.
   * @param key of this primary; becomes the mark
   * @throws StoreError unavailable where the primary cannot be asked, NotReplicated where replicas
   * that are in step do not have it in time; else what ioredis throws.
   */
  reached(key: string): Promise<number> {
    const before: Promise<unknown> = this.#running ?? nextTurn();
    this.#next ??= before.catch(() => {}).then(() => this.#start(key));
    return this.#next;
  }

  /** Ends what runs and what waits for its turn; their callers get an error. */
  close(): void {
    this.#closed = true;
    this.#own?.disconnect();
  }

  #start(key: string): Promise<number> {
    this.#next = null;
    this.#running = this.#wait(key).finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async #wait(key: string): Promise<number> {
    if (this.#closed) throw new StoreError("unavailable", "redis: connection is closed");
    const own = this.#connection();
    const expected = await this.#expected(own);
    if (expected === 0) return 0;
    const asked = [own.set(key, "", "PX", markTtlMs), own.wait(expected, waitMs)] as const;
    const [, reached] = await Promise.all(asked);
    if (addressOf(own) !== addressOf(this.#written)) {
      own.disconnect();
      throw new StoreError("unavailable", "redis: another primary than the one written to");
    }
    if (reached >= expected) return reached;
    this.#inStep.untilMs = Number.NEGATIVE_INFINITY;
    const left = await this.#expected(own);
    if (reached >= left) return reached;
    throw new NotReplicated(`redis: ${reached} of ${left} replicas have it after ${waitMs} ms`);
  }

  /** How many replicas there are to wait for; looked at once a second. */
  async #expected(own: Redis): Promise<number> {
    const nowMs = performance.now();
    if (nowMs >= this.#inStep.untilMs) {
      const replicas = replicasInStep(await own.info("replication"));
      this.#inStep = { replicas, untilMs: nowMs + lookAgainMs };
      this.#tell(replicas, own);
    }
    return Math.min(this.#inStep.replicas, this.#wanted);
  }

  #tell(replicas: number, own: Redis): void {
    if (replicas === this.#toldReplicas) return;
    const isNews = replicas < this.#wanted || this.#toldReplicas !== null;
    this.#toldReplicas = replicas;
    if (!isNews) return;
    const what = `${replicas} replicas in step, settlements want ${this.#wanted}`;
    this.#warn(`redis ${addressOf(own)}: ${what}`);
  }

  /** Never connects again by itself: a mark at another server says nothing of this one. */
  #connection(): Redis {
    if (this.#own !== null) return this.#own;
    const own = this.#written.duplicate({
      lazyConnect: false,
      retryStrategy: () => null,
      sentinelRetryStrategy: () => null,
      reconnectOnError: null,
      autoResendUnfulfilledCommands: false,
      commandTimeout: (this.#written.options.commandTimeout ?? 0) + waitMs,
    });
    // Those who wait are told.
    own.on("error", () => {});
    own.once("end", () => {
      if (this.#own === own) this.#own = null;
      this.#inStep.untilMs = Number.NEGATIVE_INFINITY;
    });
    this.#own = own;
    return own;
  }
}

/** Replicas that have had the whole data set and are sent what is written. */
function replicasInStep(info: string): number {
  return info.match(/^slave\d+:.*\bstate=online\b/gm)?.length ?? 0;
}

/** Of the server; "" where a connection is cut off. */
function addressOf({ stream }: Redis): string {
  const { remoteAddress, remotePort } = stream ?? {};
  return remoteAddress === undefined ? "" : `${remoteAddress}:${remotePort}`;
}
