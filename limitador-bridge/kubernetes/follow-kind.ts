/** Follows the objects of one kind: a list, then what changes after it, for ever. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../admission/ports.ts";
import { type ClusterApi, needsList, type WatchEvent } from "./cluster-api.ts";
import { titleOf } from "./cluster-object.ts";
import type { MirroredKind } from "./kinds.ts";
import type { ObjectCache } from "./object-cache.ts";

export interface FollowTimes {
  /** Before a watch that ended is begun again, and after the first failure; doubles after each. */
  retryMs: number;
  maxRetryMs: number;
  /** Between looks for a kind that the cluster does not know. */
  lookAgainMs: number;
}

export interface FollowParts {
  api: ClusterApi;
  cache: ObjectCache;
  /** Called after each change of the cache. */
  onChange: () => void;
  log: Log;
  times: FollowTimes;
  signal: AbortSignal;
}

/** Waits; returns early, and does not throw, where the signal comes. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {});
}

class KindFollower {
  readonly #kind: MirroredKind;
  readonly #parts: FollowParts;
  /** Of what was seen last; null: a list comes first. */
  #resourceVersion: string | null = null;
  #isMissing = false;
  #retryMs: number;

  constructor(kind: MirroredKind, parts: FollowParts) {
    this.#kind = kind;
    this.#parts = parts;
    this.#retryMs = parts.times.retryMs;
  }

  async run(): Promise<void> {
    const { signal } = this.#parts;
    while (!signal.aborted) {
      const waitMs = await this.#round().catch((error: unknown) => this.#failed(error));
      await pause(waitMs, signal);
    }
  }

  /** Lists where that is needed, then watches to the stream's end. Gives how long to wait then. */
  async #round(): Promise<number> {
    const { api, signal, times } = this.#parts;
    if (this.#resourceVersion === null) {
      const isKnown = await this.#list();
      if (!isKnown) return times.lookAgainMs;
    }
    const version = this.#resourceVersion ?? "";
    await api.watch(this.#kind, version, (event) => this.#take(event), signal);
    return times.retryMs;
  }

  async #list(): Promise<boolean> {
    const { api, cache, onChange, log } = this.#parts;
    const { plural, group } = this.#kind;
    const listed = await api.list(this.#kind);
    if (listed === null) {
      if (!this.#isMissing) log.info({ resource: `${plural}.${group}` }, "not installed");
      this.#isMissing = true;
      return false;
    }
    this.#isMissing = false;
    cache.replace(this.#kind, listed.objects, listed.hasStatus);
    this.#seen(listed.resourceVersion);
    onChange();
    return true;
  }

  #take(event: WatchEvent): void {
    const { cache, onChange, log } = this.#parts;
    this.#seen(event.resourceVersion);
    if (event.type === "BOOKMARK") return;
    if (event.type === "DELETED") {
      cache.remove(this.#kind, event.object);
      log.info({ object: titleOf(this.#kind.kind, event.object) }, "deleted");
    } else cache.put(this.#kind, event.object);
    onChange();
  }

  #seen(resourceVersion: string): void {
    this.#resourceVersion = resourceVersion;
    this.#retryMs = this.#parts.times.retryMs;
  }

  #failed(error: unknown): number {
    const { log, times, signal } = this.#parts;
    if (signal.aborted) return 0;
    const { message } = error as Error;
    if (needsList(error)) {
      this.#resourceVersion = null;
      log.info({ why: message }, "listing again");
    } else log.warn({ why: message, retryMs: this.#retryMs }, "trying again");
    const waitMs = this.#retryMs;
    this.#retryMs = Math.min(waitMs * 2, times.maxRetryMs);
    // Replicas that lost the same server do not come back all at once.
    return waitMs * (0.5 + Math.random() / 2);
  }
}

/**
 * Keeps the cache as the cluster is, until the signal. Never rejects: what goes wrong is logged
 * and tried again, and what is known stays.
 */
export function followKind(kind: MirroredKind, parts: FollowParts): Promise<void> {
  return new KindFollower(kind, parts).run();
}
